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
    try:
        yield make_world(
            database("runs"), system_database("runs"), listener, postgres.admin_dsn, postgres.password(role), tenant_id
        )
    finally:
        await listener.close()
