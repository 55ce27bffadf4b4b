"""The world that tests of runs live in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lace_platform.db.database import Database, SystemDatabase
from tests.doubles.runs_world import World
from tests.doubles.runs_world import world as make_world


@pytest.fixture
async def world(
    postgres: Any,
    database: Callable[[str], Database],
    system_database: Callable[[str], SystemDatabase],
    tenant_id: str,
) -> AsyncIterator[World]:
    """A tenant of its own, with sources and a model in memory."""
    listener = postgres.listener("runs")
    await listener.start()
    role = "lace_runs_system"
    system = system_database("runs")
    try:
        yield make_world(database("runs"), system, listener, postgres.admin_dsn, postgres.password(role), tenant_id)
    finally:
        await _end_runs(system, tenant_id)
        await listener.close()


async def _end_runs(system: SystemDatabase, tenant_id: str) -> None:
    """What a test leaves under way would be taken up by the worker of the next."""
    async with system.transaction() as tx:
        await tx.execute(
            "UPDATE runs.runs SET state = 'cancelled', worker_id = NULL, ended_at = now() "
            "WHERE run_id IN (SELECT run_id FROM runs.runs WHERE tenant_id = :tenant_id "
            "AND state NOT IN ('succeeded', 'failed', 'cancelled') FOR UPDATE SKIP LOCKED)",
            {"tenant_id": tenant_id},
        )
        await tx.commit()
