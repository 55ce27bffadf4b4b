"""The world that tests of runs live in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lace_platform.db.database import Database, SystemDatabase
from tests.doubles.runs_world import World
from tests.doubles.runs_world import world as make_world

_END = """
UPDATE runs.runs SET state = 'cancelled', worker_id = NULL
WHERE tenant_id = :tenant_id AND state NOT IN ('succeeded', 'failed', 'cancelled')
"""


@pytest.fixture
async def world(
    postgres: Any,
    database: Callable[[str], Database],
    system_database: Callable[[str], SystemDatabase],
    tenant_id: str,
) -> AsyncIterator[World]:
    """A tenant of its own, with sources and a model in memory; nothing of it is left to the workers of other tests."""
    listener = postgres.listener("runs")
    await listener.start()
    role = "lace_runs_system"
    system = system_database("runs")
    try:
        yield make_world(database("runs"), system, listener, postgres.admin_dsn, postgres.password(role), tenant_id)
    finally:
        async with system.transaction() as tx:
            await tx.execute(_END, {"tenant_id": tenant_id})
            await tx.commit()
        await listener.close()
