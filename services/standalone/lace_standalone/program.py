"""A server as a program: on a fast loop, until SIGINT or SIGTERM, then in good order to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from lace_platform import telemetry
from lace_platform.config import ProcessConfig
from lace_standalone.bootstrap import Installation, run
from lace_standalone.services import hosting

_log = structlog.get_logger(__name__)


def run_installation(config: ProcessConfig, on_ready: Callable[[Installation], None]) -> None:
    """Everything in this process, until it is told to stop; `on_ready` is called once."""

    async def main() -> None:
        async with run(config) as installation:
            on_ready(installation)
            await asyncio.Event().wait()

    run_until_stopped(main())


def run_service(name: str, config: ProcessConfig) -> None:
    """One service alone, on the parts that the configuration names, until it is told to stop."""

    async def main() -> None:
        from lace_platform.host import open_platform

        async with open_platform(config) as platform, hosting(config, platform, [name]) as running:
            _log.info("service_ready", service=name, port=running[name].port)
            await asyncio.Event().wait()

    run_until_stopped(main())


def run_until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on a uvloop; SIGINT and SIGTERM cancel it, once, and it may take its time to end."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_stoppable(main))
        finally:
            telemetry.shutdown()


async def _stoppable(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(main)
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():  # a second Ctrl-C must not break off the stopping
            told.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise
