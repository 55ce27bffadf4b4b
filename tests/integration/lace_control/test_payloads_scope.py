"""The scope payloads:read comes to those tokens of an older installation that could do everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import psycopg
import pytest

from lace_control.domain.access import MEMBER_SCOPES, SCOPES
from lace_platform.ids import new_id

BEFORE = sorted(SCOPES - {"payloads:read"})


@pytest.fixture
async def tokens(postgres: Any, tenant_id: str) -> AsyncIterator[dict[str, str]]:
    """Three tokens as 0.1.0 left them: of everything, of a member, of administration alone."""
    rows = {"whole": BEFORE, "member": sorted(MEMBER_SCOPES), "narrow": ["admin"]}
    ids, principal_id = {name: new_id("tok") for name in rows}, new_id("prn")
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO control.tenants (tenant_id, name, created_at) VALUES (%s, 'x', now())", (tenant_id,)
        )
        await connection.execute(
            """INSERT INTO control.principals (principal_id, tenant_id, name, roles, labels, created_at)
               VALUES (%s, %s, 'x', ARRAY['tenant_admin'], '{}', now())""",
            (principal_id, tenant_id),
        )
        for name, scopes in rows.items():
            await connection.execute(
                """INSERT INTO control.service_tokens (token_id, tenant_id, principal_id, name, scopes, secret_hash,
                     prefix, created_at, expires_at)
                   VALUES (%s, %s, %s, 'x', %s, encode(sha256(%s::bytea), 'hex'), 'lace_x', now(), now())""",
                (ids[name], tenant_id, principal_id, scopes, ids[name].encode()),
            )
        yield ids
        for table in ("service_tokens", "principals", "tenants"):
            await connection.execute(f"DELETE FROM control.{table} WHERE tenant_id = %s".encode(), (tenant_id,))


async def test_it_is_added_where_nothing_was_missing_and_once(
    postgres: Any, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = import_module("lace_control.migrations.versions.0004_payloads_scope")
    statements: list[str] = []
    monkeypatch.setattr(migration.op, "execute", statements.append)
    await asyncio.to_thread(migration.upgrade)
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        for _ in range(2):
            for statement in statements:
                await connection.execute(statement)
        cursor = await connection.execute(
            "SELECT token_id, scopes FROM control.service_tokens WHERE token_id = ANY(%s)", (list(tokens.values()),)
        )
        found: dict[str, list[str]] = dict(await cursor.fetchall())
    assert sorted(found[tokens["whole"]]) == sorted(SCOPES)
    assert sorted(found[tokens["member"]]) == sorted(MEMBER_SCOPES)
    assert found[tokens["narrow"]] == ["admin"]
