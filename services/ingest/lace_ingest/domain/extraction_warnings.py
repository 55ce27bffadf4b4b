"""What a reading could not take in, or left out on purpose: coded, so that a program can act on it too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_NAMED_PAGES = 12


class WarningCode(StrEnum):
    """Why something of a document is not, or not certainly, in its units."""

    ENCODING_DAMAGED = "ENCODING_DAMAGED"
    ENCODING_GUESSED = "ENCODING_GUESSED"
    PAGES_WITHOUT_TEXT = "PAGES_WITHOUT_TEXT"
    PAGES_UNREADABLE = "PAGES_UNREADABLE"
    CHARACTERS_UNKNOWN = "CHARACTERS_UNKNOWN"
    TURNED_TEXT_LEFT_OUT = "TURNED_TEXT_LEFT_OUT"
    PICTURES_LEFT_OUT = "PICTURES_LEFT_OUT"
    COMMENTS_LEFT_OUT = "COMMENTS_LEFT_OUT"
    DELETIONS_LEFT_OUT = "DELETIONS_LEFT_OUT"
    NOTES_NOT_REFERRED_TO = "NOTES_NOT_REFERRED_TO"
    NOTES_MISSING = "NOTES_MISSING"
    OTHER = "OTHER"


@dataclass(frozen=True)
class ExtractionWarning:
    """One thing that a person should know about a reading.

    `page` counts from 1 and is 0 where the whole document is meant; `count` says how often it holds.
    """

    code: WarningCode
    message: str
    page: int = 0
    count: int = 1


def named_pages(pages: Iterable[int]) -> str:
    """Page numbers as a person would write them, runs as such: 1-3, 7; the first dozen of them."""
    runs: list[list[int]] = []
    for page in sorted(set(pages)):
        if runs and runs[-1][1] == page - 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:_NAMED_PAGES]]
    return ", ".join(shown) + (", …" if len(runs) > _NAMED_PAGES else "")
