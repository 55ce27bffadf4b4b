"""What taking in many documents needs of the outside world; every method names its tenant."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lace_ingest.domain.intake import ImportRecord, InboxObject
from lace_ingest.domain.sources import Source


class IntakeRepository(Protocol):
    """Sources by the hundred, what was imported, and runs that were cancelled."""

    async def many(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """Those of these sources that are there and whose labels are all among these, in the order of the ids."""

    async def imported(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, ImportRecord]:
        """What is known of these objects of the inbox, by name."""

    async def note_imports(self, tenant_id: str, records: Sequence[ImportRecord], at: datetime) -> None:
        """Keep which sources objects are, in place of what was known of them."""

    async def cancel(self, tenant_id: str, run_id: str, at: datetime) -> None:
        """Note that a run wants nothing more; doing it again changes nothing. Notes of long ago are forgotten."""

    async def is_cancelled(self, tenant_id: str, run_id: str) -> bool:
        """Whether the run wants nothing more."""


class Inbox(Protocol):
    """What others put into the store for a tenant."""

    async def objects(self, tenant_id: str, prefix: str, after: str, limit: int) -> Sequence[InboxObject]:
        """Objects whose names begin with the prefix, behind `after`, sorted by the bytes of their names."""

    def content(self, tenant_id: str, name: str) -> AsyncGenerator[bytes, None]:
        """An object in pieces. Raises BLOB_NOT_FOUND before the first."""
