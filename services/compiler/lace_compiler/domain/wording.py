"""The few words that the compiler itself writes into a document, the same in every format."""

from __future__ import annotations

from typing import Final

CONTENTS: Final = "Contents"
SOURCES_AND_EVIDENCE: Final = "Sources and evidence"
VERIFICATION: Final = "Verification"
WITHHELD: Final = "Withheld"
VOUCHED: Final = "†"
ACCEPTED: Final = f"Accepted by a person ({VOUCHED})"
NOT_CITED: Final = "Read, but not cited"
EMPTY_DOCUMENT: Final = "This document has no content yet."
UNTITLED: Final = "Untitled document"
OPAQUE_NOTE: Final = "A block of a kind that this version does not know, kept as it is:"
TABLE: Final = "Table"
COLUMNS: Final = "columns"
FIGURE: Final = "Figure"
PAGE: Final = "p."
TONES: Final = {"note": "Note", "tip": "Tip", "warning": "Warning", "danger": "Danger"}


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun: 1 source, 2 sources, 1,024 sources."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
