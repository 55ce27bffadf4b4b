"""How much of a document is read at most; everything beyond is refused with a code, never cut off in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lace_core.errors import LaceError, Reason


@dataclass(frozen=True)
class ExtractionLimits:
    """Bounds of one extraction: seconds of wall clock and CPU, bytes of memory, and what may be read.

    `unit_characters` is the length beyond which a paragraph is split; `min_extractability` the share of its content,
    per mille, that a document must give as text; `extractor` names what reads it.
    """

    wall_s: float = 120.0
    cpu_s: int = 120
    memory_bytes: int = 1536 << 20
    output_bytes: int = 128 << 20
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
    min_extractability: int = 100
    extractor: str = "builtin"


SETTINGS = {
    "wall_s": "ingest.timeout_s",
    "cpu_s": "ingest.cpu_s",
    "memory_bytes": "ingest.memory_bytes",
    "output_bytes": "ingest.max_output_bytes",
    "max_bytes": "ingest.max_bytes",
    "pages": "ingest.max_pages",
    "chars": "ingest.max_characters",
    "units": "ingest.max_units",
    "unit_characters": "ingest.unit_characters",
    "json_depth": "ingest.max_json_depth",
    "zip_members": "ingest.max_archive_members",
    "zip_member_bytes": "ingest.max_archive_member_bytes",
    "zip_total_bytes": "ingest.max_archive_bytes",
    "zip_ratio": "ingest.max_archive_ratio",
    "min_extractability": "ingest.min_extractability",
    "extractor": "ingest.extractor",
}


def limits_of(settings: Mapping[str, object]) -> ExtractionLimits:
    """The limits that settings give by their keys; what they leave out has its default."""
    given = {field: settings[key] for field, key in SETTINGS.items() if isinstance(settings.get(key), int | str)}
    return replace(ExtractionLimits(), **given)  # type: ignore[arg-type]


def refuse_beyond(name: str, count: int, limit: int) -> None:
    """Raises SOURCE_LIMIT_EXCEEDED when more than `limit` were found."""
    if count > limit:
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"The document has more than {limit} {name}.")
