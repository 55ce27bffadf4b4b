"""What is looked up across tenants, under the system role."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lace_control.adapters.postgres_dead_letters import newest
from lace_control.adapters.postgres_tenants import principal_of, tenant_of
from lace_control.adapters.postgres_tokens import token_of
from lace_control.domain.dead_letters import DeadLetter, Search
from lace_control.domain.identities import Bearer
from lace_control.domain.revocations import Revocation
from lace_control.domain.tenants import Principal, Tenant
from lace_platform.db.transaction import Transaction

# Token and epoch in one statement, so of one snapshot: a token that is revoked later is revoked at a later epoch
# than this one, which voids the identity that is made of this answer.
_BEARER = """
    SELECT token.token_id, token.principal_id, token.name, token.scopes, token.prefix, token.created_at,
           token.expires_at, token.revoked_at, token.last_used_at,
           principal.tenant_id, principal.name AS principal_name, principal.roles, principal.labels,
           principal.created_at AS principal_created_at, counter.epoch
    FROM control.service_tokens AS token
    JOIN control.principals AS principal
        ON principal.tenant_id = token.tenant_id AND principal.principal_id = token.principal_id
    CROSS JOIN control.revocation_counter AS counter
    WHERE token.secret_hash = :secret_hash
"""


class PostgresDirectory:
    """Reads that no tenant bounds, and the lock under which an installation begins."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock_bootstrap(self) -> None:
        """Hold the beginning of the installation until the end of the transaction."""
        await self._tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('control.bootstrap', 0))")

    async def first_tenant(self) -> Tenant | None:
        """The tenant that the installation began with."""
        row = await self._tx.fetch_one(
            "SELECT tenant_id, name, created_at FROM control.tenants ORDER BY created_at, tenant_id LIMIT 1"
        )
        return None if row is None else tenant_of(row)

    async def bearer(self, secret_hash: str) -> Bearer | None:
        """Whom a secret belongs to, good or not, together with the epoch of the same moment."""
        row = await self._tx.fetch_one(_BEARER, {"secret_hash": secret_hash})
        if row is None:
            return None
        principal = Principal(
            principal_id=row.principal_id,
            tenant_id=row.tenant_id,
            name=row.principal_name,
            roles=frozenset(row.roles),
            labels=frozenset(row.labels),
            created_at=row.principal_created_at,
        )
        return Bearer(token_of(row), principal, row.epoch)

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """Note when the token was used; two who do so at once do not set it back."""
        await self._tx.execute(
            """
            UPDATE control.service_tokens SET last_used_at = :used_at
            WHERE token_id = :token_id AND (last_used_at IS NULL OR last_used_at < :used_at)
            """,
            {"token_id": token_id, "used_at": used_at},
        )

    async def find_principal(self, principal_id: str) -> Principal | None:
        """The principal, whatever its tenant."""
        row = await self._tx.fetch_one(
            """
            SELECT principal_id, tenant_id, name, roles, labels, created_at
            FROM control.principals WHERE principal_id = :principal_id
            """,
            {"principal_id": principal_id},
        )
        return None if row is None else principal_of(row)

    async def revocations_after(self, epoch: int, since: datetime) -> Sequence[Revocation]:
        """Revocations after an epoch and since a moment, in order."""
        rows = await self._tx.fetch_all(
            """
            SELECT epoch, subject_type, subject_id, revoked_at FROM control.revocations
            WHERE epoch > :epoch AND revoked_at >= :since ORDER BY epoch
            """,
            {"epoch": epoch, "since": since},
        )
        return [Revocation(row.epoch, row.subject_type, row.subject_id, row.revoked_at) for row in rows]

    async def tenant_of_dead_letter(self, dead_letter_id: str) -> str | None:
        """The tenant of the letter, if there is such a letter."""
        row = await self._tx.fetch_one(
            "SELECT tenant_id FROM control.dead_letters WHERE dead_letter_id = :dead_letter_id",
            {"dead_letter_id": dead_letter_id},
        )
        return None if row is None else str(row.tenant_id)

    async def newest_dead_letters(
        self, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters of all tenants without their payloads, newest first."""
        return await newest(self._tx, search.tenant_id, search, limit, before)
