"""The services there are, and the hosting of any of them in this process."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

# For the checker alone: who starts a database beside these imports must not wait for them first.
if TYPE_CHECKING:
    from lace_platform.config import ProcessConfig
    from lace_platform.host import Platform
    from lace_platform.rpc import Running

# Control first: everybody's identity comes from it. The gateway last: it must not take a call that cannot be served.
CONTROL = "control"
BEHIND_CONTROL = ("runs", "ingest", "llm_gateway", "compiler", "provenance")
GATEWAY = "gateway"
RPC_SERVICES = (CONTROL, *BEHIND_CONTROL)
ALL_SERVICES = (*RPC_SERVICES, GATEWAY)
_ORDER = ((CONTROL,), BEHIND_CONTROL, (GATEWAY,))

_log = structlog.get_logger(__name__)


def load(names: Iterable[str]) -> None:
    """Imports the services with all that they need, so that no import happens on the loop while they start."""
    for name in names:
        importlib.import_module(f"lace_{name}.bootstrap")


@asynccontextmanager
async def hosting(config: ProcessConfig, platform: Platform, names: Iterable[str]) -> AsyncIterator[dict[str, Running]]:
    """The named services, each listening, until the end of the block; started in order, stopped in reverse.

    Raises what the first failing service raised, after those that had started are stopped again.
    """
    wanted = set(names)
    running: dict[str, Running] = {}
    started: list[list[_Host]] = []
    try:
        for rank in _ORDER:
            hosts = [_Host(name) for name in rank if name in wanted]
            started.append(hosts)
            for each in await asyncio.gather(*(host.start(config, platform) for host in hosts)):
                running[each.name] = each
        # What has been made by now stays until the end: no collection looks through it again.
        gc.collect()
        gc.freeze()
        yield running
    finally:
        for hosts in reversed(started):
            await asyncio.gather(*(host.stop() for host in hosts))


class _Host:
    """One service in a task of its own, in which its context is both entered and left."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, config: ProcessConfig, platform: Platform) -> Running:
        self._task = asyncio.create_task(self._serve(config, platform), name=f"host-{self._name}")
        return await asyncio.shield(self._started)

    async def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _serve(self, config: ProcessConfig, platform: Platform) -> None:
        try:
            module = importlib.import_module(f"lace_{self._name}.bootstrap")
            async with module.serve(config, platform) as running:
                self._started.set_result(running)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is handed to who started the service
            if self._started.done():
                # Its neighbours are to be stopped as well, so this must not end the stopping.
                _log.exception("service_stopped_badly", service=self._name)
            else:
                self._started.set_exception(error)
