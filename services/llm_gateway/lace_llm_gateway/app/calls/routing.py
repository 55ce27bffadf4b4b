"""One call over an ordered list of providers: retries, circuit breakers, hedging and failover around each try."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from types import TracebackType

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.gateway import Choice
from lace_llm_gateway.app.ports import ResilienceEvents
from lace_llm_gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState, Permit
from lace_llm_gateway.domain.capabilities import cost_micro_usd
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.hedging import Latencies, hedge_delay
from lace_llm_gateway.domain.retries import RetryBudget, is_outage
from lace_llm_gateway.domain.routing import Course, Result, RoutingPolicy, Trail, Tried, circuit_open, too_small

# A caller who gives a provider less than this has only himself to blame for its silence: such a timeout opens no
# circuit, or one caller's short deadlines would shut the provider for all.
_FAIR_TIME_S = 10.0
# A first try is made as soon as it is asked for: so small a part of its time is not worth a request of its own.
_NO_LESS = 0.001
# Callers may name any model: of so many one forgets those that are well.
_MOST_MODELS = 1000

Complete = Callable[[Choice, ProviderRequest], Awaitable[ProviderAnswer]]
Open = Callable[[Choice, ProviderRequest], AsyncGenerator[Delta | ProviderAnswer, None]]


@dataclass(frozen=True)
class ResiliencePolicy:
    """What holds for all calls of the process; retries are `retry_percent` of calls and `retry_burst` at once."""

    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    retry_percent: int = 20
    retry_burst: int = 20


@dataclass(frozen=True)
class Plan:
    """One call to be made: `choices` in order, the first is the one that was asked for and that `request` is for.

    `tokens_in` counts the request for a choice (a fallback counts otherwise, and may not hold it). `deadline` is on
    the router's clock, time.monotonic where nothing else was given.
    """

    choices: tuple[Choice, ...]
    request: ProviderRequest
    policy: RoutingPolicy
    deadline: float
    tokens_in: Callable[[Choice], int]


@dataclass(frozen=True)
class Answered:
    """A provider's answer and which choice gave it."""

    answer: ProviderAnswer
    choice: Choice


@dataclass
class Health:
    """What is known of one provider and model."""

    breaker: Breaker
    latencies: Latencies = field(default_factory=Latencies)


class Router:
    """Calls providers by a plan. One for the process: it remembers how each provider and model is doing.

    `complete` and `stream` call the given function for each try, with the choice and the request as it is for that
    choice: its model, what it allows as output, and the time that is left. They add every try to the trail as it ends,
    so that the trail is right also when they raise or are cancelled. Truncated answers come back as they are.
    """

    def __init__(
        self,
        policy: ResiliencePolicy,
        events: ResilienceEvents,
        *,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._events = events
        self._chance = chance
        self._sleep = sleep
        self._clock = clock
        self._health: dict[tuple[str, str], Health] = {}
        self._retries: dict[str, RetryBudget] = {}

    async def complete(self, plan: Plan, trail: Trail, call: Complete) -> Answered:
        """The first answer of a few tries; raises LaceError as the provider that was asked for failed.

        Goes to the next choice only after a failure that another provider can mend: it was not reached, was
        overloaded, asks to wait, refuses the key, or its circuit is open.
        """
        course = self._course(plan)
        while True:
            choice = self._next(plan, course)
            try:
                return Answered(await self._hedged(plan, choice, trail, call), choice)
            except LaceError as failure:
                await self._go_on(plan, course, failure)

    async def stream(self, plan: Plan, trail: Trail, call: Open) -> AsyncGenerator[Delta | Answered, None]:
        """Deltas as they come and then the whole answer, last; never hedged.

        Until the first delta it is tried again and goes to other choices like `complete`; after it a failure is raised
        as it is, since what was passed on cannot be taken back. Close the generator where it is left early.
        """
        course = self._course(plan)
        while True:
            choice, begun = self._next(plan, course), False
            try:
                async with aclosing(self._pieces(plan, choice, trail, call)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except LaceError as failure:
                if begun:
                    raise
                await self._go_on(plan, course, failure)

    def state(self, provider: str, model: str) -> BreakerState:
        """The state of the circuit to a provider and model."""
        health = self._health.get((provider, model))
        return health.breaker.state if health else BreakerState.CLOSED

    def _course(self, plan: Plan) -> Course:
        return Course(plan.policy, tuple(_name(choice) for choice in plan.choices), plan.deadline, self._clock())

    def _next(self, plan: Plan, course: Course) -> Choice:
        choice = plan.choices[course.at]
        if course.fresh:
            self._retries_at(choice).tried(self._clock())
        return choice

    async def _go_on(self, plan: Plan, course: Course, failure: LaceError) -> None:
        """Wait for the next try, or move on to the next choice; raises the failure of the call where it is over."""
        choice, now, at = plan.choices[course.at], self._clock(), course.at

        def may_retry() -> bool:
            allowed = self._retries_at(choice).take(now)
            self._events.retried(choice.provider.name, choice.model.model, failure.reason.value, allowed=allowed)
            return allowed

        if isinstance(failure, _RefusedError):
            course.skip(failure.cause, now, elsewhere=True)
        else:
            delay = course.after(failure, now, self._chance(), may_retry)
            if course.at == at:
                await self._sleep(delay)
        if course.at != at:
            reason = failure.cause.reason if isinstance(failure, _RefusedError) else failure.reason
            self._events.failed_over(_name(choice), _name(plan.choices[course.at]), reason.value)

    async def _hedged(self, plan: Plan, choice: Choice, trail: Trail, call: Complete) -> ProviderAnswer:
        """One try, with a second beside it where the first is slow; the first answer wins, the other is cancelled."""
        delay = hedge_delay(plan.policy.hedge, plan.policy.hedge_after_ms, self.of(choice).latencies)
        if delay is None:
            return await self._try(plan, choice, trail, call, hedge=False)
        first = asyncio.create_task(self._try(plan, choice, trail, call, hedge=False))
        slow = asyncio.ensure_future(self._sleep(delay))
        tries = [first]
        try:
            await asyncio.wait({first, slow}, return_when=asyncio.FIRST_COMPLETED)
            # A hedge is load that nobody asked for: it comes out of the same budget as retries.
            if not first.done() and self._retries_at(choice).take(self._clock()):
                tries.append(asyncio.create_task(self._try(plan, choice, trail, call, hedge=True)))
            winner = await _first_answered(tries)
        finally:
            await _end(slow, *tries)
        if len(tries) > 1:
            self._events.hedged(choice.provider.name, choice.model.model, won=winner is not first)
        return winner.result()

    async def _try(self, plan: Plan, choice: Choice, trail: Trail, call: Complete, *, hedge: bool) -> ProviderAnswer:
        with _Try(self, plan, choice, trail, hedge=hedge) as running:
            answer = await call(choice, running.request)
            running.answered()
            return answer

    async def _pieces(
        self, plan: Plan, choice: Choice, trail: Trail, call: Open
    ) -> AsyncGenerator[Delta | Answered, None]:
        with _Try(self, plan, choice, trail, hedge=False) as running:
            async with aclosing(call(choice, running.request)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ProviderAnswer):
                        running.answered()
                        yield Answered(piece, choice)
                    else:
                        yield piece
            running.ended()

    def of(self, choice: Choice) -> Health:
        """What is known of the provider and model."""
        key = (choice.provider.name, choice.model.model)
        health = self._health.get(key)
        if health is None:
            if len(self._health) >= _MOST_MODELS:
                self._forget_healthy()
            health = self._health[key] = Health(Breaker(self._policy.breaker))
        return health

    def _forget_healthy(self) -> None:
        self._health = {
            key: health for key, health in self._health.items() if health.breaker.state is not BreakerState.CLOSED
        }

    def now(self) -> float:
        """The moment on the clock of deadlines."""
        return self._clock()

    def changed(self, choice: Choice, state: BreakerState) -> None:
        """The circuit of a provider and model went into another state."""
        self._events.breaker_changed(choice.provider.name, choice.model.model, state)

    def _retries_at(self, choice: Choice) -> RetryBudget:
        name = choice.provider.name
        if name not in self._retries:
            self._retries[name] = RetryBudget(self._policy.retry_percent, self._policy.retry_burst)
        return self._retries[name]


class _RefusedError(LaceError):
    """A try that was never sent; `cause` says why, as the caller is told."""

    def __init__(self, cause: LaceError) -> None:
        super().__init__(cause.reason, cause.message, retryable=cause.retryable, retry_after=cause.retry_after)
        self.cause = cause


class _Try:
    """Around one try: leave of the circuit before it, and what came of it on the circuit and the trail after it."""

    def __init__(self, router: Router, plan: Plan, choice: Choice, trail: Trail, *, hedge: bool) -> None:
        self._router = router
        self._plan = plan
        self._choice = choice
        self._trail = trail
        self._hedge = hedge
        self._health = router.of(choice)
        self._permit: Permit | None = None
        self._began_at = router.now()
        self._done = False
        self.request = plan.request

    def __enter__(self) -> _Try:
        left = self._plan.deadline - self._began_at
        if left <= 0:
            raise LaceError(Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline.", retryable=True)
        self.request = self._request_for(left)
        before = self._health.breaker.state
        found = self._health.breaker.enter(self._began_at)
        self._tell(before)
        if not isinstance(found, Permit):
            self._refuse(circuit_open(_name(self._choice), found))
        else:
            self._permit = found
        return self

    def answered(self) -> None:
        """The provider gave a whole answer."""
        self._done = True
        now, before = self._router.now(), self._health.breaker.state
        if self._permit is not None:
            self._health.breaker.succeeded(self._permit, now)
        self._health.latencies.add(now - self._began_at)
        self._note(Result.ANSWERED)
        self._tell(before)

    def ended(self) -> None:
        """The stream is over; raises where no answer came with it."""
        if not self._done:
            raise LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's answer broke off.", retryable=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done or self._permit is None or error is None:
            return
        before = self._health.breaker.state
        if not isinstance(error, LaceError):  # cancelled, or left early; its input was sent all the same
            self._health.breaker.left(self._permit)
            self._note(Result.CANCELLED)
        elif is_outage(error) and not self._too_hasty():
            self._health.breaker.failed(self._permit, self._router.now())
            self._note(Result.FAILED, error.reason.value)
        else:
            self._health.breaker.left(self._permit)
            self._note(Result.FAILED, error.reason.value)
        self._tell(before)

    def _request_for(self, left: float) -> ProviderRequest:
        request, model = self._plan.request, self._choice.model
        if self._choice is self._plan.choices[0]:
            if request.timeout_s - left <= _NO_LESS * request.timeout_s:
                return request
            return replace(request, timeout_s=min(left, request.timeout_s))
        wanted = min(request.max_output_tokens, model.max_output_tokens)
        needed = self._plan.tokens_in(self._choice) + wanted
        if needed > model.context_tokens:
            self._refuse(too_small(_name(self._choice), needed, model.context_tokens))
        return replace(request, model=model.model, max_output_tokens=wanted, timeout_s=min(left, request.timeout_s))

    def _refuse(self, why: LaceError) -> None:
        self._note(Result.REFUSED, why.reason.value)
        raise _RefusedError(why)

    def _too_hasty(self) -> bool:
        """Whether the try ran out of a time that was too short to say anything of the provider."""
        timeout = self.request.timeout_s
        return timeout < _FAIR_TIME_S and self._router.now() - self._began_at >= timeout * 0.95

    def _note(self, result: Result, error_code: str = "") -> None:
        lost = self._plan.tokens_in(self._choice) if result is Result.CANCELLED else 0
        self._trail.tries.append(
            Tried(
                provider=self._choice.provider.name,
                model=self._choice.model.model,
                result=result,
                error_code=error_code,
                hedge=self._hedge,
                duration_ms=round((self._router.now() - self._began_at) * 1000),
                lost_tokens=lost,
                lost_micro_usd=cost_micro_usd(self._choice.model, lost, 0),
            )
        )

    def _tell(self, before: BreakerState) -> None:
        if self._health.breaker.state is not before:
            self._router.changed(self._choice, self._health.breaker.state)


async def _first_answered(tries: list[asyncio.Task[ProviderAnswer]]) -> asyncio.Task[ProviderAnswer]:
    """The first of them to answer; where none does, the first of the list, which then holds the failure."""
    waiting = set(tries)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered = [each for each in tries if each in done and not each.cancelled() and each.exception() is None]
        if answered:
            return answered[0]
    return tries[0]


async def _end(*tasks: asyncio.Future[ProviderAnswer] | asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _name(choice: Choice) -> str:
    return f"{choice.provider.name}/{choice.model.model}"
