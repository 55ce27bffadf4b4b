"""What the use cases need of the outside world.

Every repository method names its tenant, and a unit of work is opened for one tenant, so that row level security
holds where a query forgets. The `Directory` alone looks across tenants: it serves what happens before a tenant is
known (a token is looked up, the installation begins) and what has none (keys, the sequence of revocations).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from lace_control.domain.access import Caller
from lace_control.domain.audit import AuditEntry
from lace_control.domain.dead_letters import DeadLetter, Search
from lace_control.domain.identities import Bearer, Claims, VerificationKey
from lace_control.domain.quotas import Limits, Quotas
from lace_control.domain.revocations import Revocation, Subject
from lace_control.domain.settings import Scope, StoredSettings
from lace_control.domain.tenants import Principal, Tenant
from lace_control.domain.tokens import Token
from lace_core.settings import Layer

T = TypeVar("T")


@dataclass(frozen=True)
class Mutation(Generic[T]):
    """A request that takes effect once: its route, its canonical JSON, and how its answer is kept and read again.

    `encode` leaves out what may be shown once only.
    """

    route: str
    request: bytes
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


class TenantRepository(Protocol):
    """Tenants."""

    async def add(self, tenant_id: str, tenant: Tenant) -> None:
        """Keep a new tenant."""

    async def get(self, tenant_id: str) -> Tenant | None:
        """The tenant, if there is one."""


class PrincipalRepository(Protocol):
    """The principals of a tenant."""

    async def add(self, tenant_id: str, principal: Principal) -> None:
        """Keep a new principal."""

    async def get(self, tenant_id: str, principal_id: str) -> Principal | None:
        """The principal, if the tenant has it."""


class TokenRepository(Protocol):
    """The tokens of a tenant; of a secret only its hash is kept."""

    async def add(self, tenant_id: str, token: Token, secret_hash: str) -> None:
        """Keep a new token."""

    async def lock(self, tenant_id: str, token_id: str) -> Token | None:
        """The token, if the tenant has it; nobody else changes it until the unit of work ends."""

    async def revoke(self, tenant_id: str, token_id: str, revoked_at: datetime) -> None:
        """Mark the token as revoked."""

    async def newest(self, tenant_id: str, limit: int, before: str | None) -> Sequence[Token]:
        """Tokens, newest first, those made before the given token only."""


class SettingsRepository(Protocol):
    """Versions of what is set at the system, a tenant and its users; a version never changes."""

    async def lock(self, tenant_id: str, scope: Scope) -> None:
        """Nobody else writes the scope's settings until the unit of work ends."""

    async def current(self, tenant_id: str, scopes: Sequence[Scope]) -> Sequence[StoredSettings]:
        """The newest version of each scope, in their order; version 0 where nothing was ever set.

        The scopes are those of the tenant and the system's, which every tenant may read.
        """

    async def add(self, tenant_id: str, settings: StoredSettings) -> None:
        """Keep a new version."""


class SnapshotRepository(Protocol):
    """Which settings snapshots of a tenant are kept, and where."""

    async def uri_of(self, tenant_id: str, settings_hash: str) -> str | None:
        """Where the snapshot is, if it is kept."""

    async def add(self, tenant_id: str, settings_hash: str, settings_uri: str, created_at: datetime) -> None:
        """Note where it is kept; without effect when that is noted already."""


class QuotaRepository(Protocol):
    """What a tenant may use at once."""

    async def get(self, tenant_id: str) -> Quotas:
        """The tenant's quotas; version 0 where none were ever set."""

    async def put(self, tenant_id: str, limits: Limits, updated_by: str, updated_at: datetime) -> Quotas:
        """The tenant's next version."""


class AuditRepository(Protocol):
    """The audit log of a tenant, which only grows."""

    async def add(self, tenant_id: str, entry: AuditEntry) -> AuditEntry:
        """Keep an entry; gives the one that is kept under its id, where one was before."""

    async def newest(self, tenant_id: str, limit: int, before: tuple[datetime, str] | None) -> Sequence[AuditEntry]:
        """Entries, newest first, those before the given time and id only."""


class DeadLetterRepository(Protocol):
    """Messages about a tenant that no consumer could handle."""

    async def add(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep a letter; the same one again changes nothing."""

    async def lock(self, tenant_id: str, dead_letter_id: str) -> DeadLetter | None:
        """The letter, if the tenant has it; nobody else changes it until the unit of work ends."""

    async def settle(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep what became of the letter."""

    async def send_again(self, tenant_id: str, letter: DeadLetter) -> None:
        """Publish its message once more when the unit of work is committed, for the group that failed on it."""

    async def newest(
        self, tenant_id: str, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters without their payloads, newest first, those before the given time of death and id only."""


class RevocationRepository(Protocol):
    """Adds to the installation's sequence of revocations, on behalf of a tenant."""

    async def add(self, tenant_id: str, subject: Subject, subject_id: str, revoked_at: datetime) -> Revocation:
        """Revoke at the next epoch, and wake those who follow when the unit of work is committed.

        The last thing to do in a unit of work: epochs are given out in the order of their commits.
        """


class UnitOfWork(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def tenants(self) -> TenantRepository:
        """Tenants."""

    @property
    def principals(self) -> PrincipalRepository:
        """Principals."""

    @property
    def tokens(self) -> TokenRepository:
        """Tokens."""

    @property
    def settings(self) -> SettingsRepository:
        """Settings."""

    @property
    def snapshots(self) -> SnapshotRepository:
        """Settings snapshots."""

    @property
    def quotas(self) -> QuotaRepository:
        """Quotas."""

    @property
    def audit(self) -> AuditRepository:
        """The audit log."""

    @property
    def dead_letters(self) -> DeadLetterRepository:
        """Dead letters."""

    @property
    def revocations(self) -> RevocationRepository:
        """Revocations."""

    async def epoch(self) -> int:
        """The newest revocation's epoch."""

    async def once(self, mutation: Mutation[T], effect: Callable[[], Awaitable[T]]) -> T:
        """The effect's answer; the stored one where the request was answered before. Raises IDEMPOTENCY_*."""

    async def commit(self) -> None:
        """Make it durable."""


class Directory(Protocol):
    """What is looked up across tenants."""

    async def lock_bootstrap(self) -> None:
        """Nobody else begins the installation until the unit of work ends."""

    async def first_tenant(self) -> Tenant | None:
        """The tenant that the installation began with."""

    async def bearer(self, secret_hash: str) -> Bearer | None:
        """Whom a secret belongs to, good or not, together with the epoch of the same moment."""

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """Note when the token was used."""

    async def find_principal(self, principal_id: str) -> Principal | None:
        """The principal, whatever its tenant."""

    async def revocations_after(self, epoch: int, since: datetime) -> Sequence[Revocation]:
        """Revocations after an epoch and since a moment, in order."""

    async def tenant_of_dead_letter(self, dead_letter_id: str) -> str | None:
        """The tenant of the letter, empty for one of no tenant; None where there is no such letter."""

    async def newest_dead_letters(
        self, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters of all tenants without their payloads, newest first."""


class SystemUnitOfWork(UnitOfWork, Protocol):
    """One transaction across tenants."""

    @property
    def directory(self) -> Directory:
        """What is looked up across tenants."""


class Units(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant."""

    def of_system(self) -> AbstractAsyncContextManager[SystemUnitOfWork]:
        """Across tenants: before a tenant is known, and for who administers the system."""


class Signer(Protocol):
    """Signs identities."""

    def sign(self, claims: Claims) -> str:
        """The claims as a text that every service can verify."""

    def verification_keys(self) -> Sequence[VerificationKey]:
        """The keys that identities are verified with, the signing one first."""


class SnapshotStore(Protocol):
    """Keeps settings snapshots where whoever has their address can read them."""

    async def put(self, tenant_id: str, settings_hash: str, canonical: bytes) -> str:
        """Keep the canonical JSON and give its address; the same snapshot again changes nothing."""


class RevocationLog(Protocol):
    """Follows the sequence of revocations."""

    async def after(self, epoch: int, wait_s: float) -> Sequence[Revocation]:
        """Those after the epoch, in order; waits for one at most `wait_s` seconds, and then gives none."""


@dataclass(frozen=True)
class Control:
    """All that the use cases are given.

    `layers` are those of the process (env_file, environment); `random_bytes` is a source fit for secrets.
    """

    units: Units
    signer: Signer
    snapshots: SnapshotStore
    layers: Sequence[Layer]
    service_secret: str
    now: Callable[[], datetime]
    new_id: Callable[[str], str]
    random_bytes: Callable[[int], bytes]


def unit_for(control: Control, caller: Caller, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
    """Within the caller's tenant; across tenants only where the work lies outside of it, which was allowed before."""
    return control.units.of_tenant(tenant_id) if tenant_id == caller.tenant_id else control.units.of_system()
