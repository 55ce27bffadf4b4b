"""What the use cases need of the outside world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from lace_llm_gateway.domain.calls import Call, CallKey, Counted, Settlement
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import Message, ProviderAnswer, ProviderRequest


class Provider(Protocol):
    """Something that answers; every provider gets the same request."""

    @property
    def name(self) -> str:
        """Its name in settings and records."""
        ...

    @property
    def default_model(self) -> str:
        """The model where the settings name none; empty for the one that the capability matrix names."""
        ...

    def configured(self) -> bool:
        """Whether it has what it needs (a key, an address) to be called."""
        ...

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """One try, within the request's time; a cancelled call is cancelled at the provider at once.

        Raises LaceError PROVIDER_UNAVAILABLE, PROVIDER_RATE_LIMITED (both retryable, with the provider's
        Retry-After), PROVIDER_CREDENTIALS, PROVIDER_OUTPUT_INVALID, MODEL_UNKNOWN, CONTEXT_TOO_LONG,
        INVALID_ARGUMENT.
        """
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


class TokenCounter(Protocol):
    """Counts tokens before a call."""

    def count(self, model: ModelCapability, messages: Sequence[Message]) -> Counted:
        """Tokens that the messages take: exact where the model's tokenizer is at hand, else an upper bound."""
        ...

    def count_text(self, model: ModelCapability, text: str) -> Counted:
        """Tokens of a text."""
        ...


class CallRepository(Protocol):
    """The calls of a tenant."""

    async def add(self, tenant_id: str, call: Call) -> None:
        """Keep the intent of a call."""
        ...

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """Keep how a pending call ended; one that was settled before stays as it is."""
        ...

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """The newest call of the key that has an outcome which holds (see domain.calls.replayable)."""
        ...

    async def abandon(self, tenant_id: str, key: CallKey, before: datetime) -> int:
        """Mark pending calls of the key that began before then as abandoned; how many there were."""
        ...

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """The calls of a run, oldest first, those after a place (time of start, id)."""
        ...


class UnitOfWork(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def calls(self) -> CallRepository:
        """The ledger."""
        ...

    async def commit(self) -> None:
        """Make it durable."""
        ...


class Units(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant."""
        ...


class Payloads(Protocol):
    """Keeps what was sent and answered, whole, for those who may read it."""

    async def keep(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        """Where the bytes are now, under their hash; again changes nothing. Raises LaceError BLOB_*, SERVICE_*."""
        ...


class CallObserver(Protocol):
    """Is told of every try at a provider, for traces and metrics."""

    def observe(self, request: ProviderRequest, provider: str) -> AbstractAsyncContextManager[CallNotes]:
        """Around one try."""
        ...


class CallNotes(Protocol):
    """Takes the outcome of a try."""

    def answered(self, answer: ProviderAnswer) -> None:
        """The provider answered."""
        ...


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...


class Defaults(Protocol):
    """The settings in force where a request carries none."""

    def __call__(self) -> Mapping[str, Any]:
        """Values by key."""
        ...
