"""The ports in memory, for tests: the same behaviour as on Postgres, under the same contract suite.

One unit of work runs at a time, on a copy that takes the place of the kept state on commit.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from lace_control.adapters.memory_dead_letters import MemoryDeadLetterRepository, newest
from lace_control.app.ports import Mutation
from lace_control.domain.audit import AuditEntry
from lace_control.domain.dead_letters import DeadLetter, Search
from lace_control.domain.identities import Bearer
from lace_control.domain.quotas import Limits, Quotas
from lace_control.domain.revocations import Revocation, Subject
from lace_control.domain.settings import Scope, StoredSettings
from lace_control.domain.tenants import Principal, Tenant
from lace_control.domain.tokens import Token
from lace_core.errors import LaceError, Reason
from lace_platform.rpc import current_call

T = TypeVar("T")


@dataclass
class _State:
    """The rows, by tenant first where they have one."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    principals: dict[tuple[str, str], Principal] = field(default_factory=dict)
    tokens: dict[tuple[str, str], Token] = field(default_factory=dict)
    token_of_hash: dict[str, tuple[str, str]] = field(default_factory=dict)
    settings: dict[tuple[str, str, str], list[StoredSettings]] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], str] = field(default_factory=dict)
    quotas: dict[str, Quotas] = field(default_factory=dict)
    audit: dict[tuple[str, str], AuditEntry] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetter] = field(default_factory=dict)
    sent_again: list[DeadLetter] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    answers: dict[tuple[str, str, str | None], tuple[str, bytes, bytes]] = field(default_factory=dict)


class MemoryUnits:
    """Opens units of work, one at a time."""

    def __init__(self) -> None:
        self._state = _State()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[MemoryUnitOfWork]:
        """Within a tenant."""
        async with self._turn:
            yield MemoryUnitOfWork(copy.deepcopy(self._state), self._keep)

    @asynccontextmanager
    async def of_system(self) -> AsyncIterator[MemoryUnitOfWork]:
        """Across tenants."""
        async with self._turn:
            yield MemoryUnitOfWork(copy.deepcopy(self._state), self._keep)

    @property
    def sent_again(self) -> Sequence[DeadLetter]:
        """The dead letters whose messages were put into the outbox."""
        return tuple(self._state.sent_again)

    def _keep(self, state: _State) -> None:
        self._state = state


class MemoryUnitOfWork:
    """One copy of the state and the repositories on it."""

    def __init__(self, state: _State, keep: Callable[[_State], None]) -> None:
        self._state = state
        self._keep = keep
        self.tenants = MemoryTenantRepository(state)
        self.principals = MemoryPrincipalRepository(state)
        self.tokens = MemoryTokenRepository(state)
        self.settings = MemorySettingsRepository(state)
        self.snapshots = MemorySnapshotRepository(state)
        self.quotas = MemoryQuotaRepository(state)
        self.audit = MemoryAuditRepository(state)
        self.dead_letters = MemoryDeadLetterRepository(state.dead_letters, state.sent_again)
        self.revocations = MemoryRevocationRepository(state)
        self.directory = MemoryDirectory(state)

    async def epoch(self) -> int:
        """The newest revocation's epoch."""
        return len(self._state.revocations)

    async def once(self, mutation: Mutation[T], effect: Callable[[], Awaitable[T]]) -> T:
        """The effect's answer, or the stored one where the call's Idempotency-Key was answered before."""
        call = current_call()
        if not call.idempotency_key:
            raise LaceError(Reason.IDEMPOTENCY_KEY_REQUIRED, "Send an Idempotency-Key with every mutation.")
        key = (call.tenant_id, mutation.route, call.idempotency_key)
        stored = self._state.answers.get(key)
        if stored is None:
            answer = await effect()
            self._state.answers[key] = (call.principal_id, mutation.request, mutation.encode(answer))
            return answer
        if stored[:2] != (call.principal_id, mutation.request):
            raise LaceError(Reason.IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key was used with another request.")
        return mutation.decode(stored[2])

    async def commit(self) -> None:
        """Put the copy in the place of the kept state."""
        self._keep(self._state)


class MemoryTenantRepository:
    """Tenants."""

    def __init__(self, state: _State) -> None:
        self._rows = state.tenants

    async def add(self, tenant_id: str, tenant: Tenant) -> None:
        """Keep a new tenant."""
        _insert(self._rows, tenant_id, tenant)

    async def get(self, tenant_id: str) -> Tenant | None:
        """The tenant, if there is one."""
        return self._rows.get(tenant_id)


class MemoryPrincipalRepository:
    """Principals."""

    def __init__(self, state: _State) -> None:
        self._rows = state.principals

    async def add(self, tenant_id: str, principal: Principal) -> None:
        """Keep a new principal."""
        _insert(self._rows, (tenant_id, principal.principal_id), principal)

    async def get(self, tenant_id: str, principal_id: str) -> Principal | None:
        """The principal, if the tenant has it."""
        return self._rows.get((tenant_id, principal_id))


class MemoryTokenRepository:
    """Tokens."""

    def __init__(self, state: _State) -> None:
        self._state = state

    async def add(self, tenant_id: str, token: Token, secret_hash: str) -> None:
        """Keep a new token."""
        _insert(self._state.token_of_hash, secret_hash, (tenant_id, token.token_id))
        _insert(self._state.tokens, (tenant_id, token.token_id), token)

    async def lock(self, tenant_id: str, token_id: str) -> Token | None:
        """The token, if the tenant has it."""
        return self._state.tokens.get((tenant_id, token_id))

    async def revoke(self, tenant_id: str, token_id: str, revoked_at: datetime) -> None:
        """Mark the token as revoked."""
        token = self._state.tokens[tenant_id, token_id]
        self._state.tokens[tenant_id, token_id] = replace(token, revoked_at=revoked_at)

    async def newest(self, tenant_id: str, limit: int, before: str | None) -> Sequence[Token]:
        """Tokens by id, newest first."""
        own = [token for (tenant, _), token in self._state.tokens.items() if tenant == tenant_id]
        older = [token for token in own if before is None or token.token_id < before]
        return sorted(older, key=lambda token: token.token_id, reverse=True)[:limit]


class MemorySettingsRepository:
    """Versions of settings."""

    def __init__(self, state: _State) -> None:
        self._versions = state.settings

    async def lock(self, tenant_id: str, scope: Scope) -> None:
        """Nothing to do: units of work run one at a time."""

    async def current(self, tenant_id: str, scopes: Sequence[Scope]) -> Sequence[StoredSettings]:
        """The newest version of each scope."""
        return [self._versions.get(_key(tenant_id, scope), [StoredSettings(scope)])[-1] for scope in scopes]

    async def add(self, tenant_id: str, settings: StoredSettings) -> None:
        """Keep a new version."""
        versions = self._versions.setdefault(_key(tenant_id, settings.scope), [])
        if any(version.version == settings.version for version in versions):
            raise ValueError(f"there is a version {settings.version} already")
        versions.append(settings)


class MemorySnapshotRepository:
    """Where snapshots are."""

    def __init__(self, state: _State) -> None:
        self._rows = state.snapshots

    async def uri_of(self, tenant_id: str, settings_hash: str) -> str | None:
        """Where the snapshot is, if it is kept."""
        return self._rows.get((tenant_id, settings_hash))

    async def add(self, tenant_id: str, settings_hash: str, settings_uri: str, created_at: datetime) -> None:
        """Note where it is kept."""
        self._rows.setdefault((tenant_id, settings_hash), settings_uri)


class MemoryQuotaRepository:
    """Quotas by tenant."""

    def __init__(self, state: _State) -> None:
        self._rows = state.quotas

    async def get(self, tenant_id: str) -> Quotas:
        """The tenant's quotas; version 0 where none were ever set."""
        return self._rows.get(tenant_id, Quotas(tenant_id))

    async def put(self, tenant_id: str, limits: Limits, updated_by: str, updated_at: datetime) -> Quotas:
        """The tenant's next version."""
        version = (await self.get(tenant_id)).version + 1
        self._rows[tenant_id] = Quotas(tenant_id, limits, version, updated_by, updated_at)
        return self._rows[tenant_id]


class MemoryAuditRepository:
    """The audit log."""

    def __init__(self, state: _State) -> None:
        self._rows = state.audit

    async def add(self, tenant_id: str, entry: AuditEntry) -> AuditEntry:
        """Keep an entry; gives the one that is kept under its id."""
        return self._rows.setdefault((tenant_id, entry.audit_id), entry)

    async def newest(self, tenant_id: str, limit: int, before: tuple[datetime, str] | None) -> Sequence[AuditEntry]:
        """Entries by time and id, newest first."""
        own = [entry for (tenant, _), entry in self._rows.items() if tenant == tenant_id]
        older = [entry for entry in own if before is None or (entry.occurred_at, entry.audit_id) < before]
        return sorted(older, key=lambda entry: (entry.occurred_at, entry.audit_id), reverse=True)[:limit]


class MemoryRevocationRepository:
    """The sequence of revocations."""

    def __init__(self, state: _State) -> None:
        self._rows = state.revocations

    async def add(self, tenant_id: str, subject: Subject, subject_id: str, revoked_at: datetime) -> Revocation:
        """Revoke at the next epoch."""
        self._rows.append(Revocation(len(self._rows) + 1, subject, subject_id, revoked_at))
        return self._rows[-1]


class MemoryDirectory:
    """What is looked up across tenants."""

    def __init__(self, state: _State) -> None:
        self._state = state

    async def lock_bootstrap(self) -> None:
        """Nothing to do: units of work run one at a time."""

    async def first_tenant(self) -> Tenant | None:
        """The tenant that the installation began with."""
        return min(self._state.tenants.values(), key=lambda tenant: (tenant.created_at, tenant.tenant_id), default=None)

    async def bearer(self, secret_hash: str) -> Bearer | None:
        """Whom a secret belongs to, good or not."""
        key = self._state.token_of_hash.get(secret_hash)
        if key is None:
            return None
        token = self._state.tokens[key]
        principal = self._state.principals[key[0], token.principal_id]
        return Bearer(token, principal, len(self._state.revocations))

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """Note when the token was used."""
        for key, token in self._state.tokens.items():
            if token.token_id == token_id and (token.last_used_at is None or token.last_used_at < used_at):
                self._state.tokens[key] = replace(token, last_used_at=used_at)

    async def find_principal(self, principal_id: str) -> Principal | None:
        """The principal, whatever its tenant."""
        found = (principal for (_, name), principal in self._state.principals.items() if name == principal_id)
        return next(found, None)

    async def revocations_after(self, epoch: int, since: datetime) -> Sequence[Revocation]:
        """Revocations after an epoch and since a moment, in order."""
        return [one for one in self._state.revocations if one.epoch > epoch and one.revoked_at >= since]

    async def tenant_of_dead_letter(self, dead_letter_id: str) -> str | None:
        """The tenant of the letter, if there is such a letter."""
        letter = self._state.dead_letters.get(dead_letter_id)
        return letter.tenant_id if letter else None

    async def newest_dead_letters(
        self, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters of all tenants without their payloads, newest first."""
        return newest(self._state.dead_letters.values(), search, limit, before)


def _key(tenant_id: str, scope: Scope) -> tuple[str, str, str]:
    return (scope.tenant_id if scope.scope_type == "system" else tenant_id, scope.scope_type, scope.scope_id)


def _insert(rows: dict[Any, Any], key: Any, row: Any) -> None:
    if key in rows:
        raise ValueError(f"there is a row {key} already")
    rows[key] = row
