"""The logins of the services: their roles, their passwords, and what each may touch."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, LiteralString

from psycopg import AsyncConnection, sql


def role_password(role_secret: str, role: str) -> str:
    """The role's password: an HMAC of its name, so that processes share one secret and no list of passwords."""
    return hmac.new(role_secret.encode(), f"postgres-role:{role}".encode(), hashlib.sha256).hexdigest()


def service_roles(service: str) -> tuple[str, str]:
    """The role that row level security binds to a tenant, and the one for cross-tenant machinery."""
    return f"lace_{service}", f"lace_{service}_system"


async def secure_database(connection: AsyncConnection[Any]) -> None:
    """Take from PUBLIC what a new database gives it: to connect, to see schema public, to call new functions."""
    cursor = await connection.execute(
        "SELECT 1 FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS granted"
        " WHERE datname = current_database() AND granted.grantee = 0"
    )
    if await cursor.fetchone() is None:
        return
    database = sql.Identifier(connection.info.dbname)
    await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await connection.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")


async def ensure_roles(connection: AsyncConnection[Any], roles: Sequence[str], role_secret: str) -> None:
    """Create each role that is missing; give it a new password where the secret has changed."""
    cursor = await connection.execute(
        "SELECT rolname, shobj_description(oid, 'pg_authid'),"
        " has_database_privilege(oid, current_database(), 'CONNECT') FROM pg_roles WHERE rolname = ANY(%s)",
        (list(roles),),
    )
    known = {role: (mark, connects) for role, mark, connects in await cursor.fetchall()}
    for role in roles:
        mark, connects = known.get(role, (None, False))
        if role not in known:
            await _run(connection, "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS", role)
        if not connects:
            await _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", connection.info.dbname, role)
        if mark != _mark(role_secret, role):
            await _set_password(connection, role, role_secret)


async def ensure_schema(connection: AsyncConnection[Any], schema: str, roles: Sequence[str]) -> None:
    """Create the schema and give these roles, and nobody else, the use of what is and will be in it."""
    cursor = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    if await cursor.fetchone() is not None:
        return
    await _run(connection, "CREATE SCHEMA {}", schema)
    for role in roles:
        await _run(connection, "GRANT USAGE ON SCHEMA {} TO {}", schema, role)
        for privileges in (
            "SELECT, INSERT, UPDATE, DELETE ON TABLES",
            "SELECT, USAGE ON SEQUENCES",
            "EXECUTE ON FUNCTIONS",
        ):
            grant = sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT {} TO {}")
            await connection.execute(grant.format(sql.Identifier(schema), sql.SQL(privileges), sql.Identifier(role)))


def _mark(role_secret: str, role: str) -> str:
    """Says in the role's comment which secret its password came from, without telling either."""
    return "lace:" + hmac.new(role_secret.encode(), f"mark:{role}".encode(), hashlib.sha256).hexdigest()[:32]


async def _set_password(connection: AsyncConnection[Any], role: str, role_secret: str) -> None:
    # The verifier is computed here, so that the password itself is in no statement and no server log.
    password = role_password(role_secret, role).encode()
    verifier = connection.pgconn.encrypt_password(password, role.encode(), b"scram-sha-256").decode()
    name = sql.Identifier(role)
    await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, verifier))
    await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, _mark(role_secret, role)))


async def _run(connection: AsyncConnection[Any], statement: LiteralString, *names: str) -> None:
    await connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
