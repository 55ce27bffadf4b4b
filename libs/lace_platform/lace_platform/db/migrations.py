"""Brings every service's roles, schema and tables to the newest revision, in one call and under one lock."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from psycopg import AsyncConnection, sql

from lace_platform.db.dsn import connection_parameters
from lace_platform.db.roles import ensure_roles, ensure_schema, role_password, secure_database, service_roles
from lace_platform.db.schema import create_infrastructure, protect_by_tenant

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

__all__ = ["create_infrastructure", "protect_by_tenant", "role_password", "run_env", "upgrade"]

BUS_SCHEMA = "bus"
BUS_ROLE = "lace_bus"
_VERSION_TABLE = "alembic_version"
_ADVISORY_LOCK = 0x4C414345  # "LACE": two upgrades of one database follow one another
_REVISION = re.compile(r"""^revision(?:\s*:\s*[\w.]+)?\s*=\s*["']([^"']+)["']""", re.MULTILINE)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class History:
    """One schema's Alembic history: where its scripts are and which roles use what they create."""

    schema: str
    folder: Path
    roles: tuple[str, ...]

    def head(self) -> str | None:
        """The revision id in the last script by file name, or None; read as text, Alembic takes 0.2 s to import."""
        scripts = sorted(self.folder.glob("versions/[!_]*.py"))
        found = _REVISION.search(scripts[-1].read_text()) if scripts else None
        return found.group(1) if found else None


async def upgrade(admin_dsn: str, services: Sequence[str], role_secret: str) -> None:
    """Create what is missing and run the new revisions of these services and of the bus.

    A service without migrations is passed over. Any number of processes may call this at once.
    """
    histories = [*_service_histories(services), _bus_history()]
    parameters = connection_parameters(admin_dsn, application_name="lace_migrations")
    async with await AsyncConnection.connect(**parameters, autocommit=True) as connection:
        # A session's lock, not a transaction's: Alembic commits each history on a connection of its own.
        await connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        async with connection.transaction():
            await secure_database(connection)
            await ensure_roles(connection, [role for history in histories for role in history.roles], role_secret)
            for history in histories:
                await ensure_schema(connection, history.schema, history.roles)
        behind = await _behind(connection, histories)
        if behind:
            await asyncio.to_thread(_run_alembic, parameters, behind)


def run_env(schema: str, metadata: MetaData) -> None:
    """The body of a history's env.py: run its revisions on the connection that `upgrade` opened."""
    from alembic import context

    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("migrations run through `lace db upgrade`, which opens the connection")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=_VERSION_TABLE,
        version_table_schema=schema,
        include_schemas=True,
        include_name=lambda name, kind, _parents: kind != "schema" or name == schema,
    )
    with context.begin_transaction():
        context.run_migrations()


def _service_histories(services: Sequence[str]) -> Iterator[History]:
    for service in services:
        # find_spec of a top-level package imports nothing: the folder is enough to know whether it is at head.
        spec = importlib.util.find_spec(f"lace_{service}")
        if spec is None or not spec.submodule_search_locations:
            raise LookupError(f"there is no package lace_{service}")
        folder = Path(spec.submodule_search_locations[0]) / "migrations"
        if (folder / "env.py").exists():
            yield History(service, folder, service_roles(service))


def _bus_history() -> History:
    return History(BUS_SCHEMA, Path(__file__).parents[1] / "bus" / "migrations", (BUS_ROLE,))


async def _behind(connection: AsyncConnection[Any], histories: Sequence[History]) -> list[History]:
    """The histories whose schema is not at the newest revision on disk."""
    cursor = await connection.execute(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = %s AND relkind = 'r'", (_VERSION_TABLE,)
    )
    versioned = {schema for (schema,) in await cursor.fetchall()} & {history.schema for history in histories}
    current: dict[str, str] = {}
    if versioned:
        rows = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, version_num FROM {}").format(schema, sql.Identifier(schema, _VERSION_TABLE))
            for schema in sorted(versioned)
        )
        current = dict(await (await connection.execute(rows)).fetchall())
    return [history for history in histories if history.head() != current.get(history.schema)]


def _run_alembic(parameters: Mapping[str, Any], histories: Sequence[History]) -> None:
    """Upgrade each history in a transaction of its own; runs in a thread, since Alembic blocks."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import NullPool, create_engine

    engine = create_engine(
        "postgresql+psycopg://", connect_args=dict(parameters), poolclass=NullPool, use_native_hstore=False
    )
    with engine.connect() as connection:
        for history in histories:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(history.folder).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            with connection.begin():
                command.upgrade(config, "head")
                _seal_version_table(connection, history)
            _log.info("schema_upgraded", schema=history.schema, revision=history.head())


def _seal_version_table(connection: Connection, history: History) -> None:
    """Take the version table back from the roles that the schema's default privileges gave it to."""
    roles = ", ".join(history.roles)
    connection.exec_driver_sql(f"REVOKE ALL ON {history.schema}.{_VERSION_TABLE} FROM {roles}")
