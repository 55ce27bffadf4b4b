"""What runs need of ingest, as protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lace_core.contracts import SourceOutline
from lace_core.ir import Source
from lace_core.planning import Hit, Unit


@dataclass(frozen=True)
class SourceInfo:
    """A source as runs see it."""

    source: Source
    state: str
    error_code: str
    error_message: str
    outline: SourceOutline | None = None


@dataclass(frozen=True)
class BundleInfo:
    """A version of a bundle: its sources in their order, and the SHA-256 of that list."""

    bundle_id: str
    version: int
    source_ids: tuple[str, ...]
    sha256: str


class Sources(Protocol):
    """What ingest knows, asked under the run's grant."""

    async def get(self, source_id: str) -> SourceInfo:
        """A source; raises LaceError SOURCE_NOT_FOUND."""

    async def many(self, source_ids: Sequence[str]) -> Mapping[str, SourceInfo]:
        """These sources by id; those that are not there, or that the caller may not see, are left out."""

    async def bundle(self, name: str, version: int) -> BundleInfo:
        """A version of a bundle by id or name, the newest where it is 0.

        Raises LaceError BUNDLE_NOT_FOUND, BUNDLE_EMPTY, PERMISSION_DENIED for who may not see all of its sources.
        """

    async def list_ready(self) -> Sequence[str]:
        """Ids of the newest version that is ready of each document, sorted by file name."""

    async def outlines(self, source_ids: Sequence[str]) -> Sequence[SourceInfo]:
        """The ready ones among these sources with what they speak of, sorted by file name."""

    async def search(
        self, queries: Sequence[tuple[str, str]], source_ids: Sequence[str], limit: int, settings: Mapping[str, Any]
    ) -> tuple[Sequence[Sequence[Hit]], Mapping[str, Unit]]:
        """Hits for each (key, text), and the units that they name; the run's pinned settings say how they are found."""

    async def unit_texts(self, cited: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """The text of every unit by unit id, of these sources as these extractions read them (empty: as of now).

        What a source was never read as gives nothing. Raises LaceError SOURCE_NOT_FOUND.
        """
