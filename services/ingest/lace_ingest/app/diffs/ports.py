"""What the use cases of diffs need of the outside world."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.diffs.citations import Citation
from lace_ingest.domain.diffs.documents import Passage
from lace_ingest.domain.diffs.impact import Place, Quoted
from lace_ingest.domain.diffs.units import UnitChange
from lace_ingest.domain.documents import Unit


class Differ(Protocol):
    """Compares the units of two versions within limits, away from the event loop where it takes long.

    Raises DIFF_LIMIT_EXCEEDED.
    """

    async def documents(
        self, before: Sequence[Unit], after: Sequence[Unit], titles: tuple[str, str], context: int
    ) -> Sequence[Passage]:
        """The paragraphs that differ, with so many unchanged ones around them; the others are skipped.

        `titles` are those of both versions, empty where a document names none.
        """

    async def units(self, before: Sequence[Unit], after: Sequence[Unit]) -> Sequence[UnitChange]:
        """What became of the units."""

    async def places(self, before: Sequence[Unit], after: Sequence[Unit], quotes: Sequence[Quoted]) -> Sequence[Place]:
        """How each quote stands in the later version."""


class Kept(Protocol):
    """Keeps what was computed for a while, to make the next page of it quickly; it may forget anything at any time."""

    def get(self, key: Hashable) -> Any:
        """What was kept under the key; None where nothing is."""

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep something of about so many bytes."""


@dataclass(frozen=True)
class CitationPage:
    """Citations, and the token of the page after them; empty at the end."""

    citations: Sequence[Citation]
    next_token: str


class Citations(Protocol):
    """Who cites, as far as the caller of the call under way may know."""

    async def page(self, source_ids: Sequence[str], artifact_id: str, limit: int, token: str) -> CitationPage:
        """Citations of these sources (of any where none is named) in the newest revision of this document (of all
        where it is empty). Raises PERMISSION_DENIED for who may not read documents.
        """


@dataclass(frozen=True)
class Diffs:
    """The outside world as the use cases see it."""

    units_of_work: UnitsOfWork
    differ: Differ
    kept: Kept
    citations: Citations
