"""Service tokens in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_control.domain.tokens import Token
from lace_platform.db.transaction import Transaction

_LOCK = """
    SELECT token_id, principal_id, name, scopes, prefix, created_at, expires_at, revoked_at, last_used_at
    FROM control.service_tokens WHERE tenant_id = :tenant_id AND token_id = :token_id FOR UPDATE
"""

_NEWEST = """
    SELECT token_id, principal_id, name, scopes, prefix, created_at, expires_at, revoked_at, last_used_at
    FROM control.service_tokens
    WHERE tenant_id = :tenant_id AND (CAST(:before AS text) IS NULL OR token_id < :before)
    ORDER BY token_id DESC LIMIT :limit
"""


class PostgresTokenRepository:
    """Table control.service_tokens, which holds hashes and no secrets."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, token: Token, secret_hash: str) -> None:
        """Keep a new token."""
        row = {
            "tenant_id": tenant_id,
            "token_id": token.token_id,
            "principal_id": token.principal_id,
            "name": token.name,
            "scopes": sorted(token.scopes),
            "secret_hash": secret_hash,
            "prefix": token.prefix,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
        }
        await self._tx.execute(
            """
            INSERT INTO control.service_tokens
                (tenant_id, token_id, principal_id, name, scopes, secret_hash, prefix, created_at, expires_at)
            VALUES (:tenant_id, :token_id, :principal_id, :name, CAST(:scopes AS text[]), :secret_hash, :prefix,
                :created_at, :expires_at)
            """,
            row,
        )

    async def lock(self, tenant_id: str, token_id: str) -> Token | None:
        """The token, if the tenant has it; its row is locked."""
        row = await self._tx.fetch_one(
            _LOCK,
            {"tenant_id": tenant_id, "token_id": token_id},
        )
        return None if row is None else token_of(row)

    async def revoke(self, tenant_id: str, token_id: str, revoked_at: datetime) -> None:
        """Mark the token as revoked."""
        await self._tx.execute(
            """
            UPDATE control.service_tokens SET revoked_at = :revoked_at
            WHERE tenant_id = :tenant_id AND token_id = :token_id
            """,
            {"tenant_id": tenant_id, "token_id": token_id, "revoked_at": revoked_at},
        )

    async def newest(self, tenant_id: str, limit: int, before: str | None) -> Sequence[Token]:
        """Tokens by their ids, which ascend with time, the other way round."""
        rows = await self._tx.fetch_all(
            _NEWEST,
            {"tenant_id": tenant_id, "before": before, "limit": limit},
        )
        return [token_of(row) for row in rows]


def token_of(row: Row[Any]) -> Token:
    """The token in a row."""
    return Token(
        token_id=row.token_id,
        principal_id=row.principal_id,
        name=row.name,
        scopes=frozenset(row.scopes),
        prefix=row.prefix,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
