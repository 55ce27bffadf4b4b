"""A worker in a process of its own, on real adapters, that comes to grief where it is told to.

`python -m tests.doubles.worker_process '{"dsn": …, "role_secret": …, "tenant_id": …, "fault": "stop"}'`. It works on
one run at a time, and says on standard output what happens to it. It begins at the first line of its standard input,
and ends with its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from lace_core import contracts
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.db.migrations import role_password
from lace_runs.adapters.artifacts import PostgresArtifacts
from lace_runs.adapters.work import OpenPostgresUnitOfWork, PostgresUnitOfWork
from lace_runs.app.model_ports import ModelAnswer
from tests.doubles.runs_world import RuleModel, world

HANG_S = 4.5


def say(**values: Any) -> None:
    """One line for the test."""
    print(json.dumps(values), flush=True)


def come_to_grief(fault: str) -> None:
    """Stopped until somebody sends SIGCONT, killed, or hanging with the event loop in its hands."""
    say(fault=fault, at=time.time())
    if fault == "hang":
        time.sleep(HANG_S)
    else:
        os.kill(os.getpid(), signal.SIGSTOP if fault == "stop" else signal.SIGKILL)


class StoppedInCommit(PostgresArtifacts):
    """Stops within the transaction that is to commit a revision, between its check and its last statement."""

    async def commit(self, *args: Any, **kwargs: Any) -> None:
        await super().commit(*args, **kwargs)
        come_to_grief("stop")


class UnitsStoppedInCommit(OpenPostgresUnitOfWork):
    """Units of work whose artifacts stop in their commit."""

    @asynccontextmanager
    async def _open(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        async with super()._open(tenant_id) as unit:
            unit.artifacts = StoppedInCommit(unit._tx)
            yield unit


@dataclass
class FaultyModel(RuleModel):
    """Comes to grief in the middle of the first section."""

    fault: str = ""

    async def generate(self, contract: contracts.Contract, input_json: str, **named: Any) -> ModelAnswer:
        if self.fault in ("kill", "hang") and contract is contracts.WRITE:
            fault, self.fault = self.fault, ""
            come_to_grief(fault)
        return await super().generate(contract, input_json, **named)


async def main(dsn: str, role_secret: str, tenant_id: str, fault: str) -> None:
    """Work until standard input ends."""

    def login(kind: type[Any], role: str) -> Any:
        return kind(dsn, schema="runs", role=role, password=role_password(role_secret, role))

    database: Database = login(Database, "lace_runs")
    system: SystemDatabase = login(SystemDatabase, "lace_runs_system")
    listener = Listener(dsn, "lace_runs", role_password(role_secret, "lace_runs"))
    await listener.start()
    made = world(database, system, listener, dsn, role_password(role_secret, system.role), tenant_id)
    made.model = FaultyModel(fault=fault)
    if fault == "stop":
        made.open = UnitsStoppedInCommit(database)
    say(ready=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with made.worker(concurrency=1):
        await asyncio.to_thread(sys.stdin.read)
    await listener.close()
    await system.close()
    await database.close()


if __name__ == "__main__":
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()])
    asyncio.run(main(**json.loads(sys.argv[1])))
