"""Sources that were kept before there were versions are still there when the schema has been brought up to date."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from psycopg.conninfo import make_conninfo
from sqlalchemy import NullPool, create_engine

import lace_ingest
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.extractions import Extraction
from lace_platform.db.database import Database
from lace_platform.db.dsn import connection_parameters
from lace_platform.db.roles import ensure_schema
from lace_platform.ids import new_id

_ROLES = ("lace_ingest", "lace_ingest_system")
_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_SOURCE = """
    INSERT INTO ingest.sources VALUES (%(tenant)s, %(source)s, 'a.md', 'A', 'md', 'text/markdown', 9, repeat('0', 64),
        'lace-sources/x', 'ready', '', '', 0, 1, 3, 'lace-extract/1', '["odd “text”"]', '{x}', 'run_1', 'prn_1',
        %(at)s, %(at)s)
"""
_UNIT = """
    INSERT INTO ingest.source_units VALUES (%(tenant)s, %(unit)s, %(source)s, %(extraction)s, 0, 'paragraph', %(text)s,
        %(digest)s, '{H}', 0, 1, '[[0, 9]]', NULL, '', 3, '', 3)
"""


@asynccontextmanager
async def _database(postgres: Any) -> AsyncIterator[tuple[str, str]]:
    """The superuser's DSN of an empty database of its own, and the login that it belongs to: no superuser, so that it
    may not create the extension for vectors."""
    name = new_id("db")
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'".encode())
        await admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            dsn = make_conninfo(postgres.admin_dsn, dbname=name)
            login = connection_parameters(dsn, role=name, password=name)
            async with await psycopg.AsyncConnection.connect(**login, autocommit=True) as owner:
                await ensure_schema(owner, "ingest", _ROLES)
            yield dsn, name
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            await admin.execute(f"DROP ROLE {name}".encode())


def _upgrade(dsn: str, login: str, revision: str) -> None:
    parameters = connection_parameters(dsn, role=login, password=login)
    engine = create_engine("postgresql+psycopg://", connect_args=parameters, poolclass=NullPool)
    with engine.connect() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(lace_ingest.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        with connection.begin():
            command.upgrade(config, revision)


async def _keep_as_before(dsn: str, tenant_id: str) -> None:
    """In the tables of revision 0001: a source that was read twice, its older units still there."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(_SOURCE.encode(), {"tenant": tenant_id, "source": "src_1", "at": _NOON})
        for number, extraction in enumerate(("lace-extract/0", "lace-extract/1")):
            text = f"Words of {number}"
            values = {
                "tenant": tenant_id, "unit": f"unt_{number}", "source": "src_1", "extraction": extraction,
                "text": text, "digest": hashlib.sha256(text.encode()).hexdigest(),
            }  # fmt: skip
            await connection.execute(_UNIT.encode(), values)


async def test_sources_of_before_are_first_versions_with_their_readings(postgres: Any) -> None:
    tenant_id = new_id("ten")
    async with _database(postgres) as (dsn, login):
        await asyncio.to_thread(_upgrade, dsn, login, "0001")
        await _keep_as_before(dsn, tenant_id)
        await asyncio.to_thread(_upgrade, dsn, login, "head")
        database = Database(dsn, schema="ingest", role=_ROLES[0], password=postgres.password(_ROLES[0]))
        try:
            async with PostgresWork(database, lambda readout: [])(tenant_id) as work:
                source = await work.sources.get(tenant_id, "src_1")
                assert source is not None
                assert (source.series_id, source.version, source.previous_source_id) == ("src_1", 1, "")
                assert await work.series.hold(tenant_id, "src_1") == source
                told = (ExtractionWarning(WarningCode.OTHER, "odd “text”"),)
                assert source.warnings == told
                found = await work.extractions.of_source(tenant_id, "src_1", 9, None)
                assert found == [
                    Extraction("src_1", "lace-extract/1", "A", 0, 1, 3, "run_1", _NOON, told),
                    Extraction("src_1", "lace-extract/0", "A", 0, 1, 3, "", _NOON),
                ]
                units = await work.units.get(tenant_id, ["unt_0", "unt_1"])
                assert [unit.text for _, unit in units] == ["Words of 0", "Words of 1"]
        finally:
            await database.close()
