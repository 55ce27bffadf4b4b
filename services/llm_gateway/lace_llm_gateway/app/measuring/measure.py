"""What embedding and reranking share: limits before the call, tries, the circuit, and the row in the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from lace_core.errors import Detail, LaceError, Reason
from lace_core.redaction import shown
from lace_llm_gateway.app.calls.protecting import protected_texts
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.measuring.ports import Embedder, Measurer, Reranker
from lace_llm_gateway.domain.breaker import Breaker, BreakerPolicy, Permit
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, Counted, CountMethod, Held, Settlement
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import credible_name, credible_tokens
from lace_llm_gateway.domain.measuring_models import Kind, MeasuringModel, measuring_model
from lace_llm_gateway.domain.retries import RetryPolicy, is_outage
from lace_llm_gateway.domain.routing import circuit_open
from lace_llm_gateway.domain.settings import CallSettings
from lace_llm_gateway.domain.tokens import Family, family_of

T = TypeVar("T")
M = TypeVar("M", bound=Measurer)
_LARGE_INPUT = 100_000
_LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class Measures:
    """The providers of both kinds, by name, and what the calls of all have in common."""

    gateway: Gateway
    embedders: Mapping[str, Embedder]
    rerankers: Mapping[str, Reranker]
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    circuits: dict[tuple[str, str], Breaker] = field(default_factory=dict)

    def circuit(self, model: MeasuringModel) -> Breaker:
        """The circuit to a provider and model."""
        key = (model.provider, model.model)
        if key not in self.circuits:
            self.circuits[key] = Breaker(self.breaker)
        return self.circuits[key]


@dataclass(frozen=True)
class Caller:
    """For whom a call is made; `run_id` and `step_id` are empty outside runs, `remaining_s` is None without an end."""

    tenant_id: str
    principal_id: str
    run_id: str
    step_id: str
    remaining_s: float | None


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a provider said, and the tokens that it counted."""

    value: T
    answered_model: str
    input_tokens: int | None
    output_hash: str


@dataclass
class Course:
    """What a call took so far."""

    counted: Counted = field(default=Counted(0, CountMethod.BOUND))
    tries: int = 0
    held: Held = field(default=Held())
    started: float = field(default_factory=time.monotonic)

    def spent(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    def ended(self, state: CallState, reason: Reason, error_message: str = "") -> Settlement:
        """How a call ended that gave nothing."""
        return Settlement(
            state,
            error_code=reason.value,
            error_message=error_message[:_LONGEST_MESSAGE],
            tries=self.tries,
            duration_ms=round(self.spent() * 1000),
        )


@dataclass(frozen=True)
class Work(Generic[T]):
    """One call to be made: `texts` are what is sent, `once` is one try within so many seconds.

    `dimensions` are those asked for, 0 for the model's own.
    """

    kind: Kind
    caller: Caller
    model: MeasuringModel
    measurer: Measurer
    texts: Sequence[str]
    input_hash: str
    settings: CallSettings
    once: Callable[[float], Awaitable[Measured[T]]]
    dimensions: int = 0


def chosen(known: Mapping[str, M], kind: Kind, provider: str, name: str) -> tuple[M, MeasuringModel]:
    """The provider and its model; raises LaceError PROVIDER_UNKNOWN, MODEL_UNKNOWN."""
    measurer = known.get(provider)
    if measurer is None:
        names = ", ".join(sorted(known))
        raise LaceError(Reason.PROVIDER_UNKNOWN, f"No provider {provider} for this; there are {names}.")
    return measurer, measuring_model(kind, provider, name or measurer.default_model)


def wanted(values: Mapping[str, Any], gateway: Gateway, kind: Kind, provider: str, model: str) -> tuple[str, str]:
    """Provider and model as they are asked for, or else as the settings have them.

    A model without a provider is one of the provider in the settings; a provider without a model is its default.
    """
    known = {**gateway.defaults(), **values}
    named = model if model or provider else str(known.get(f"llm.{kind}_model", ""))
    return provider or str(known[f"llm.{kind}_provider"]), named


async def protected(settings: CallSettings, model: MeasuringModel, texts: Sequence[str]) -> tuple[str, ...]:
    """The texts as they may be sent to the model; raises LaceError SETTING_INVALID."""
    work = partial(protected_texts, settings, texts, is_remote=model.is_remote)
    return work() if sum(map(len, texts)) < _LARGE_INPUT else await asyncio.to_thread(work)


async def measure(measures: Measures, work: Work[T]) -> tuple[T, Call]:
    """What the provider says, and the call as the ledger has it; raises LaceError, which the ledger has too."""
    course = Course()
    try:
        course.counted = await _count(measures.gateway, work)
        async with measures.gateway.admission.enter(work.caller.tenant_id, work.caller.remaining_s):
            answer = await _paid(measures, work, course)
    except LaceError as failure:
        settlement = replace(course.ended(CallState.FAILED, failure.reason, failure.message), response_api=work.kind)
        await _record(measures.gateway, work, settlement, course)
        raise
    except asyncio.CancelledError:
        settlement = replace(course.ended(CallState.CANCELLED, Reason.RUN_CANCELLED), response_api=work.kind)
        await asyncio.shield(_record(measures.gateway, work, settlement, course))
        raise
    return answer.value, await _record(measures.gateway, work, _succeeded(work, answer, course), course)


async def _paid(measures: Measures, work: Work[T], course: Course) -> Measured[T]:
    """The answer within the budget; what a failed try took is the provider's to know, and is not charged."""
    caller, tokens = work.caller, course.counted.tokens
    reservation = await measures.gateway.budgets.reserve(
        caller.tenant_id, caller.principal_id, work.model.model, tokens, work.model.cost_micro_usd(tokens)
    )
    course.held = Held(reservation.lease_id, reservation.tokens, reservation.micro_usd)
    used = 0
    try:
        answer = await _answered(measures, work, course)
        used = tokens if answer.input_tokens is None else answer.input_tokens
        return answer
    finally:
        reservation.settle(used, work.model.cost_micro_usd(used))


async def _count(gateway: Gateway, work: Work[T]) -> Counted:
    """Tokens of all texts; raises LaceError where there are too many of them, or too many in one."""
    model = work.model
    if model.max_items and len(work.texts) > model.max_items:
        problem = f"{len(work.texts)} texts, and {model.model} takes {model.max_items} in one call"
        raise LaceError(Reason.INVALID_ARGUMENT, f"There are {problem}.", details=[Detail("/texts", problem)])
    own = await work.measurer.count(work.texts, model.model)
    if own is not None:
        counts, method = own, CountMethod.TOKENIZER
    else:
        counts, method = await _counted(gateway, work)
    for number, tokens in enumerate(counts):
        if model.max_tokens and tokens > model.max_tokens:
            problem = f"text {number} has {tokens} tokens, and {model.model} reads {model.max_tokens}; split it"
            raise LaceError(Reason.CONTEXT_TOO_LONG, f"{problem}.", details=[Detail(f"/{number}", problem)])
    total = sum(counts)
    if model.max_total_tokens and total > model.max_total_tokens:
        problem = f"The texts have {total} tokens together, and {model.max_total_tokens} are allowed in one call."
        raise LaceError(Reason.CONTEXT_TOO_LONG, problem)
    return Counted(total, method)


async def _counted(gateway: Gateway, work: Work[T]) -> tuple[Sequence[int], CountMethod]:
    exact = bool(work.model.price_date) and family_of(work.model.model) in (Family.O200K, Family.CL100K)
    method = CountMethod.TOKENIZER if exact else CountMethod.BOUND
    capability = ModelCapability(
        model=work.model.model,
        context_tokens=work.model.max_tokens,
        max_output_tokens=0,
        native_schema=False,
        deterministic=False,
        count_method=method,
    )

    def count() -> list[int]:
        return [gateway.counter.count_text(capability, text).tokens for text in work.texts]

    if sum(map(len, work.texts)) < _LARGE_INPUT:
        return count(), method
    return await asyncio.to_thread(count), method


async def _answered(measures: Measures, work: Work[T], course: Course) -> Measured[T]:
    """The first answer of a few tries."""
    gateway, remaining = measures.gateway, work.caller.remaining_s
    budget = work.settings.timeout_s if remaining is None else min(work.settings.timeout_s, remaining)
    policy = RetryPolicy(work.settings.retries, budget)
    while True:
        spent = course.spent()
        if spent >= budget:
            raise LaceError(Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline.", retryable=True)
        course.tries += 1
        try:
            return await _through(measures, work, budget - spent)
        except LaceError as failure:
            delay = policy.delay_after(course.tries, failure, course.spent(), gateway.chance())
            if delay is None:
                raise
            await gateway.sleep(delay)


async def _through(measures: Measures, work: Work[T], timeout_s: float) -> Measured[T]:
    """One try, unless the circuit is open."""
    breaker = measures.circuit(work.model)
    permit = breaker.enter(time.monotonic())
    if not isinstance(permit, Permit):
        raise circuit_open(f"{work.model.provider}/{work.model.model}", permit)
    try:
        answer = await _once(measures, work, timeout_s)
    except LaceError as failure:
        if is_outage(failure):
            breaker.failed(permit, time.monotonic())
        else:
            breaker.left(permit)
        raise
    except BaseException:
        breaker.left(permit)
        raise
    breaker.succeeded(permit, time.monotonic())
    return answer


async def _once(measures: Measures, work: Work[T], timeout_s: float) -> Measured[T]:
    """One try as traces and metrics see it, without counts that cannot be."""
    model = work.model
    async with measures.gateway.observer.measuring(work.kind, model.provider, model.model, work.dimensions) as notes:
        said = await work.once(timeout_s)
        answer = replace(
            said,
            answered_model=credible_name(said.answered_model),
            input_tokens=credible_tokens(said.input_tokens),
        )
        notes.measured(answer.answered_model, answer.input_tokens)
        return answer


def _succeeded(work: Work[T], answer: Measured[T], course: Course) -> Settlement:
    told = answer.input_tokens is not None
    tokens = course.counted.tokens if answer.input_tokens is None else answer.input_tokens
    return Settlement(
        CallState.SUCCEEDED,
        output_hash=answer.output_hash,
        resolved_model=work.model.model,
        answered_model=answer.answered_model,
        input_tokens=tokens,
        count_method=CountMethod.PROVIDER if told else course.counted.method,
        cost_micro_usd=work.model.cost_micro_usd(tokens),
        tries=course.tries,
        duration_ms=round(course.spent() * 1000),
        response_api=work.kind,
    )


async def refused(
    gateway: Gateway, caller: Caller, asked: tuple[Kind, str, str], input_hash: str, failure: LaceError
) -> None:
    """Puts a call into the ledger that asks for what there is not; `asked` is its kind, provider and model."""
    kind, provider, model = asked
    settlement = replace(Course().ended(CallState.FAILED, failure.reason, failure.message), response_api=kind)
    await gateway.ledger.record(caller.tenant_id, _call(gateway, caller, provider, model, input_hash, settlement))


async def _record(gateway: Gateway, work: Work[T], settlement: Settlement, course: Course) -> Call:
    """A call that is asked again is made again: its vectors are nowhere kept, so there is no intent to answer from."""
    model, settings = work.model, work.settings
    call = _call(gateway, work.caller, model.provider, model.model, work.input_hash, settlement)
    call = replace(call, prompt_sample=shown(work.texts[0], settings.redaction), held=course.held)
    await gateway.ledger.record(work.caller.tenant_id, call)
    return call


def _call(gateway: Gateway, caller: Caller, provider: str, model: str, input_hash: str, settlement: Settlement) -> Call:
    key = CallKey(
        run_id=caller.run_id,
        step_id=caller.step_id,
        attempt=0,
        contract="",
        provider=provider,
        model=model,
        temperature_milli=0,
        input_hash=input_hash,
    )
    return Call(
        call_id=gateway.new_id("cal"),
        key=key,
        template_hash="",
        prompt_sample="",
        started_at=gateway.now(),
        settlement=settlement,
        principal_id=caller.principal_id,
    )
