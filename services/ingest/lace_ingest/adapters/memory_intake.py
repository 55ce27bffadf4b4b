"""Sources by the hundred, what was imported, and cancelled runs, in memory behind the same port as Postgres."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta

from lace_ingest.domain.intake import ImportRecord
from lace_ingest.domain.sources import Source, may_see

_REMEMBERED = timedelta(days=30)


class MemoryIntake:
    """See app.intake_ports.IntakeRepository; `sources` are those of each tenant by id, the others by tenant and name
    or run.
    """

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, Source]],
        imported: MutableMapping[tuple[str, str], ImportRecord],
        cancelled: MutableMapping[tuple[str, str], datetime],
    ) -> None:
        self._sources = sources
        self._imported = imported
        self._cancelled = cancelled

    async def many(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """Those that are there and may be seen, in the order of the ids."""
        own = self._sources.get(tenant_id, {})
        found = (own[source_id] for source_id in dict.fromkeys(source_ids) if source_id in own)
        return [source for source in found if may_see(source.labels, labels)]

    async def imported(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, ImportRecord]:
        """What is known of these objects, by name."""
        return {name: self._imported[tenant_id, name] for name in names if (tenant_id, name) in self._imported}

    async def note_imports(self, tenant_id: str, records: Sequence[ImportRecord], at: datetime) -> None:
        """Keep which sources objects are."""
        self._imported.update({(tenant_id, record.name): record for record in records})

    async def cancel(self, tenant_id: str, run_id: str, at: datetime) -> None:
        """Note that a run wants nothing more, and forget such notes of long ago."""
        self._cancelled.setdefault((tenant_id, run_id), at)
        for key, noted_at in list(self._cancelled.items()):
            if key[0] == tenant_id and noted_at < at - _REMEMBERED:
                del self._cancelled[key]

    async def is_cancelled(self, tenant_id: str, run_id: str) -> bool:
        """Whether the run wants nothing more."""
        return (tenant_id, run_id) in self._cancelled
