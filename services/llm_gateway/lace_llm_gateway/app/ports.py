"""What the use cases need of the outside world."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from lace_llm_gateway.domain.breaker import BreakerState
from lace_llm_gateway.domain.calls import Counted
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import Delta, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.measuring_models import Kind
from lace_llm_gateway.domain.prompts import PromptTemplate
from lace_llm_gateway.domain.versions import OfferedVersions, ProviderVersions


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

    def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """The same, piece by piece: deltas as they come, then exactly one whole answer, last.

        The deltas joined are the answer's text where no schema was asked for; under a schema the answer may drop a
        fence around its JSON. A stream that breaks off raises PROVIDER_UNAVAILABLE and never ends quietly. Close the
        generator (contextlib.aclosing) where it is left early: that ends the call at the provider.
        """
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


@runtime_checkable
class VersionSource(Protocol):
    """A provider that can say which versions of its models it offers; an adapter is both."""

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """What it offers now; None where it says that nothing changed since `etag`, sent as If-None-Match if not empty.

        `current` is the version that its default model stands for now, its name where the provider tells no version.
        Raises LaceError like `Provider.complete`.
        """
        ...


class VersionCache(Protocol):
    """The versions of providers as they were last heard, shared by all processes; they belong to no tenant."""

    async def read(self, provider: str) -> ProviderVersions | None:
        """What is kept, however old."""
        ...

    def refreshing(self, provider: str) -> AbstractAsyncContextManager[bool]:
        """True within for the one process that may ask the provider now, False for all others meanwhile."""
        ...

    async def write(self, versions: ProviderVersions) -> None:
        """Keep what was heard in place of what was kept; committed when this returns."""
        ...


class DeterminismMetrics(Protocol):
    """Counts what breaks, or keeps, the promise that the same template gives the same output."""

    def single_flight(self, provider: str) -> None:
        """A process took the lock and asks the provider for its versions."""
        ...

    def version_mismatch(self, provider: str) -> None:
        """A model answered under another version or fingerprint than the template or its batch holds it to."""
        ...

    def batch_drift_pause(self, provider: str) -> None:
        """A batch stopped because the model changed under it."""
        ...

    def als_over_limit(self) -> None:
        """A context block was longer than its limit, and nothing was sent."""
        ...

    def grounding_required_failure(self, provider: str, reason: str) -> None:
        """An answer that had to be grounded was not; `reason` is its why_not_grounded code."""
        ...


class TokenCounter(Protocol):
    """Counts tokens before a call."""

    def count(
        self, model: ModelCapability, messages: Sequence[Message], output_schema: Mapping[str, Any] | None = None
    ) -> Counted:
        """Tokens that a request takes with its schema and what the wire format adds.

        Exact where the model's tokenizer is at hand, else an upper bound that holds for any text.
        """
        ...

    def count_text(self, model: ModelCapability, text: str) -> Counted:
        """Tokens of a text."""
        ...

    def bound(
        self, model: ModelCapability, messages: Sequence[Message], output_schema: Mapping[str, Any] | None = None
    ) -> Counted:
        """What `count` cannot exceed, for microseconds: a token for every byte."""
        ...

    def observe(
        self,
        model: ModelCapability,
        messages: Sequence[Message],
        output_schema: Mapping[str, Any] | None,
        reported: int,
    ) -> None:
        """Take in what the provider counted for a request, so that later counts of the model are not too low.

        Not for requests with grounding: what the provider searches is counted in, and was never ours.
        """
        ...


class Prompts(Protocol):
    """The prompts of contracts, which do not change: another text is another version with another hash."""

    async def of_contract(self, tenant_id: str, contract: str, pinned: str) -> PromptTemplate:
        """The prompt of that hash; the one that comes with this version where `pinned` is empty.

        Raises LaceError CONTRACT_UNKNOWN, TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT, TEMPLATE_INVALID.
        """
        ...


class Payloads(Protocol):
    """Keeps what was sent and answered, whole, for those who may read it."""

    async def keep(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        """Where the bytes are now, under their hash; again changes nothing. Raises LaceError BLOB_*, SERVICE_*."""
        ...


class Expiring(Protocol):
    """What keeps something for a time, as who ends that time sees it."""

    async def expire(self, before: datetime) -> int:
        """Delete what is from before that moment; how much that was. Raises LaceError SERVICE_UNAVAILABLE."""
        ...


class CallObserver(Protocol):
    """Is told of every try at a provider, for traces and metrics."""

    def observe(self, request: ProviderRequest, provider: str) -> AbstractAsyncContextManager[CallNotes]:
        """Around one try."""
        ...

    def measuring(
        self, kind: Kind, provider: str, model: str, dimensions: int
    ) -> AbstractAsyncContextManager[MeasureNotes]:
        """Around one try of embedding or reranking; `dimensions` is 0 for the model's own."""
        ...


class MeasureNotes(Protocol):
    """Takes the outcome of such a try."""

    def measured(self, answered_model: str, input_tokens: int | None) -> None:
        """The provider answered; tokens are None where it reports none."""
        ...


class CallNotes(Protocol):
    """Takes the outcome of a try."""

    def piece(self) -> None:
        """A piece of a streamed answer came."""
        ...

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


class StoredSettings(Protocol):
    """The settings that are stored for tenants and their people; what is not is the process's own."""

    async def of(self, tenant_id: str, principal_id: str) -> Mapping[str, Any]:
        """Values by key; raises LaceError SERVICE_UNAVAILABLE where nobody can tell."""
        ...


class ResilienceEvents(Protocol):
    """Is told of what is done for calls that fail, wait or are refused, for logs and metrics."""

    def breaker_changed(self, provider: str, model: str, state: BreakerState) -> None:
        """The circuit to a provider and model went into another state."""
        ...

    def retried(self, provider: str, model: str, reason: str, *, allowed: bool) -> None:
        """A call is tried again, or is not, since the provider's budget of retries is spent."""
        ...

    def failed_over(self, source: str, target: str, reason: str) -> None:
        """A call goes from one provider/model to the next in its list."""
        ...

    def hedged(self, provider: str, model: str, *, won: bool) -> None:
        """A second call was made beside a slow one, and was first or not."""
        ...

    def shed(self, reason: str) -> None:
        """A call was not admitted: tenant_full, overloaded or too_late."""
        ...

    def budget_refused(self, limit: str) -> None:
        """A call was refused as it would go beyond this limit (see domain.budgets.LIMITS)."""
        ...

    def budget_leased(self, tokens: int, micro_usd: int) -> None:
        """A slice of a budget was leased."""
        ...

    def leases_reconciled(self, count: int) -> None:
        """Leases of processes that died were settled from the ledger."""
        ...
