"""A database of its own for control: its settings and tenants must not be found by others who share the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from lace_control.adapters.postgres_units import PostgresUnits
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.migrations import upgrade
from lace_platform.ids import new_id


@pytest.fixture(scope="session")
async def postgres_units(postgres: Any) -> AsyncIterator[PostgresUnits]:
    """Units of work on a database that holds nothing but control's schema."""
    name = new_id("contract")
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
    dsn = psycopg.conninfo.make_conninfo(postgres.admin_dsn, dbname=name)
    await upgrade(dsn, ["control"], postgres.role_secret)
    role, system_role = "lace_control", "lace_control_system"
    database = Database(dsn, schema="control", role=role, password=postgres.password(role))
    system = SystemDatabase(dsn, schema="control", role=system_role, password=postgres.password(system_role))
    try:
        yield PostgresUnits(database, system)
    finally:
        await database.close()
        await system.close()
