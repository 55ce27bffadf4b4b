"""Sources in Postgres as versions of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lace_ingest.adapters.postgres_sources import COLUMNS, source_of
from lace_ingest.domain.sources import Source
from lace_platform.db.transaction import Transaction

# The first version stands for its document: whoever adds one holds its row. A statement of its own, so that the next
# one sees what the last holder committed.
_HOLD = "SELECT 1 FROM ingest.sources WHERE tenant_id = :tenant_id AND source_id = :series_id FOR UPDATE"
_VERSIONS = f"""
    SELECT {COLUMNS} FROM ingest.sources
    WHERE tenant_id = :tenant_id AND series_id = :series_id
      AND (CAST(:held AS text[]) IS NULL OR labels <@ CAST(:held AS text[]))
      AND (CAST(:before AS integer) IS NULL OR version < CAST(:before AS integer))
    ORDER BY version DESC
    LIMIT :limit
"""
_NEWEST_READY = f"""
    SELECT DISTINCT ON (series_id) {COLUMNS} FROM ingest.sources
    WHERE tenant_id = :tenant_id AND series_id = ANY(CAST(:series_ids AS text[])) AND state = 'ready'
      AND labels <@ CAST(:held AS text[])
    ORDER BY series_id, version DESC
"""


class PostgresSeriesRepository:
    """Table ingest.sources; see app.version_ports.SeriesRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def hold(self, tenant_id: str, series_id: str) -> Source | None:
        """The newest version, under the lock of its document."""
        await self._tx.fetch_one(_HOLD, {"tenant_id": tenant_id, "series_id": series_id})
        found = await self._versions(tenant_id, None, series_id, 1, None)
        return found[0] if found else None

    async def versions(
        self, tenant_id: str, labels: frozenset[str], series_id: str, limit: int, before: int | None
    ) -> Sequence[Source]:
        """Newest first, within the labels held."""
        return await self._versions(tenant_id, labels, series_id, limit, before)

    async def newest_ready(
        self, tenant_id: str, labels: frozenset[str], series_ids: Sequence[str]
    ) -> Mapping[str, Source]:
        """By series."""
        parameters = {"tenant_id": tenant_id, "held": sorted(labels), "series_ids": list(series_ids)}
        found = [source_of(row) for row in await self._tx.fetch_all(_NEWEST_READY, parameters)]
        return {source.series_id: source for source in found}

    async def _versions(
        self, tenant_id: str, labels: frozenset[str] | None, series_id: str, limit: int, before: int | None
    ) -> Sequence[Source]:
        parameters = {
            "tenant_id": tenant_id,
            "held": None if labels is None else sorted(labels),
            "series_id": series_id,
            "limit": limit,
            "before": before,
        }
        return [source_of(row) for row in await self._tx.fetch_all(_VERSIONS, parameters)]
