"""Roles, schemas and histories: who may touch what, read from the catalogue; and upgrades, first, again and at once."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import MetaData, NullPool, create_engine

from lace_platform.db.dsn import connection_parameters
from lace_platform.db.migrations import role_password, upgrade

if TYPE_CHECKING:
    from tests.conftest import PostgresServer
    from tests.integration.lace_platform.conftest import Probe

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

SERVICES = [
    name
    for name in ("control", "runs", "ingest", "llm_gateway", "compiler", "provenance")
    if importlib.util.find_spec(f"lace_{name}")
]


@asynccontextmanager
async def _connected(dsn: str, role: str | None = None, password: str | None = None) -> AsyncIterator[Connection]:
    parameters = connection_parameters(dsn, role=role, password=password)
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        yield connection


async def _rows(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode(), values or None)).fetchall()


async def _schemas(admin: Connection) -> list[str]:
    ours = [*SERVICES, "bus", "probe", "bus_probe"]
    rows = await _rows(admin, "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", ours)
    return [name for (name,) in rows]


async def _our_roles(admin: Connection) -> list[str]:
    return [role for (role,) in await _rows(admin, r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'lace\_%'")]


def _schema_of(role: str) -> str:
    return role.removeprefix("lace_").removesuffix("_system")


async def test_no_role_has_a_privilege_on_anything_in_another_schema(probe: Probe) -> None:
    query = """
        SELECT r.rolname, n.nspname, c.relname FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.rolname LIKE 'lace\\_%%' AND n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
          AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(r.oid, c.oid, 'SELECT, USAGE, UPDATE')
              ELSE has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') END
    """
    async with _connected(probe.admin_dsn) as admin:
        allowed = await _rows(admin, query, await _schemas(admin))
        roles = await _our_roles(admin)
    assert {role for role, _, _ in allowed} == set(roles), "every role can use something"
    assert [row for row in allowed if row[1] != _schema_of(row[0])] == []


async def test_a_role_that_tries_is_refused(probe: Probe, postgres: PostgresServer) -> None:
    """Not only by the catalogue: each login meets the refusal on each table of each other schema."""
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s)"
    async with _connected(probe.admin_dsn) as admin:
        every_table = await _rows(admin, tables, await _schemas(admin))
        roles = await _our_roles(admin)
    tried = 0
    for role in roles:
        async with _connected(probe.admin_dsn, role, postgres.password(role)) as connection:
            for schema, table in every_table:
                if schema != _schema_of(role):
                    tried += 1
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        await connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(schema, table)))
    assert tried >= len(roles)


async def test_public_has_nothing(probe: Probe) -> None:
    query = """
        SELECT 'database', datname::text, privilege_type FROM pg_database,
               aclexplode(coalesce(datacl, acldefault('d', datdba))) g
        WHERE datname = current_database() AND g.grantee = 0
        UNION ALL
        SELECT 'schema', nspname::text, privilege_type FROM pg_namespace,
               aclexplode(coalesce(nspacl, acldefault('n', nspowner))) g
        WHERE (nspname = ANY(%s) OR nspname = 'public') AND g.grantee = 0
        UNION ALL
        SELECT 'relation', relname::text, privilege_type FROM pg_class,
               aclexplode(coalesce(relacl, acldefault('r', relowner))) g
        WHERE relnamespace::regnamespace::text = ANY(%s) AND g.grantee = 0
        UNION ALL
        SELECT 'function', proname::text, privilege_type FROM pg_proc,
               aclexplode(coalesce(proacl, acldefault('f', proowner))) g
        WHERE pronamespace::regnamespace::text = ANY(%s) AND g.grantee = 0
    """
    async with _connected(probe.admin_dsn) as admin:
        schemas = await _schemas(admin)
        assert await _rows(admin, query, schemas, schemas, schemas) == []


async def test_no_role_is_mighty(probe: Probe) -> None:
    query = """
        SELECT rolname FROM pg_roles
        WHERE rolname = ANY(%s) AND (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication)
        UNION ALL
        SELECT member::regrole::text FROM pg_auth_members WHERE member::regrole::text = ANY(%s)
        UNION ALL
        SELECT relowner::regrole::text FROM pg_class WHERE relowner::regrole::text = ANY(%s)
    """
    async with _connected(probe.admin_dsn) as admin:
        roles = await _our_roles(admin)
        assert await _rows(admin, query, roles, roles, roles) == []


async def test_every_table_with_a_tenant_is_protected_by_it(probe: Probe) -> None:
    """A table with a tenant_id and without an enforced policy would show one tenant's rows to another."""
    query = """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = n.nspname AND p.tablename = c.relname
                        AND p.roles = ARRAY[('lace_' || n.nspname)::name] AND p.cmd = 'ALL'
                        AND p.qual LIKE '%%lace.tenant_id%%' AND p.with_check LIKE '%%lace.tenant_id%%'))
    """
    async with _connected(probe.admin_dsn) as admin:
        schemas = [schema for schema in await _schemas(admin) if schema != "bus"]
        assert await _rows(admin, query, schemas) == []


async def test_no_foreign_key_crosses_schemas(probe: Probe) -> None:
    query = """
        SELECT conname FROM pg_constraint k
        JOIN pg_class here ON here.oid = k.conrelid JOIN pg_class there ON there.oid = k.confrelid
        WHERE k.contype = 'f' AND here.relnamespace <> there.relnamespace
    """
    async with _connected(probe.admin_dsn) as admin:
        assert await _rows(admin, query) == []


async def test_the_version_table_is_the_admin_s_alone(probe: Probe) -> None:
    query = """
        SELECT relnamespace::regnamespace::text, g.grantee::regrole::text FROM pg_class, aclexplode(relacl) g
        WHERE relname = 'alembic_version' AND g.grantee <> relowner
    """
    async with _connected(probe.admin_dsn) as admin:
        assert await _rows(admin, query) == []


def _differences(dsn: str, schema: str, metadata: MetaData) -> list[object]:
    engine = create_engine("postgresql+psycopg://", connect_args=connection_parameters(dsn), poolclass=NullPool)

    def in_schema(name: str | None, kind: str, _parents: object) -> bool:
        return name == schema if kind == "schema" else True

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_name": in_schema, "compare_server_default": False}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
    engine.dispose()
    return [difference for difference in differences if getattr(difference[1], "name", "") != "things"]


async def test_the_infrastructure_s_ddl_and_its_tables_agree(probe: Probe) -> None:
    assert await asyncio.to_thread(_differences, probe.admin_dsn, "probe", probe.metadata) == []


@pytest.fixture
async def empty_database(postgres: PostgresServer) -> AsyncIterator[str]:
    """A second database of the server, for upgrades from nothing."""
    name = f"empty_{time.monotonic_ns()}"
    async with _connected(postgres.admin_dsn) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
        parameters = connection_parameters(postgres.admin_dsn) | {"dbname": name}
        parameters.pop("options")
        yield psycopg.conninfo.make_conninfo(**parameters)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def _versions(dsn: str) -> dict[str, str]:
    async with _connected(dsn) as admin:
        schemas = await _rows(
            admin, "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'alembic_version'"
        )
        found: dict[str, str] = {}
        for (schema,) in schemas:
            ((found[schema],),) = await _rows(admin, f"SELECT version_num FROM {schema}.alembic_version")
        return found


async def test_all_schemas_rise_from_nothing_and_then_at_once_say_so(
    empty_database: str, postgres: PostgresServer
) -> None:
    with structlog.testing.capture_logs() as lines:
        await upgrade(empty_database, SERVICES, postgres.role_secret)
    versions = await _versions(empty_database)
    assert "bus" in versions
    assert {line["schema"]: line["revision"] for line in lines if line["event"] == "schema_upgraded"} == versions
    with structlog.testing.capture_logs() as lines:
        await upgrade(empty_database, SERVICES, postgres.role_secret)
    # Nothing was run, nor was Alembic, whose import takes longer than all the rest, asked what there is to run.
    assert [line for line in lines if line["event"] == "schema_upgraded"] == []
    assert await _versions(empty_database) == versions


async def test_upgrades_at_once_follow_one_another(empty_database: str, postgres: PostgresServer) -> None:
    await asyncio.gather(*(upgrade(empty_database, SERVICES[:1], postgres.role_secret) for _ in range(4)))
    assert "bus" in await _versions(empty_database)


async def test_a_history_that_is_behind_is_caught_up(empty_database: str, postgres: PostgresServer) -> None:
    """The shortcut compares revisions: a schema whose version is not the newest is not taken for finished."""
    await upgrade(empty_database, [], postgres.role_secret)
    async with _connected(empty_database) as admin:
        await admin.execute("DROP SCHEMA bus CASCADE")
        await admin.execute("CREATE SCHEMA bus")
    await upgrade(empty_database, [], postgres.role_secret)
    async with _connected(empty_database) as admin:
        assert await _rows(admin, "SELECT count(*) FROM bus.messages") == [(0,)]


async def test_a_new_secret_gives_new_passwords(empty_database: str, postgres: PostgresServer) -> None:
    old, new = postgres.password("lace_bus"), role_password("another secret", "lace_bus")
    try:
        await upgrade(empty_database, [], "another secret")
        async with _connected(empty_database, "lace_bus", new) as connection:
            assert await _rows(connection, "SELECT 1") == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password"):
            async with _connected(empty_database, "lace_bus", old):
                pass
    finally:
        await upgrade(empty_database, [], postgres.role_secret)


async def test_a_service_that_does_not_exist_is_an_error(empty_database: str) -> None:
    with pytest.raises(LookupError, match="lace_nowhere"):
        await upgrade(empty_database, ["nowhere"], "s")
