"""A provider that is opened anew when a key changes, and ends the old one with its last call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions


class KeyedProvider(Provider, Protocol):
    """A provider that also tells its versions."""

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """See app.ports.VersionSource.versions."""
        ...


@dataclass
class _Opened:
    provider: KeyedProvider
    version: int
    calls: int = 0


class RotatingProvider:
    """See app.ports.Provider and VersionSource; `version` is that of the secrets which `make` reads."""

    def __init__(self, make: Callable[[], KeyedProvider], version: Callable[[], int]) -> None:
        self._make = make
        self._version = version
        self._now = _Opened(make(), version())
        self._closing: set[asyncio.Task[None]] = set()
        self.name = self._now.provider.name

    @property
    def default_model(self) -> str:
        """See app.ports.Provider.default_model."""
        return self._now.provider.default_model

    def configured(self) -> bool:
        """See app.ports.Provider.configured."""
        return self._current().provider.configured()

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """See app.ports.Provider.complete."""
        own = self._begin()
        try:
            return await own.provider.complete(request)
        finally:
            self._end(own)

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """See app.ports.Provider.stream."""
        own = self._begin()
        try:
            async with aclosing(own.provider.stream(request)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._end(own)

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """See app.ports.VersionSource.versions."""
        own = self._begin()
        try:
            return await own.provider.versions(etag, timeout_s)
        finally:
            self._end(own)

    async def close(self) -> None:
        """Ends all connections."""
        await asyncio.gather(self._now.provider.close(), *self._closing)

    def _current(self) -> _Opened:
        version = self._version()
        if version != self._now.version:
            old, self._now = self._now, _Opened(self._make(), version)
            self._close_idle(old)
        return self._now

    def _begin(self) -> _Opened:
        own = self._current()
        own.calls += 1
        return own

    def _end(self, own: _Opened) -> None:
        own.calls -= 1
        self._close_idle(own)

    def _close_idle(self, old: _Opened) -> None:
        if old is self._now or old.calls:
            return
        try:
            task = asyncio.get_running_loop().create_task(old.provider.close())
        except RuntimeError:  # asked outside of the loop, before any call was made: nothing is open
            return
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
