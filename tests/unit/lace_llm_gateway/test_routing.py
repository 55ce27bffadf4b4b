"""The router: which failures are tried again, where a call goes next, what a hedge costs, and what the trail says."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.routing import Answered, Plan, ResiliencePolicy, Router
from lace_llm_gateway.app.gateway import Choice
from lace_llm_gateway.domain.breaker import BreakerPolicy, BreakerState
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.routing import Result, RoutingPolicy, Trail
from tests.doubles.budget_world import Noted

REQUEST = ProviderRequest("", (Message("user", "hello"),), None, "gpt-4o", 0, 1000, 60.0)
Step = LaceError | ProviderAnswer | float | str


def down(**more: Any) -> LaceError:
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "gone", retryable=True, **more)


def limited(retry_after: float | None = None) -> LaceError:
    return LaceError(Reason.PROVIDER_RATE_LIMITED, "slow down", retryable=True, retry_after=retry_after)


def said(text: str = "hi", finish: FinishReason = FinishReason.STOP) -> ProviderAnswer:
    return ProviderAnswer(text, finish, "m", "m-1", input_tokens=10, output_tokens=5)


@dataclass
class Named:
    """Only its name is asked for: calls go through the world."""

    name: str


@dataclass
class World:
    """Providers that do as they are told, step by step; a number is a time that passes, a text is a delta."""

    script: dict[str, deque[Step]] = field(default_factory=dict)
    sent: list[tuple[str, ProviderRequest]] = field(default_factory=list)
    events: Noted = field(default_factory=Noted)
    waits: list[float] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    now: float = 1000.0
    chance: float = 0.5

    def __post_init__(self) -> None:
        self.trail = Trail()
        breaker = BreakerPolicy(failure_percent=50, min_calls=4, window_s=30, open_s=10)
        self.router = Router(
            ResiliencePolicy(breaker, retry_percent=0, retry_burst=6), self.events,
            chance=lambda: self.chance, sleep=self.sleep, clock=lambda: self.now,
        )  # fmt: skip

    def will(self, name: str, *steps: Step) -> None:
        self.script.setdefault(name, deque()).extend(steps)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def plan(self, *names: str, tokens: int = 100, **policy: Any) -> Plan:
        choices = tuple(_choice(name) for name in names or ("openai/gpt-4o",))
        request = replace(REQUEST, model=choices[0].model.model)
        return Plan(choices, request, RoutingPolicy(**policy), self.now + REQUEST.timeout_s, lambda choice: tokens)

    async def completes(self, plan: Plan | None = None) -> Answered:
        self.trail = Trail()
        return await self.router.complete(plan or self.plan(), self.trail, self.call)

    async def fails(self, plan: Plan | None = None) -> LaceError:
        with pytest.raises(LaceError) as failure:
            await self.completes(plan)
        return failure.value

    async def streams(self, plan: Plan | None = None) -> list[Any]:
        self.trail = Trail()
        async with aclosing(self.router.stream(plan or self.plan(), self.trail, self.open)) as pieces:
            return [piece async for piece in pieces]

    async def call(self, choice: Choice, request: ProviderRequest) -> ProviderAnswer:
        async for piece in self.open(choice, request):
            if isinstance(piece, ProviderAnswer):
                return piece
        raise AssertionError("the script has no answer")

    async def open(self, choice: Choice, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        name = f"{choice.provider.name}/{request.model}"
        self.sent.append((name, request))
        steps = self.script.get(name, deque())
        try:
            while True:
                step = steps.popleft() if steps else said()
                match step:
                    case float():
                        self.now += step
                    case "wait":
                        await asyncio.sleep(3600)
                    case str():
                        yield Delta(step)
                    case LaceError():
                        raise step
                    case _:
                        yield step
                        return
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise

    def results(self) -> list[tuple[str, str, str]]:
        return [(f"{tried.provider}/{tried.model}", tried.result.value, tried.error_code) for tried in self.trail.tries]


def _choice(name: str) -> Choice:
    provider, _, model = name.partition("/")
    capability = capability_of(provider)
    return Choice(Named(provider), capability, capability.model(model))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


async def test_what_may_pass_is_tried_again_after_full_jitter(world: World) -> None:
    world.will("openai/gpt-4o", down(), down(), said())
    answered = await world.completes()
    assert answered.answer.text == "hi"
    assert world.waits == [0.5, 1.0]
    assert [result for _, result, _ in world.results()] == ["failed", "failed", "answered"]


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.0, 0.0]), (1.0, [1.0, 2.0])])
async def test_the_wait_is_anything_from_nothing_to_its_bound(world: World, chance: float, waits: list[float]) -> None:
    world.chance = chance
    world.will("openai/gpt-4o", down(), down())
    await world.completes()
    assert world.waits == waits


async def test_retry_after_is_obeyed_where_there_is_time(world: World) -> None:
    world.will("openai/gpt-4o", limited(7.0))
    await world.completes()
    assert world.waits == [7.0]
    world.will("openai/gpt-4o", limited(61.0))
    assert (await world.fails()).retry_after == 61.0
    assert world.waits == [7.0]


@pytest.mark.parametrize(
    "failure",
    [
        LaceError(Reason.PROVIDER_CREDENTIALS, "401", retryable=True),
        LaceError(Reason.INVALID_ARGUMENT, "400", retryable=True),
        LaceError(Reason.CONTEXT_TOO_LONG, "long", retryable=True),
        LaceError(Reason.MODEL_UNKNOWN, "404"),
        LaceError(Reason.PROVIDER_REFUSED, "no"),
        LaceError(Reason.PROVIDER_OUTPUT_TRUNCATED, "cut", retryable=True),
        LaceError(Reason.PROVIDER_UNAVAILABLE, "not again"),
    ],
)
async def test_what_would_fail_again_is_sent_once(world: World, failure: LaceError) -> None:
    world.will("openai/gpt-4o", failure)
    assert await world.fails() is failure
    assert len(world.sent) == 1


async def test_a_truncated_answer_is_handed_on_as_it_is(world: World) -> None:
    world.will("openai/gpt-4o", said("hal", FinishReason.LENGTH))
    answered = await world.completes(world.plan("openai/gpt-4o", "openai/gpt-4o-mini"))
    assert answered.answer.finish_reason is FinishReason.LENGTH
    assert len(world.sent) == 1


async def test_no_try_begins_after_the_deadline(world: World) -> None:
    world.will("openai/gpt-4o", 59.9, down())
    assert (await world.fails()).reason is Reason.PROVIDER_UNAVAILABLE
    assert len(world.sent) == 1
    assert world.sent[0][1].timeout_s == 60.0


async def test_each_try_is_given_the_time_that_is_left(world: World) -> None:
    world.will("openai/gpt-4o", 20.0, down())
    await world.completes()
    assert world.sent[1][1].timeout_s == pytest.approx(39.5)


async def test_a_first_try_that_is_made_at_once_has_the_whole_time(world: World) -> None:
    plan = world.plan()
    world.now += 0.02
    world.will("openai/gpt-4o", said())
    await world.completes(plan)
    world.now += 1.0
    world.will("openai/gpt-4o", said())
    await world.completes(plan)
    assert [request.timeout_s for _, request in world.sent] == [60.0, pytest.approx(58.98)]


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ({}, {}),
        ({"input_tokens": -1, "cached_input_tokens": 3}, {"input_tokens": None, "cached_input_tokens": 0}),
        ({"cached_input_tokens": 11}, {"cached_input_tokens": 10}),
        ({"output_tokens": 10**9}, {"output_tokens": None}),
        ({"answered_model": "m\0" + "x" * 300}, {"answered_model": "m\ufffd" + "x" * 198}),
        ({"fingerprint": "f\0"}, {"fingerprint": "f\ufffd"}),
    ],
)
def test_what_cannot_be_is_not_believed(told: dict[str, Any], believed: dict[str, Any]) -> None:
    answer = replace(said(), **told)
    assert answer.credible() == replace(answer, **believed)


async def test_retries_are_made_while_their_budget_lasts(world: World) -> None:
    world.chance = 0.0
    for name in ("openai/gpt-4.1", "openai/gpt-4.1-mini", "openai/gpt-4.1-nano"):
        world.will(name, *[down()] * 3)
        await world.fails(world.plan(name))
    assert len(world.sent) == 9
    world.will("openai/gpt-4o", down())
    await world.fails()
    assert len(world.sent) == 10
    assert ("retried", "openai", "PROVIDER_UNAVAILABLE", False) in world.events.told


async def test_another_provider_answers_what_one_cannot(world: World) -> None:
    world.will("openai/gpt-4o", down(), down(), down())
    answered = await world.completes(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))
    assert answered.choice.model.model == "gpt-4.1-mini"
    assert world.sent[-1][1].model == "gpt-4.1-mini"
    assert world.results()[-1] == ("openai/gpt-4.1-mini", "answered", "")
    assert ("failed_over", "openai/gpt-4o", "openai/gpt-4.1-mini", "PROVIDER_UNAVAILABLE") in world.events.told


async def test_a_long_wait_is_not_waited_for_where_there_is_another(world: World) -> None:
    world.will("openai/gpt-4o", limited(20.0))
    await world.completes(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))
    assert world.waits == []
    assert [name for name, _ in world.sent] == ["openai/gpt-4o", "openai/gpt-4.1-mini"]


async def test_a_refused_key_is_mended_by_another_provider_and_never_tried_again(world: World) -> None:
    world.will("openai/gpt-4o", LaceError(Reason.PROVIDER_CREDENTIALS, "402"))
    await world.completes(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))
    assert [name for name, _ in world.sent] == ["openai/gpt-4o", "openai/gpt-4.1-mini"]


@pytest.mark.parametrize(
    "reason", [Reason.INVALID_ARGUMENT, Reason.MODEL_UNKNOWN, Reason.PROVIDER_REFUSED, Reason.CONTEXT_TOO_LONG]
)
async def test_what_no_other_provider_can_mend_goes_to_none(world: World, reason: Reason) -> None:
    world.will("openai/gpt-4o", LaceError(reason, "no"))
    assert (await world.fails(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))).reason is reason
    assert len(world.sent) == 1


async def test_where_all_fail_the_first_failure_is_told_with_the_others_in_its_details(world: World) -> None:
    world.will("openai/gpt-4o", limited(20.0))
    world.will("openai/gpt-4.1-mini", LaceError(Reason.PROVIDER_CREDENTIALS, "401"))
    failure = await world.fails(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))
    assert (failure.reason, failure.retry_after) == (Reason.PROVIDER_RATE_LIMITED, 20.0)
    assert [detail.field for detail in failure.details] == ["openai/gpt-4.1-mini"]


async def test_a_fallback_that_cannot_hold_the_call_is_passed_over(world: World) -> None:
    world.will("openai/gpt-4.1", LaceError(Reason.PROVIDER_CREDENTIALS, "401"))
    plan = world.plan("openai/gpt-4.1", "openai/gpt-4o", "openai/gpt-4.1-mini", tokens=200_000)
    await world.completes(plan)
    assert world.results() == [
        ("openai/gpt-4.1", "failed", "PROVIDER_CREDENTIALS"),
        ("openai/gpt-4o", "refused", "CONTEXT_TOO_LONG"),
        ("openai/gpt-4.1-mini", "answered", ""),
    ]


async def test_an_open_circuit_costs_nothing_and_fails_over(world: World) -> None:
    world.will("openai/gpt-4o", *[down()] * 4)
    for _ in range(2):
        await world.fails(world.plan(retries=1))
    assert world.router.state("openai", "gpt-4o") is BreakerState.OPEN
    sent = len(world.sent)
    failure = await world.fails()
    assert failure.reason is Reason.PROVIDER_UNAVAILABLE
    assert failure.retry_after is not None
    assert 0 < failure.retry_after <= 10
    assert len(world.sent) == sent
    assert world.results() == [("openai/gpt-4o", "refused", "PROVIDER_UNAVAILABLE")]
    assert world.trail.sent == 0
    await world.completes(world.plan("openai/gpt-4o", "openai/gpt-4o-mini"))
    assert [name for name, _ in world.sent[sent:]] == ["openai/gpt-4o-mini"]
    world.now += 10
    await world.completes()
    assert world.router.state("openai", "gpt-4o") is BreakerState.CLOSED
    assert [told[3] for told in world.events.told if told[0] == "breaker"] == ["open", "half_open", "closed"]


async def test_short_deadlines_and_wrong_requests_open_no_circuit(world: World) -> None:
    for _ in range(10):
        world.will("openai/gpt-4o", 1.0, down())
        plan = world.plan(retries=0)
        await world.fails(replace(plan, deadline=world.now + 1.0))
        world.will("openai/gpt-4o", LaceError(Reason.INVALID_ARGUMENT, "no"))
        await world.fails()
        world.will("openai/gpt-4o", limited(100.0))
        await world.fails()
    assert world.router.state("openai", "gpt-4o") is BreakerState.CLOSED


async def test_models_that_callers_make_up_are_forgotten_and_open_circuits_are_not(world: World) -> None:
    world.will("openai/gpt-4o", *[down()] * 4)
    for _ in range(2):
        await world.fails(world.plan(retries=1))
    for at in range(1500):
        world.router.of(_choice(f"openai/made-up-{at}"))
    assert len(world.router._health) <= 1001
    assert world.router.state("openai", "gpt-4o") is BreakerState.OPEN


async def test_a_cancelled_call_says_nothing_of_the_provider_and_is_on_the_trail(world: World) -> None:
    world.will("openai/gpt-4o", "wait")
    task = asyncio.create_task(world.completes())
    await _until(lambda: bool(world.sent))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert world.results() == [("openai/gpt-4o", "cancelled", "")]
    assert (world.trail.lost_tokens, world.trail.lost_micro_usd) == (100, 250)


async def test_without_hedging_a_slow_call_is_waited_for(world: World) -> None:
    world.will("openai/gpt-4o", 30.0)
    await world.completes()
    assert len(world.sent) == 1


async def test_a_hedge_that_is_first_wins_and_the_slow_call_is_cancelled_at_its_cost(world: World) -> None:
    world.will("openai/gpt-4o", "wait")
    answered = await world.completes(world.plan(hedge=True, hedge_after_ms=200))
    assert answered.answer.text == "hi"
    assert world.waits == [0.2]
    assert world.cancelled == ["openai/gpt-4o"]
    assert [(tried.result, tried.hedge) for tried in world.trail.tries] == [
        (Result.ANSWERED, True),
        (Result.CANCELLED, False),
    ]
    assert world.trail.hedged
    assert (world.trail.lost_tokens, world.trail.lost_micro_usd) == (100, 250)
    assert ("hedged", "openai", True) in world.events.told


async def test_a_call_that_is_fast_is_not_hedged(world: World) -> None:
    await world.completes(world.plan(hedge=True, hedge_after_ms=200))
    assert len(world.sent) == 1
    assert not world.trail.hedged


async def test_a_hedge_waits_for_the_other_where_one_of_them_fails(world: World) -> None:
    world.will("openai/gpt-4o", "first", "wait")
    world.will("openai/gpt-4o")
    order: list[int] = []

    async def call(choice: Choice, request: ProviderRequest) -> ProviderAnswer:
        order.append(len(order))
        if len(order) == 2:
            raise down()
        for _ in range(20):
            await asyncio.sleep(0)
        return said("late")

    answered = await world.router.complete(world.plan(hedge=True, hedge_after_ms=1), world.trail, call)
    assert answered.answer.text == "late"
    assert [tried.result for tried in world.trail.tries] == [Result.FAILED, Result.ANSWERED]
    assert ("hedged", "openai", False) in world.events.told


async def test_hedges_come_out_of_the_budget_of_retries(world: World) -> None:
    for _ in range(6):
        world.will("openai/gpt-4o", "wait")
        await world.completes(world.plan(hedge=True, hedge_after_ms=1))
    task = asyncio.create_task(world.completes(world.plan(hedge=True, hedge_after_ms=1)))
    world.will("openai/gpt-4o", "wait")
    sent = len(world.sent)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(world.sent) == sent + 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stream_is_passed_on_with_its_whole_answer_last(world: World) -> None:
    world.will("openai/gpt-4o", "a", "b", said("ab"))
    *deltas, last = await world.streams()
    assert deltas == [Delta("a"), Delta("b")]
    assert isinstance(last, Answered)
    assert last.answer.text == "ab"
    assert world.results() == [("openai/gpt-4o", "answered", "")]


async def test_before_its_first_delta_a_stream_is_tried_again_and_fails_over(world: World) -> None:
    world.will("openai/gpt-4o", down(), limited(20.0))
    pieces = await world.streams(world.plan("openai/gpt-4o", "openai/gpt-4.1-mini"))
    assert pieces[-1].choice.model.model == "gpt-4.1-mini"
    assert [name for name, _ in world.sent] == ["openai/gpt-4o"] * 2 + ["openai/gpt-4.1-mini"]


async def test_after_its_first_delta_a_stream_fails_as_it_is(world: World) -> None:
    world.will("openai/gpt-4o", "a", down())
    heard: list[Any] = []
    with pytest.raises(LaceError) as failure:
        async with aclosing(
            world.router.stream(world.plan("openai/gpt-4o", "openai/gpt-4o-mini"), world.trail, world.open)
        ) as pieces:
            async for piece in pieces:
                heard.append(piece)
    assert heard == [Delta("a")]
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(world.sent) == 1


async def test_a_stream_that_ends_without_an_answer_broke_off(world: World) -> None:
    async def cut(choice: Choice, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        yield Delta("a")

    with pytest.raises(LaceError) as failure:
        async with aclosing(world.router.stream(world.plan(), world.trail, cut)) as pieces:
            async for _ in pieces:
                pass
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert world.results() == [("openai/gpt-4o", "failed", "PROVIDER_UNAVAILABLE")]


async def test_a_stream_that_is_left_early_is_closed_at_the_provider(world: World) -> None:
    world.will("openai/gpt-4o", "a", "b", said("ab"))
    async with aclosing(world.router.stream(world.plan(), world.trail, world.open)) as pieces:
        assert await anext(pieces) == Delta("a")
    assert world.results() == [("openai/gpt-4o", "cancelled", "")]


def test_the_trail_is_small_json() -> None:
    trail = Trail()
    assert trail.as_json() == []


async def _until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0)
