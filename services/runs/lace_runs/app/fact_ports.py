"""What taking facts out of sources needs of ingest, asked under the run's grant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lace_core.ir import Source
from lace_core.librarian import Piece, Refusal, Stated
from lace_runs.app.paragraphs.ports import FactReader

Part = tuple[int, int, int, int]
"""Spans of a source: the place of the first unit and of its span, the place of the last unit and past its span."""


@dataclass(frozen=True)
class Plan:
    """How a source is parted; `extraction` is the one that its parts count the units of."""

    source: Source
    extraction: str
    language: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Kept:
    """What came of keeping facts: how many are new, were there before, and of both are for review; the refused."""

    added: int
    known: int
    review: int
    refused: tuple[Refusal, ...]


class Facts(FactReader, Protocol):
    """The facts of sources."""

    async def plan(self, source_id: str, max_characters: int) -> Plan:
        """How a source is parted; raises LaceError SOURCE_NOT_FOUND, SOURCE_NOT_READY."""

    async def read(self, source_id: str, extraction: str, part: Part) -> Sequence[Piece]:
        """The units of a part; raises LaceError SOURCE_NOT_FOUND, EXTRACTION_NOT_FOUND."""

    async def keep(self, source_id: str, step_id: str, call: Mapping[str, Any], stated: Sequence[Stated]) -> Kept:
        """Keep facts that a call (as the ledger has it) gave, where they hold; doing it again changes nothing."""
