"""Logs that were kept before there were segments are still there when the schema has been brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import NullPool, create_engine

import lace_provenance
from lace_platform.db.database import Database
from lace_platform.db.dsn import connection_parameters
from lace_platform.db.roles import ensure_schema
from lace_platform.ids import new_id
from lace_provenance.adapters.postgres_units import PostgresUnits
from lace_provenance.app.ports import Delivery
from lace_provenance.app.record_log import record_log
from lace_provenance.domain.edges import edges_of
from lace_provenance.domain.logs import (
    EntityRef,
    GenAi,
    Governance,
    Lineage,
    Pedigree,
    Provenance,
    Retention,
    Security,
    TransformationLog,
)

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_ROLES = ("lace_provenance", "lace_provenance_system")
_NOBODY: frozenset[str] = frozenset()
_COLUMNS = frozenset(
    "tenant_id id run_id stage activity_name started_at ended_at agent on_behalf_of trace_id span_id parent_span_id"
    " abac_labels retention_policy_id retention_not_after correlation_id schema_version".split()
)
_PARTS = ("inputs", "outputs", "lineage", "provenance", "pedigree", "security", "genai", "governance")


@asynccontextmanager
async def _database(postgres: Any) -> AsyncIterator[str]:
    """The superuser's DSN of an empty database of its own, which belongs to a login of the same name."""
    name = new_id("db")
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'".encode())
        await admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            yield make_conninfo(postgres.admin_dsn, dbname=name)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            await admin.execute(f"DROP ROLE {name}".encode())


def _as_owner(dsn: str) -> dict[str, Any]:
    """Parameters of a connection whose login is not a superuser, so that row policies bind it."""
    name = conninfo_to_dict(dsn)["dbname"]
    return connection_parameters(dsn, role=str(name), password=str(name))


def _upgrade(dsn: str, revision: str) -> None:
    parameters = _as_owner(dsn)
    engine = create_engine("postgresql+psycopg://", connect_args=parameters, poolclass=NullPool)
    with engine.connect() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(lace_provenance.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        with connection.begin():
            command.upgrade(config, revision)


async def _insert(connection: psycopg.AsyncConnection[Any], table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"%({name})s" for name in row)
    await connection.execute(f"INSERT INTO provenance.{table} ({', '.join(row)}) VALUES ({places})".encode(), row)


async def _keep_as_before(dsn: str, logs: Sequence[TransformationLog]) -> None:
    """In the tables of revision 0002: a row for each log and for each of its edges."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for log in logs:
            row = {f"{name}_json" if name in _PARTS else name: value for name, value in vars(log).items()}
            del row["retention"]
            for name in _PARTS:
                value = row[f"{name}_json"]
                row[f"{name}_json"] = None if value is None else orjson.dumps(value).decode()
            row["abac_labels"] = list(log.security.abac_labels)
            row["retention_policy_id"], row["retention_not_after"] = log.retention.policy_id, log.retention.not_after
            await _insert(connection, "transformation_logs", row)
            for edge in edges_of(log):
                await _insert(connection, "edges", {"tenant_id": log.tenant_id, "log_id": log.id, **vars(edge)})


def _entity(name: str) -> EntityRef:
    return EntityRef(name, "a" * 64, f"lace-artifacts/{name}", "step_output")


def _logs(tenant_id: str) -> list[TransformationLog]:
    plain = TransformationLog(
        "tlg_1", tenant_id, "run_1", "write", "write:x", _NOON, _NOON, "runs/1", "prn_1", "t" * 32, "s" * 16, "p" * 16,
        inputs=(_entity("ü"),), outputs=(_entity("b"),), lineage=Lineage(("ü",), "generate.write", "complete"),
        provenance=Provenance(("src_1",), "upload"),
        pedigree=Pedigree("0.875", "passed", {"recall": 0.5, "cited": [1, "two", None]}, ("thin",)),
        retention=Retention("keep", _NOON + timedelta(days=1)),
        genai=GenAi("m", "openai", "1", {"temperature": 0}, {"tokens": 12}, ("search",), ("cal_1",)),
        correlation_id="req_1", schema_version=3, governance=Governance("card", "model", "sheet"),
    )  # fmt: skip
    secret = Security("nato", abac_labels=("secret",))
    later: dict[str, Any] = {"started_at": _NOON, "ended_at": _NOON + timedelta(minutes=1), "inputs": (_entity("b"),)}
    second = replace(plain, id="tlg_2", outputs=(_entity("c"),), lineage=Lineage(), genai=None, **later)
    hidden = replace(second, id="tlg_3", security=secret, outputs=(_entity("d"),))
    return [plain, second, hidden, replace(second, id="tlg_4", run_id="", outputs=(_entity("e"),))]


async def _told(dsn: str) -> list[Any]:
    """All that can be asked for in SQL, but when it was recorded."""
    members = ", ".join(sorted({*_COLUMNS, *(f"{name}_json" for name in _PARTS)}))
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        query = f"SELECT {members} FROM provenance.transformation_logs ORDER BY id"
        return await (await connection.execute(query.encode())).fetchall()


@pytest.fixture
async def moved(postgres: Any, tenant_id: str) -> AsyncIterator[PostgresUnits]:
    async with _database(postgres) as dsn:
        async with await psycopg.AsyncConnection.connect(**_as_owner(dsn)) as connection:
            await ensure_schema(connection, "provenance", _ROLES)
        await asyncio.to_thread(_upgrade, dsn, "0002")
        await _keep_as_before(dsn, _logs(tenant_id))
        before = await _told(dsn)
        await asyncio.to_thread(_upgrade, dsn, "head")
        assert await _told(dsn) == before
        database = Database(dsn, schema="provenance", role=_ROLES[0], password=postgres.password(_ROLES[0]))
        yield PostgresUnits(database)
        await database.close()


async def test_logs_of_before_are_read_and_known(moved: PostgresUnits, tenant_id: str) -> None:
    plain, second, hidden, outside = _logs(tenant_id)
    async with moved.of_tenant(tenant_id) as uow:
        assert list(await uow.logs.of_run(tenant_id, "run_1", _NOBODY, 10, None)) == [plain, second]
        seen = await uow.logs.of_run(tenant_id, "run_1", frozenset({"secret"}), 10, None)
        assert list(seen) == [plain, second, hidden]
        assert list(await uow.logs.touching(tenant_id, "b", "used", _NOBODY, 10)) == [outside, second]
        assert list(await uow.logs.touching(tenant_id, "ü", "used", _NOBODY, 10)) == [plain]
        assert list(await uow.entities.contents(tenant_id, "ü", _NOBODY)) == [_entity("ü")]
        assert list(await uow.entities.contents(tenant_id, "d", _NOBODY)) == []
        assert list(await uow.entities.ancestors(tenant_id, "c", _NOBODY, 9, 9)) == [_entity("b"), _entity("ü")]
    for log in (second, outside):
        assert not await record_log(moved, Delivery(new_id("evt"), tenant_id, "provenance.logged"), log)
    async with moved.of_tenant(new_id("ten")) as uow:
        assert list(await uow.logs.of_run(tenant_id, "run_1", _NOBODY, 10, None)) == []
