"""The cache of providers' versions in memory: the same port for tests and for one process alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lace_llm_gateway.domain.versions import ProviderVersions


class MemoryVersionCache:
    """See app.ports.VersionCache; what shares the object shares the lock."""

    def __init__(self) -> None:
        self._rows: dict[str, ProviderVersions] = {}
        self._held: set[str] = set()

    async def read(self, provider: str) -> ProviderVersions | None:
        """What is kept."""
        return self._rows.get(provider)

    @asynccontextmanager
    async def refreshing(self, provider: str) -> AsyncIterator[bool]:
        """True for the first who comes, until it leaves."""
        if provider in self._held:
            yield False
            return
        self._held.add(provider)
        try:
            yield True
        finally:
            self._held.discard(provider)

    async def write(self, versions: ProviderVersions) -> None:
        """Who was asked later wins."""
        kept = self._rows.get(versions.provider)
        if kept is None or kept.last_checked_utc <= versions.last_checked_utc:
            self._rows[versions.provider] = versions
