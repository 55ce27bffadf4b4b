"""The cache of providers' versions in Postgres, and the advisory lock by which one process at a time refreshes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row

from lace_llm_gateway.domain.versions import ProviderVersions, VersionsFrom
from lace_platform.db.database import SystemDatabase

_READ = "SELECT * FROM provider_version_cache WHERE provider = :provider"
# Who was asked later wins, in whatever order the writes come.
_WRITE = """
    INSERT INTO provider_version_cache
        (provider, versions, current, last_checked_utc, expires_at_utc, etag, source)
    VALUES (:provider, :versions, :current, :last_checked_utc, :expires_at_utc, :etag, :source)
    ON CONFLICT (provider) DO UPDATE SET
        versions = excluded.versions, current = excluded.current, last_checked_utc = excluded.last_checked_utc,
        expires_at_utc = excluded.expires_at_utc, etag = excluded.etag, source = excluded.source
    WHERE provider_version_cache.last_checked_utc <= excluded.last_checked_utc
"""
# Of the transaction, not of the session: a connection that goes back into the pool, or dies, holds no lock.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS taken"


class PostgresVersionCache:
    """See app.ports.VersionCache; a provider's versions are the same for every tenant."""

    def __init__(self, database: SystemDatabase) -> None:
        self._database = database

    async def read(self, provider: str) -> ProviderVersions | None:
        """The row."""
        async with self._database.transaction() as tx:
            row = await tx.fetch_one(_READ, {"provider": provider})
        return _versions(row) if row else None

    @asynccontextmanager
    async def refreshing(self, provider: str) -> AsyncIterator[bool]:
        """Holds the lock `provider:NAME`, which no other process can have, until the end of the block."""
        async with self._database.transaction() as tx:
            row = await tx.fetch_one(_LOCK, {"name": f"llm_gateway.provider:{provider}"})
            yield bool(row and row.taken)

    async def write(self, versions: ProviderVersions) -> None:
        """One row per provider; in a transaction of its own, so that it is there before the lock is let go."""
        row = {name: getattr(versions, name) for name in ProviderVersions.__dataclass_fields__}
        row["versions"] = list(versions.versions)
        row["source"] = versions.source.value
        async with self._database.transaction() as tx:
            await tx.execute(_WRITE, row)
            await tx.commit()


def _versions(row: Row[Any]) -> ProviderVersions:
    return ProviderVersions(
        provider=row.provider,
        versions=tuple(row.versions),
        current=row.current,
        last_checked_utc=row.last_checked_utc,
        expires_at_utc=row.expires_at_utc,
        etag=row.etag,
        source=VersionsFrom(row.source),
    )
