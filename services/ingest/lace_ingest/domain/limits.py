"""How much of a document is read at most; everything beyond is refused with a code, never cut off in silence."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError, Reason


@dataclass(frozen=True)
class ExtractionLimits:
    """Bounds of one extraction: seconds of wall clock and CPU, bytes of memory, and what may be read.

    `unit_characters` is the length beyond which a paragraph is split.
    """

    wall_s: float = 120.0
    cpu_s: int = 120
    memory_bytes: int = 1536 << 20
    output_bytes: int = 256 << 20
    max_bytes: int = 50 << 20
    pages: int = 2000
    chars: int = 20_000_000
    units: int = 100_000
    unit_characters: int = 1200
    json_depth: int = 200
    zip_members: int = 5000
    zip_member_bytes: int = 128 << 20
    zip_total_bytes: int = 256 << 20
    zip_ratio: int = 200


def refuse_beyond(name: str, count: int, limit: int) -> None:
    """Raises SOURCE_LIMIT_EXCEEDED when more than `limit` were found."""
    if count > limit:
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"The document has more than {limit} {name}.")
