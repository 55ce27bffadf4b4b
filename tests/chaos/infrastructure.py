"""The parts below the services go away in the middle of runs and come back: the runs end by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import parts
from tests.chaos.installation import Installation
from tests.chaos.random_kills import Load, problems_after

_AT_ONCE = 6
_DOCUMENTS_BEFORE = 6
_DOCUMENTS_AFTER = 6
_WAIT_S = 120.0
BROKER_AWAY_S = 8.0
STORE_AWAY_S = 30.0

Blow = Callable[[], Awaitable[None]]


@dataclass
class Endured:
    """What went away and how often, how many documents were made meanwhile, and what was wrong in the end."""

    what: str
    documents: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    logs: str = ""


async def database_killed(settings: dict[str, str], times: int) -> Endured:
    """kill -9 of the postmaster in the middle of runs, and a start as after a crash."""
    installation = Installation(settings)

    async def blow() -> None:
        await installation.kill_database()

    return await _endure(f"PostgreSQL killed {times} times", installation, blow, times)


async def broker_restarted(settings: dict[str, str], folder: Path, times: int) -> Endured:
    """The broker is stopped, stays away, and comes back."""
    async with parts.kafka(folder) as broker:

        async def blow() -> None:
            await broker.do("stop")
            await asyncio.sleep(BROKER_AWAY_S)
            await broker.do("start")

        installation = Installation({**settings, **broker.settings})
        return await _endure(f"Kafka away for {BROKER_AWAY_S:.0f} s {times} times", installation, blow, times)


async def store_away(settings: dict[str, str], folder: Path) -> Endured:
    """The blob store is away for half a minute."""
    async with parts.minio(folder) as store:

        async def blow() -> None:
            await store.do("stop")
            await asyncio.sleep(STORE_AWAY_S)
            await store.do("start")

        installation = Installation({**settings, **store.settings})
        return await _endure(f"MinIO away for {STORE_AWAY_S:.0f} s", installation, blow, 1)


async def _endure(what: str, installation: Installation, blow: Blow, times: int) -> Endured:
    endured, started = Endured(what), time.monotonic()
    try:
        await installation.start()
        async with Load(installation, "endured", _AT_ONCE) as load:
            await _made(load, _DOCUMENTS_BEFORE, "before anything happened")
            for number in range(1, times + 1):
                await blow()
                await _made(load, load.count + _DOCUMENTS_AFTER, f"after {number} of {times}")
            made = await load.finish()
            endured.documents = len(made)
            on_postgres = installation.parts.get("LACE_BUS", "postgres") == "postgres"
            endured.problems = await problems_after(installation, made, on_postgres=on_postgres)
    except (AssertionError, TimeoutError) as error:
        endured.problems.append(f"{type(error).__name__}: {error}")
    finally:
        endured.logs = installation.logs()
        await installation.stop()
    endured.seconds = time.monotonic() - started
    return endured


async def _made(load: Load, count: int, when: str) -> None:
    """Wait until so many documents are done. Raises TimeoutError, or what a client raised."""
    until = time.monotonic() + _WAIT_S
    while load.count < count:
        load.check()
        if time.monotonic() > until:
            raise TimeoutError(f"only {load.count} of {count} documents {when}")
        await asyncio.sleep(0.05)
