"""A small service of its own for the platform's tests: a schema with one table beside the infrastructure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import MetaData

from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.db.migrations import create_infrastructure, protect_by_tenant
from lace_platform.db.roles import ensure_roles, ensure_schema, service_roles
from lace_platform.db.tables import InfrastructureTables, infrastructure_tables

if TYPE_CHECKING:
    from tests.conftest import PostgresServer


@dataclass(frozen=True)
class Probe:
    """The logins and tables of the schema."""

    admin_dsn: str
    db: Database
    system: SystemDatabase
    listener: Listener
    metadata: MetaData
    tables: InfrastructureTables


class _Recorded:
    """Stands in for `alembic.op`: keeps the statements of a migration."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sqltext: str, /, **options: object) -> None:
        self.statements.append(sqltext)


@asynccontextmanager
async def open_probe(postgres: PostgresServer, schema: str) -> AsyncIterator[Probe]:
    """The schema with the infrastructure tables and `things(tenant_id, name)`; once in a session for each name."""
    migration = _Recorded()
    create_infrastructure(migration, schema)
    migration.execute(
        f"CREATE TABLE {schema}.things (tenant_id text NOT NULL, name text NOT NULL, UNIQUE (tenant_id, name))"
    )
    protect_by_tenant(migration, schema, "things")
    roles = service_roles(schema)
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn) as admin:
        await ensure_roles(admin, roles, postgres.role_secret)
        await ensure_schema(admin, schema, roles)
        for statement in migration.statements:
            await admin.execute(statement.encode())
    metadata = MetaData()
    tables = infrastructure_tables(metadata, schema)
    listener = postgres.listener(schema)
    await listener.start()
    db, system = postgres.database(schema, pool_size=24), postgres.system_database(schema)
    try:
        yield Probe(postgres.admin_dsn, db, system, listener, metadata, tables)
    finally:
        await listener.close()
        await db.close()
        await system.close()
