"""Headings in capitals as a person would write them: names keep the form that they have in the text below."""

from __future__ import annotations

import re
from dataclasses import replace

from lace_ingest.domain.reading.anchors import without_anchors
from lace_ingest.domain.reading.pieces import Heading, Listing, Piece, Prose, Reading

_WORD = re.compile(r"[^\W\d_][\w'\u2019]*")
_INSIDE = re.compile(r"(?<=[a-z0-9,;] )[^\W\d_][\w'\u2019]*")
_LETTERS = 6
_SMALL = frozenset("a an and as at by for from in of on or the to with".split())


def is_shouted(text: str) -> bool:
    """Whether a line is written in capitals throughout, and is more than an abbreviation."""
    letters = [char for char in text if char.isalpha()]
    return len(letters) >= _LETTERS and all(char.isupper() for char in letters)


def calm_headings(reading: Reading) -> Reading:
    """The reading with its shouted headings in sentence case, its title in title case."""
    shouted = [piece for piece in reading.pieces if isinstance(piece, Heading) and is_shouted(piece.text)]
    if not shouted and not is_shouted(reading.title):
        return reading
    names = _names(reading.pieces)
    pieces = tuple(
        replace(piece, text=_calm(piece.text, names))
        if isinstance(piece, Heading) and is_shouted(piece.text)
        else piece
        for piece in reading.pieces
    )
    title = _titled(reading.title) if is_shouted(reading.title) else reading.title
    return replace(reading, pieces=pieces, title=title)


def _names(pieces: tuple[Piece, ...]) -> dict[str, str]:
    """Words that stand inside sentences with a capital more often than without, by their lower case form."""
    forms: dict[str, dict[str, int]] = {}
    for piece in pieces:
        for text in _texts(piece):
            for word in _INSIDE.findall(text):
                counts = forms.setdefault(word.lower(), {})
                counts[word] = counts.get(word, 0) + 1
    best = {low: max(sorted(counts), key=lambda form: counts[form]) for low, counts in forms.items()}
    return {low: form for low, form in best.items() if form != low}


def _texts(piece: Piece) -> tuple[str, ...]:
    if isinstance(piece, Prose):
        return (without_anchors(piece.text),)
    return tuple(without_anchors(item.text) for item in piece.items) if isinstance(piece, Listing) else ()


def _calm(text: str, names: dict[str, str]) -> str:
    calm = _WORD.sub(lambda found: names.get(found.group().lower(), found.group().lower()), text)
    first = _WORD.search(calm)
    if first is None:
        return text
    at = first.start()
    return calm[:at] + calm[at].upper() + calm[at + 1 :]


def _titled(text: str) -> str:
    """A title with each word of weight begun by a capital."""
    calm = _WORD.sub(
        lambda found: found.group().lower() if found.group().lower() in _SMALL else found.group().capitalize(), text
    )
    return calm[:1].upper() + calm[1:]
