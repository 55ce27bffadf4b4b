"""A server as a program: on a fast loop, until SIGINT or SIGTERM, then in good order to its end."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from lace_platform import telemetry
from lace_platform.config import ProcessConfig
from lace_standalone.bootstrap import Installation, run
from lace_standalone.services import hosting

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How long the loop waits for a thread that computes (verifying, hashing, applying) to let go of the interpreter. With
# Python's 5 ms each of the loop's wake-ups waits so long, and requests several times; no dearer in processor time.
_SWITCH_S = 0.001

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


@contextmanager
def installation_beside(config: ProcessConfig) -> Iterator[Installation]:
    """Everything in this process, on a loop in a thread of its own: the caller's thread is free for blocking work.

    Interrupted there (KeyboardInterrupt, also for SIGTERM), the block ends, and then the installation, in good order.
    """
    beginning: Future[_Handle] = Future()
    ready: Future[Installation] = Future()
    thread = threading.Thread(target=_serve_beside, args=(config, beginning, ready), name="installation")
    # Set and not taken for granted: what a shell starts in the background has inherited deafness to SIGINT.
    before = {number: signal.signal(number, signal.default_int_handler) for number in _STOP_SIGNALS}
    thread.start()
    try:
        yield ready.result()
    finally:
        # Deaf from here on: a second Ctrl-C must not break off the stopping.
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        beginning.result().cancel()
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on a uvloop; SIGINT and SIGTERM cancel it, once, and it may take its time to end."""
    _on_uvloop(_stoppable(main))


async def _stoppable(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(main)
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():  # a second Ctrl-C must not break off the stopping
            told.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise


@dataclass(frozen=True)
class _Handle:
    """The installation's task, to be cancelled from another thread."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[None]

    def cancel(self) -> None:
        with suppress(RuntimeError):  # it has ended by itself, and its loop with it
            self.loop.call_soon_threadsafe(self.task.cancel)


def _serve_beside(config: ProcessConfig, beginning: Future[_Handle], ready: Future[Installation]) -> None:
    async def main() -> None:
        async with run(config) as installation:
            ready.set_result(installation)
            await asyncio.Event().wait()

    async def cancellable() -> None:
        task = asyncio.create_task(main())
        beginning.set_result(_Handle(asyncio.get_running_loop(), task))
        try:
            await task
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is handed to who asked for the installation
            if ready.done():
                _log.exception("installation_stopped_badly")
            else:
                ready.set_exception(error)

    _on_uvloop(cancellable())


def _on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    sys.setswitchinterval(_SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(main)
        finally:
            telemetry.shutdown()
