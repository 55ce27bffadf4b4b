"""Many documents at once, while processes chosen by chance are killed one after the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from lace_standalone.services import ALL_SERVICES
from tests.chaos.installation import Installation
from tests.chaos.rules import broken, wait_until_quiet
from tests.chaos.scenario import SOURCE, Client, Made

AT_ONCE = 20
_WITHIN_S = 1800.0
_QUIET_S = 60.0
_LONGEST_PAUSE_S = 1.5


@dataclass
class Report:
    """What was killed how often, how many documents were made meanwhile, and what was wrong in the end."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Load:
    """`at_once` clients that make one document after the other until they are told to stop."""

    def __init__(self, installation: Installation, tenant: str, at_once: int = AT_ONCE) -> None:
        self._installation = installation
        self._name = tenant
        self._at_once = at_once
        self._stopped = asyncio.Event()
        self._made: list[Made] = []
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        self._clients = [asyncio.create_task(self._one(place)) for place in range(self._at_once)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def finish(self) -> list[Made]:
        """Let each client end what it has begun; raises what a client raised."""
        self._stopped.set()
        await asyncio.gather(*self._clients)
        return self._made

    def check(self) -> None:
        """Raise what a client raised."""
        for client in self._clients:
            if client.done():
                client.result()

    @property
    def count(self) -> int:
        """Documents that are done."""
        return len(self._made)

    async def _one(self, place: int) -> None:
        number = 0
        async with Client(self._installation.url, self._installation.token, _WITHIN_S) as client:
            while not self._stopped.is_set():
                number += 1
                # Bytes of its own: what was read once is not read again.
                source = SOURCE + f"\nIt has {place * 1000 + number} bolts.\n".encode()
                self._made.append(await client.make(f"{self._name}-{place}-{number}", source))


async def kill_at_random(
    installation: Installation, seed: int, kills: int, told: Callable[[int, str, int], None]
) -> Report:
    """`kills` times kill -9 of a service that the seed chooses, each brought up again at once, under 20 runs."""
    dice = random.Random(seed)
    plan = [(dice.choice(ALL_SERVICES), dice.uniform(0.0, _LONGEST_PAUSE_S)) for _ in range(kills)]
    report, started = Report(seed), time.monotonic()
    async with Load(installation, f"random-{seed}") as load:
        try:
            for number, (service, pause_s) in enumerate(plan, 1):
                await asyncio.sleep(pause_s)
                installation.kill(service)
                await installation.death(service, _QUIET_S)
                await installation.bring_up(service)
                report.kills[service] += 1
                load.check()
                told(number, service, load.count)
            made = await load.finish()
            report.documents = len(made)
            report.problems = await problems_after(installation, made)
        except (AssertionError, TimeoutError) as error:
            report.problems.append(f"{type(error).__name__}: {error}")
    report.seconds = time.monotonic() - started
    return report


async def problems_after(installation: Installation, made: list[Made], *, on_postgres: bool = True) -> list[str]:
    """What is wrong once all is quiet: with the installation as a whole and with each document."""
    async with await psycopg.AsyncConnection.connect(installation.dsn, autocommit=True) as connection:
        tenant_id = await tenant_of(connection, made[0].generate["run_id"])
        problems = await wait_until_quiet(connection, tenant_id, _QUIET_S)
        problems += await broken(connection, tenant_id, on_postgres=on_postgres)
        rows = await _documents(connection, tenant_id)
    problems += [
        f"{run['run_id']}: {run['state']} {run.get('error_code')}"
        for each in made
        for run in (each.ingest, each.generate)
        if run["state"] != "succeeded"
    ]
    if len(rows) != len(made):
        problems.append(f"{len(rows)} committed documents in place of {len(made)}")
    return problems


async def tenant_of(connection: psycopg.AsyncConnection[Any], run_id: str) -> str:
    """The tenant of a run."""
    rows = await (await connection.execute("SELECT tenant_id FROM runs.runs WHERE run_id = %s", [run_id])).fetchall()
    return str(rows[0][0])


async def _documents(connection: psycopg.AsyncConnection[Any], tenant_id: str) -> list[Any]:
    query = "SELECT ir_hash FROM runs.artifact_revisions WHERE tenant_id = %s AND status = 'committed'"
    return await (await connection.execute(query, [tenant_id])).fetchall()
