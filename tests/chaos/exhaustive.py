"""Kill one process at every point of the minimal pipeline, start it again, and look whether all is as undisturbed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.broker import wait_until_read
from tests.chaos.facts import Facts, constant, differences, facts_of, wipe
from tests.chaos.installation import Installation
from tests.chaos.points import Place, Point
from tests.chaos.rules import broken, wait_until_quiet
from tests.chaos.scenario import Client, Made

KILLED = ("runs", "ingest", "llm_gateway", "compiler", "provenance")
_MADE_S = 30.0
_QUIET_S = 20.0
_SETTLED_S = 10.0
_POLL_S = 0.05
_CALIBRATIONS = 3
_KEY = "the-same-every-time"
_HASHES = ("ir_hash", "content_hash")
_NOT_COUNTED = frozenset({"born", "killed", "read", "rollback", "connect", "served"})


@dataclass(frozen=True, order=True)
class Kill:
    """Where which process dies."""

    service: str
    point: Point
    place: Place

    def __str__(self) -> str:
        return f"{self.service}: {self.place} {self.point}"


@dataclass
class Outcome:
    """What came of a kill: `problems` is empty where all ended as undisturbed."""

    kill: Kill
    reached: bool
    seconds: float
    problems: list[str] = field(default_factory=list)
    logs: str = ""


class Bench:
    """An installation with what an undisturbed run leaves there."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._blobs = Path(installation.environ["LACE_DATA_DIR"]) / "blobs"
        self._on_postgres = installation.parts.get("LACE_BUS", "postgres") == "postgres"
        self._broker = installation.parts.get("LACE_KAFKA_BOOTSTRAP", "")
        self._made = 0
        self._tenant_id = ""
        self._expected: Facts | None = None
        self.points: dict[str, Counter[tuple[str, str]]] = {}

    async def calibrate(self) -> None:
        """Undisturbed runs: the points that there are, and the facts to compare with. Raises AssertionError."""
        found: list[Facts] = []
        for _ in range(_CALIBRATIONS):
            marks = {name: len(self._installation.journal(name)) for name in KILLED}
            for name in KILLED:
                await self._installation.arm(name)
            await self._make()
            async with await self._connect() as connection:
                self._tenant_id = await _tenant(connection)
                problems = await wait_until_quiet(connection, self._tenant_id, _QUIET_S)
                problems += await self._wait_for_broker()
                problems += await broken(connection, self._tenant_id, on_postgres=self._on_postgres)
                assert not problems, "\n".join(problems)
                found.append(await facts_of(connection, self._tenant_id, self._blobs))
                self._take_points(marks)
                await wipe(connection, self._tenant_id, self._blobs)
            # What is a process's own (its worker's id) is to count as what differs.
            await self._restart_all()
        self._expected = constant(found)
        # With other keys the ids are others, and so is the hash that covers them.
        for key in _HASHES if self._on_postgres else _HASHES[1:]:
            assert ("runs.artifact_revisions", key) in self._expected.columns, f"{key} differs between undisturbed runs"

    def kills(self) -> list[Kill]:
        """Every place of every point of every process, in order."""
        return sorted(
            Kill(service, Point(kind, label, ordinal), place)
            for service, counted in self.points.items()
            for (kind, label), count in counted.items()
            for ordinal in range(1, count + 1)
            for place in Place
        )

    async def strike(self, kill: Kill) -> Outcome:
        """One run in which the process dies there, and comes back at once.

        A process that has been at work for a while does not come by every point (it knows what it has asked before):
        where this one was not reached, it is tried once more in a fresh process.
        """
        outcome = await self._strike(kill)
        if not outcome.reached and not outcome.problems:
            self._installation.kill(kill.service)
            await self._installation.death(kill.service, _QUIET_S)
            await self._installation.bring_up(kill.service)
            outcome = await self._strike(kill)
        return outcome

    async def _strike(self, kill: Kill) -> Outcome:
        started = time.monotonic()
        await self._installation.arm(kill.service, kill.point, kill.place)
        pid = self._installation.pids[kill.service]
        reviver = asyncio.create_task(self._revive(kill.service), name="reviver")
        problems: list[str] = []
        try:
            await self._make()
        except (AssertionError, TimeoutError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        async with await self._connect() as connection:
            problems += await wait_until_quiet(connection, self._tenant_id, _QUIET_S)
            reached = reviver.done() or not await self._disarm(kill.service, pid)
            if reached:
                await reviver
                problems += await wait_until_quiet(connection, self._tenant_id, _QUIET_S)
            reviver.cancel()
            await asyncio.gather(reviver, return_exceptions=True)
            problems += await self._wait_for_broker()
            problems += await self._wrong(connection)
            await wipe(connection, self._tenant_id, self._blobs)
        logs = self._installation.log(kill.service) if problems else ""
        return Outcome(kill, reached, time.monotonic() - started, problems, logs)

    async def _wait_for_broker(self) -> list[str]:
        """A message that was not settled would come once more when what remembers its effect is wiped away."""
        return await wait_until_read(self._broker, _SETTLED_S) if self._broker else []

    async def _disarm(self, service: str, pid: int) -> bool:
        """False where the process came to its point even now, while it was told to forget it."""
        try:
            await self._installation.arm(service)
        except ConnectionError:
            return False
        return self._installation.pids.get(service) == pid

    async def _wrong(self, connection: psycopg.AsyncConnection[Any]) -> list[str]:
        """What is not as after an undisturbed run, once what is still on its way over a broker has come."""
        assert self._expected is not None
        until = time.monotonic() + _SETTLED_S
        while True:
            problems = await broken(connection, self._tenant_id, on_postgres=self._on_postgres)
            problems += differences(self._expected, await facts_of(connection, self._tenant_id, self._blobs))
            if not problems or time.monotonic() > until:
                return problems
            await asyncio.sleep(_POLL_S)

    async def _restart_all(self) -> None:
        for name in KILLED:
            self._installation.kill(name)
            await self._installation.death(name, _QUIET_S)
        await self._installation.start_services()

    async def _revive(self, service: str) -> None:
        await self._installation.death(service, 3600)
        await self._installation.bring_up(service)

    async def _make(self) -> Made:
        """On Postgres with the same key each time; a broker may hand out a message of the last time once more."""
        self._made += 1
        key = _KEY if self._on_postgres else f"{_KEY}-{self._made}"
        async with Client(self._installation.url, self._installation.token, _MADE_S) as client:
            return await client.make(key)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._installation.dsn, autocommit=True)

    def _take_points(self, marks: dict[str, int]) -> None:
        """The most that any undisturbed run did of each."""
        for service, mark in marks.items():
            lines = self._installation.journal(service)[mark:]
            counted = Counter((line["kind"], line["label"]) for line in lines if line["kind"] not in _NOT_COUNTED)
            most: Counter[tuple[str, str]] = self.points.get(service, Counter())
            self.points[service] = Counter(most | counted)


async def _tenant(connection: psycopg.AsyncConnection[Any]) -> str:
    rows = await (await connection.execute("SELECT DISTINCT tenant_id FROM runs.runs")).fetchall()
    assert len(rows) == 1, rows
    return str(rows[0][0])


def summary(points: dict[str, Counter[tuple[str, str]]], outcomes: Sequence[Outcome]) -> str:
    """A table: points, kills, kills whose point did not come, failures, seconds; by process."""
    lines = [f"{'process':<12} {'points':>7} {'kills':>7} {'missed':>7} {'wrong':>7} {'s/kill':>7}"]
    for service in sorted(points):
        mine = [outcome for outcome in outcomes if outcome.kill.service == service]
        if not mine:
            continue
        missed, wrong = sum(not o.reached for o in mine), sum(bool(o.problems) for o in mine)
        seconds = sum(o.seconds for o in mine) / len(mine)
        lines.append(
            f"{service:<12} {points[service].total():>7} {len(mine) - missed:>7} {missed:>7} {wrong:>7} {seconds:>7.2f}"
        )
    if names := [str(outcome.kill) for outcome in outcomes if not outcome.reached]:
        lines += ["missed, as the process did it less often this time:", *(f"    {name}" for name in names)]
    return "\n".join(lines)
