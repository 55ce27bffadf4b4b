"""What the use cases of templates need of the outside world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from lace_llm_gateway.domain.stored_templates import RunFilter, Template, TemplateRun

TemplatePlace = tuple[str, datetime, str]  # name, time of writing, id: by name, newest first
RunPlace = tuple[datetime, str]  # time of asking, id: newest first


class TemplateRepository(Protocol):
    """Templates that a tenant can read: its own and the system's. There is no way to change or remove one.

    What is read is as it lies there; see app.templates.sealed for what may be used.
    """

    async def add(self, tenant_id: str, template: Template) -> bool:
        """Keep it; False where the tenant has this hash, or this name and version, already."""
        ...

    async def get(self, tenant_id: str, template_id: str) -> Template | None:
        """The template of that id."""
        ...

    async def of_hash(self, tenant_id: str, template_sha256: str) -> Template | None:
        """The template of that hash, the tenant's own before the system's."""
        ...

    async def of_version(self, tenant_id: str, name: str, version: str) -> Template | None:
        """The template of that name and version, the tenant's own before the system's."""
        ...

    async def listed(self, tenant_id: str, name: str, limit: int, after: TemplatePlace | None) -> Sequence[Template]:
        """By name, newest first, those after a place; only those of the name where it is not empty."""
        ...


class TemplateRunRepository(Protocol):
    """The runs of a tenant's templates."""

    async def add(self, tenant_id: str, run: TemplateRun) -> None:
        """Keep a run that was asked for."""
        ...

    async def get(self, tenant_id: str, run_id: str) -> TemplateRun | None:
        """The run of that id."""
        ...

    async def begin(self, tenant_id: str, run_id: str) -> bool:
        """From queued to running; False where it was not queued: somebody else has begun it, or it was cancelled."""
        ...

    async def settle(self, tenant_id: str, run: TemplateRun) -> bool:
        """Keep how a run ended; False where it had ended before, which stays as it is."""
        ...

    async def listed(
        self, tenant_id: str, template_id: str, wanted: RunFilter, limit: int, after: RunPlace | None
    ) -> Sequence[TemplateRun]:
        """Newest first, those after a place."""
        ...

    async def of_batch(self, tenant_id: str, batch_id: str) -> Sequence[TemplateRun]:
        """All runs of a batch in the order of their indices."""
        ...


class IdempotencyRepository(Protocol):
    """Who asked what under which key, and what was answered."""

    async def once(
        self, tenant_id: str, route: str, request: bytes, effect: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The effect's answer, or the stored one of the same key and request: (answer, whether it is the stored one).

        `request` is canonical JSON; key and principal are those of the call under way. Raises LaceError
        IDEMPOTENCY_KEY_REQUIRED, _INVALID, _IN_PROGRESS, or IDEMPOTENCY_KEY_REUSED with the RFC 6902 difference.
        """
        ...


class TemplateUnit(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def templates(self) -> TemplateRepository:
        """The templates."""
        ...

    @property
    def runs(self) -> TemplateRunRepository:
        """Their runs."""
        ...

    @property
    def idempotency(self) -> IdempotencyRepository:
        """Answered requests."""
        ...

    async def commit(self) -> None:
        """Make it durable."""
        ...


class TemplateUnits(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[TemplateUnit]:
        """Within a tenant."""
        ...


class Seals(Protocol):
    """Keyed seals of records; a key that was replaced still opens what it sealed."""

    @property
    def key_id(self) -> str:
        """The key that new records are sealed with."""
        ...

    def seal(self, key_id: str, data: bytes) -> str:
        """HMAC-SHA256 in hexadecimal; raises KeyError for a key that is not known."""
        ...


class TemplateMetrics(Protocol):
    """Counts what should never happen."""

    def record_tampered(self, table: str) -> None:
        """A row does not match its seal."""
        ...
