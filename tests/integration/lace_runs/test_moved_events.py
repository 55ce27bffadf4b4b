"""Events that were kept one by one are still there, the same, when the schema has been brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

import lace_runs
from lace_platform.db.database import Database
from lace_platform.db.dsn import connection_parameters
from lace_platform.db.roles import ensure_schema
from lace_platform.ids import new_id
from lace_runs.adapters.event_groups import MOST
from lace_runs.adapters.work import OpenPostgresUnitOfWork
from lace_runs.app import events

pytestmark = pytest.mark.slow

_NOON = datetime(2026, 11, 21, 12, 0, 0, 123457, tzinfo=UTC)
_RUN = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key, traceparent,
  created_at, next_sequence)
VALUES (%(tenant_id)s, %(run_id)s, 'generate', 1, 'succeeded', '{}', '', 'prn', '', '', '[]', '[]', 'req', 'cor', 'idk',
  '', now(), %(next)s)
"""
_CAUSE = {"request_id": "req_2", "correlation_id": "cor_2", "idempotency_key": "", "traceparent": ""}


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
    name = str(conninfo_to_dict(dsn)["dbname"])
    return connection_parameters(dsn, role=name, password=name)


def _upgrade(dsn: str, revision: str) -> None:
    engine = create_engine("postgresql+psycopg://", connect_args=_as_owner(dsn), poolclass=NullPool)
    with engine.connect() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(lace_runs.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        with connection.begin():
            command.upgrade(config, revision)


def _rows(run_id: str, count: int) -> list[dict[str, Any]]:
    """With what repeats and what does not, in places that do not follow on one another."""
    return [
        {
            "tenant_id": "ten_1", "run_id": run_id, "sequence": n, "event_type": f"pipeline.step.{n % 3}",
            "occurred_at": _NOON + timedelta(microseconds=n), "status": "running", "step_id": f"step{n}",
            "attempt": n % 2 + 1, "progress_pct": (0.0, 12.5)[n % 7 < 3], "redaction_level": ("none", "hash")[n % 2],
            "payload_json": orjson.dumps({"step_started": {"step": f"é {n}", "done": n}}).decode(),
            "content_hash": f"h{n}" if n % 5 == 0 else "", "content_uri": f"u{n}" if n % 5 == 0 else "",
            "schema_version": 1 if n < 10 else 2, "payload_schema_version": n % 2 + 1,
            "cause": orjson.dumps(_CAUSE if n % 4 == 0 else {}).decode(),
        }
        for n in range(1, count + 1)
    ]  # fmt: skip


async def _keep_as_before(dsn: str, rows: list[dict[str, Any]]) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        counts = {row["run_id"]: row["sequence"] for row in rows}
        for run_id, last in counts.items():
            await connection.execute(_RUN.encode(), {"tenant_id": "ten_1", "run_id": run_id, "next": last + 1})
        for row in rows:
            places = ", ".join(f"%({name})s" for name in row)
            await connection.execute(f"INSERT INTO runs.run_events ({', '.join(row)}) VALUES ({places})".encode(), row)


@pytest.mark.timeout(60)
async def test_what_was_written_one_by_one_is_read_as_it_was(postgres: Any) -> None:
    rows = [*_rows("run_a", 3 * MOST), *_rows("run_b", 1)]
    async with _database(postgres) as dsn:
        async with await psycopg.AsyncConnection.connect(**_as_owner(dsn)) as connection:
            await ensure_schema(connection, "runs", ("lace_runs", "lace_runs_system"))
        await asyncio.to_thread(_upgrade, dsn, "0016")
        await _keep_as_before(dsn, rows)
        await asyncio.to_thread(_upgrade, dsn, "0017")
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            names = ", ".join(rows[0])
            found = await connection.execute(f"SELECT {names} FROM runs.run_events ORDER BY run_id, sequence".encode())
            expected = [
                tuple(orjson.loads(v) if name in ("payload_json", "cause") else v for name, v in row.items())
                for row in rows
            ]
            assert await found.fetchall() == expected
            groups = await connection.execute("SELECT max(json_array_length(events)) FROM runs.event_groups")
            assert (await groups.fetchone() or (0,))[0] <= MOST
        await _read_page_by_page(postgres, dsn, rows)


async def _read_page_by_page(postgres: Any, dsn: str, rows: list[dict[str, Any]]) -> None:
    database = Database(dsn, schema="runs", role="lace_runs", password=postgres.password("lace_runs"))
    try:
        read: list[tuple[Any, ...]] = []
        while len(read) < 3 * MOST:
            page, _ = await events.page(OpenPostgresUnitOfWork(database), "ten_1", "run_a", len(read), 7)
            assert page
            read += [(e.sequence, e.draft.step_id, e.draft.occurred_at, e.request_id, e.schema_version) for e in page]
    finally:
        await database.close()
    expected = [
        (n, row["step_id"], row["occurred_at"], "req_2" if n % 4 == 0 else "req", row["schema_version"])
        for n, row in enumerate(rows[: 3 * MOST], 1)
    ]
    assert read == expected
