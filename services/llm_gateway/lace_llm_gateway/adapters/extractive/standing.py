"""Whether a sentence taken out of its place can stand alone, by its form and its words.

The rules of form hold for every language; those of wording know English and find nothing in other languages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lace_llm_gateway.adapters.extractive import wording
from lace_llm_gateway.adapters.extractive.commands import is_command
from lace_llm_gateway.adapters.extractive.words import word_count

_LONGEST = 420
_SHORTEST_WORDS = 5
_MOST_WORDS = 58
_MARKUP = re.compile(r"</?\w+[^>]*>|\{\{|\}\}|\]\(|^\s*[#>*|]|::\s*$|\|\s|``|\*\*|:\w+:`")
_ENDS = re.compile(r"[.!\u3002\uff01\u2026\u0964\u06d4][\"'\u201d\u2019)\]\u300d\u300f\uff09*_`]*(?:\[\d+\])*$")
_QUESTION = re.compile(r"[?\uff1f\u061f][\"'\u201d\u2019)\]\u300d\uff09]*$")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_VERBLESS_UP_TO = 9


class Standing(Enum):
    """How a sentence can be used."""

    ALONE = "alone"
    AFTER = "after"
    """Only directly after the sentence that it follows in its source: it leans on it."""
    INTRODUCES = "introduces"
    """Ends with a colon: only before the list, table or code that it announces."""
    FRAGMENT = "fragment"
    """No sentence, but not misleading: an item of a list where there is nothing better."""
    NEVER = "never"


@dataclass(frozen=True)
class Screened:
    """The finding: how it can be used, and how well it would read there (0 to 1)."""

    standing: Standing
    quality: float


def screen(text: str) -> Screened:
    """How the sentence can be used; linear in its length, and at once for one that is far too long."""
    if len(text) > _LONGEST:
        return Screened(Standing.NEVER, 0.0)
    if is_command(text) or _is_out_of_place(text):
        return Screened(Standing.NEVER, 0.0)
    if text.rstrip().endswith((":", "\uff1a")):
        # A list is carried out of its place with the line before it, but not with the lines before that.
        return Screened(Standing.NEVER if leans(text) else Standing.INTRODUCES, 1.0)
    count = word_count(text)
    if not _ENDS.search(text):
        return Screened(Standing.FRAGMENT if 2 <= count <= _MOST_WORDS else Standing.NEVER, 0.5)
    if count < _SHORTEST_WORDS or count > _MOST_WORDS or not _begins(text) or _lacks_verb(text, count):
        return Screened(Standing.NEVER if count > _MOST_WORDS else Standing.FRAGMENT, 0.3)
    return Screened(Standing.AFTER if leans(text) else Standing.ALONE, _quality(text, count))


def leans(text: str) -> bool:
    """Whether the sentence needs the one before it to be understood."""
    if wording.CONNECTIVE.match(text) or wording.ECHO.match(text) or wording.OPEN_QUANTITY.match(text):
        return True
    if wording.PRONOUN.match(text) and not wording.QUANTITY.match(text):
        return True
    return bool(wording.LEANING_WORDS.search(text))


def _is_out_of_place(text: str) -> bool:
    if text.startswith("(") or _QUESTION.search(text) or _MARKUP.search(text) or wording.MAIL.match(text):
        return True
    if wording.ELSEWHERE.search(text) and not wording.ANNOUNCES.search(text):
        return True
    if wording.SPEECH.match(text) or (wording.LABEL.match(text) and not text.endswith(":")):
        return True
    if wording.CONTROL.match(text) and word_count(text) <= 25:
        return True
    letters = [char for char in text if char.isalpha()]
    if not letters or len(letters) * 2 < len(text.replace(" ", "")):
        return True
    capitals = sum(char.isupper() for char in letters)
    return capitals * 2 > len(letters) or not _is_balanced(text)


def _is_balanced(text: str) -> bool:
    return all(text.count(opened) == text.count(closed) for opened, closed in _PAIRS) and text.count('"') % 2 == 0


def _begins(text: str) -> bool:
    first = text.lstrip("\"'\u201c\u2018(\u00ab\u300c\u300e\u00bf\u00a1")[:1]
    return bool(first) and not first.islower()


def _lacks_verb(text: str, count: int) -> bool:
    return text.isascii() and count <= _VERBLESS_UP_TO and not wording.FINITE.search(text)


def _quality(text: str, count: int) -> float:
    quality = 1.0
    if count < 9 or count > 40:
        quality *= 0.75
    if wording.BY_NAME.match(text) or wording.ITSELF.match(text):
        quality *= 0.3
    elif wording.REPORTED.match(text):
        quality *= 0.7
    if wording.FIRST_PERSON.search(text):
        quality *= 0.55
    if wording.MODAL.search(text):
        quality *= 0.88
    if wording.BIBLIOGRAPHIC.search(text):
        quality *= 0.4
    return quality
