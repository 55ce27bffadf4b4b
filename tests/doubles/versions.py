"""Units as two versions of a document may have them, and the ways in which a version differs from the one before."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from lace_core.canonical import sha256_hex
from lace_core.ids import derive
from lace_ingest.domain.documents import Span, Unit, UnitKind, UnitTable

WORDS = "harbour wall was raised by two metres in spring after storm and the old pier sank 1,200 5 m".split()
SECTIONS = ("Cost", "Works", "Risks")


def unit(
    text: str, order: int, *headings: str, side: str = "a", kind: UnitKind = UnitKind.PARAGRAPH, line: int = 0,
    table: UnitTable | None = None,
) -> Unit:  # fmt: skip
    """A unit with one span for each of its sentences or lines; its id derives from all that is given."""
    ident = derive("unt", side, str(order), text, *headings)
    marks = "\n" if kind is not UnitKind.PARAGRAPH else ". "
    spans, start = [], 0
    for part in text.split(marks):
        spans.append(Span(start, start + len(part)))
        start += len(part) + len(marks)
    return Unit(ident, order, kind, text, sha256_hex(text.encode()), tuple(spans), headings, 0, line, table)


def tabled(header: Sequence[str], rows: Sequence[Sequence[str]], order: int, *headings: str, side: str = "a") -> Unit:
    """A table as a unit."""
    table = UnitTable(tuple(header), tuple(map(tuple, rows)))
    text = "\n".join(" | ".join(row) for row in (header, *rows))
    return unit(text, order, *headings, side=side, kind=UnitKind.TABLE, table=table)


def numbered(units: Sequence[Unit], side: str) -> list[Unit]:
    """The same units as those of a source of their own, in this order."""
    found = []
    for place, one in enumerate(units):
        made = unit(one.text, place, *one.heading_path, side=side, kind=one.kind, line=one.line, table=one.table)
        found.append(made)
    return found


texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
units = st.builds(
    lambda text, heading, kind: unit(text, 0, heading, kind=kind),
    texts,
    st.sampled_from(SECTIONS),
    st.sampled_from((UnitKind.PARAGRAPH, UnitKind.QUOTE)),
)


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[Unit], list[Unit]]:
    """Two versions of a document: the second has units removed, added, changed and moved."""
    before: list[Unit] = draw(st.lists(units, max_size=14))
    after: list[Unit] = []
    for one in before:
        what = draw(st.sampled_from(("keep", "keep", "keep", "remove", "change", "section", "twice")))
        if what == "keep":
            after.append(one)
        elif what == "change":
            after.append(unit(f"{one.text} {draw(st.sampled_from(WORDS))}", 0, *one.heading_path, kind=one.kind))
        elif what == "section":
            after.append(unit(one.text, 0, draw(st.sampled_from(SECTIONS)), kind=one.kind))
        elif what == "twice":
            after += [one, one]
    if after:
        after.insert(draw(st.integers(0, len(after) - 1)), after.pop(draw(st.integers(0, len(after) - 1))))
    fresh: list[Unit] = draw(st.lists(units, max_size=3))
    return numbered(before, "a"), numbered(after + fresh, "b")


def report(paragraphs: int, *, seed: int, words: int = 60, vocabulary: int = 20_000) -> list[str]:
    """Paragraphs of words as often as in a language: few of them often, most of them seldom."""
    chance = random.Random(seed)
    known = [f"w{int(chance.paretovariate(0.7)) % vocabulary}" for _ in range(10 * vocabulary)]
    return [" ".join(chance.choices(known, k=words)) for _ in range(paragraphs)]


def edited(paragraphs: Sequence[str], *, seed: int, share: float = 0.1) -> list[str]:
    """The same with so many of them changed in a few words, and some removed, added and moved."""
    chance = random.Random(seed)
    found = []
    for text in paragraphs:
        if chance.random() >= share:
            found.append(text)
            continue
        what = chance.random()
        if what < 0.7:
            words = text.split()
            words[chance.randrange(len(words))] = f"new{chance.randrange(1000)}"
            found.append(" ".join(words))
        elif what < 0.85:
            found.extend((text, f"added {chance.random():.6f} {text[:40]}"))
    for _ in range(max(len(found) // 100, 1)):
        found.insert(chance.randrange(len(found)), found.pop(chance.randrange(len(found))))
    return found
