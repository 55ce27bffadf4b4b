"""Use case: which versions of its models a provider offers, asked once for all who want to know at one time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.ports import Clock, DeterminismMetrics, Provider, VersionCache, VersionSource
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.versions import ProviderVersions, VersionsFrom, fresh_versions

_PAUSE_S = 0.05


@dataclass(frozen=True)
class _Flight:
    """One asking, and what was known when it began."""

    provider: str
    source: VersionSource
    kept: ProviderVersions | None


class Versions:
    """The cache in front of the providers. Within a process all who wait share one flight, and between processes the
    cache's lock lets one of them fly; the others look at the cache until it has landed. `ttl_s` and `timeout_s` are
    the seconds that an answer holds and that a flight may take."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        cache: VersionCache,
        now: Clock,
        metrics: DeterminismMetrics,
        *,
        ttl_s: int,
        timeout_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._providers = providers
        self._cache = cache
        self._now = now
        self._metrics = metrics
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._flights: dict[str, asyncio.Task[ProviderVersions]] = {}

    async def list(self, provider: str, *, force_refresh: bool = False) -> ProviderVersions:
        """What the provider offers; `source` says whether this answer came from the provider or was there already.

        `force_refresh` asks though the answer still holds; a flight that is under way is joined all the same.
        Raises LaceError PROVIDER_UNKNOWN, NOT_AVAILABLE_YET for a provider that cannot say, DEADLINE_EXCEEDED, and what
        the provider raises: an answer that has expired is not given in its place.
        """
        source = self._source(provider)
        kept = await self._cache.read(provider)
        if kept is not None and kept.holds_at(self._now()) and not force_refresh:
            return replace(kept, source=VersionsFrom.CACHE)
        return await self._shared(_Flight(provider, source, kept))

    def _source(self, provider: str) -> VersionSource:
        capability_of(provider)
        found = self._providers.get(provider)
        if found is None:
            raise LaceError(Reason.PROVIDER_UNKNOWN, f"The provider {provider} is not installed.")
        if not isinstance(found, VersionSource):
            raise LaceError(Reason.NOT_AVAILABLE_YET, f"The provider {provider} cannot say its versions.")
        return found

    async def _shared(self, flight: _Flight) -> ProviderVersions:
        joined = self._flights.get(flight.provider)
        if joined is not None:
            return replace(await asyncio.shield(joined), source=VersionsFrom.CACHE)
        begun = asyncio.create_task(self._fly(flight))
        self._flights[flight.provider] = begun
        begun.add_done_callback(self._landed)
        # Shielded: who began the flight may leave, and those who joined it still get its answer.
        return await asyncio.shield(begun)

    def _landed(self, flight: asyncio.Task[ProviderVersions]) -> None:
        self._flights = {name: other for name, other in self._flights.items() if other is not flight}
        if not flight.cancelled():
            flight.exception()  # looked at here too: all who waited for it may have left

    async def _fly(self, flight: _Flight) -> ProviderVersions:
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    async with self._cache.refreshing(flight.provider) as alone:
                        if alone:
                            return await self._alone(flight)
                    await self._sleep(_PAUSE_S)
        except TimeoutError:
            message = f"The provider {flight.provider} did not say its versions within {self._timeout_s:.0f} s."
            raise LaceError(Reason.DEADLINE_EXCEEDED, message, retryable=True) from None

    async def _alone(self, flight: _Flight) -> ProviderVersions:
        """What another process has brought while this one waited for the lock, else what the provider says now."""
        kept = await self._cache.read(flight.provider)
        if kept is not None and kept != flight.kept:
            return replace(kept, source=VersionsFrom.CACHE)
        self._metrics.single_flight(flight.provider)
        asked_at = self._now()
        offered = await flight.source.versions(kept.provider_etag if kept else "", self._timeout_s)
        if offered is not None:
            found = fresh_versions(flight.provider, offered, asked_at, self._ttl_s)
        elif kept is not None:
            found = kept.confirmed(asked_at, self._ttl_s)
        else:
            message = f"The provider {flight.provider} says that nothing changed, and nothing was known."
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, message)
        await self._cache.write(found)
        return found
