"""The use case stream_generate: what is told of an answer while it comes, and how a call ends that is left early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.calls.stream import Piece, Told, stream_generate
from lace_llm_gateway.domain.calls import Call, CallState
from lace_llm_gateway.domain.capabilities import ProviderCapability, capability_of
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from tests.doubles.call_world import TENANT, World, call_world, said

ASKED = Order(provider="talking", messages=(Message("user", "Write to jo@example.org: what is it?"),))
SCHEMA = '{"type":"object","properties":{"word":{"type":"string"}},"required":["word"],"additionalProperties":false}'
Step = str | LaceError | ProviderAnswer | asyncio.Event | Callable[[ProviderRequest], str]


@dataclass
class Talking:
    """A provider that says its steps in turn; an event among them is waited for, the next script is the next try's."""

    name: str = "talking"
    default_model: str = "gpt-4o"
    scripts: list[list[Step]] = field(default_factory=list)
    requests: list[ProviderRequest] = field(default_factory=list)
    closed: int = 0

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        raise AssertionError("it was asked for a stream")

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        self.requests.append(request)
        script = [step(request) if callable(step) else step for step in self.scripts.pop(0)]
        texts = [step for step in script if isinstance(step, str)]
        try:
            for step in script:
                if isinstance(step, LaceError):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield Delta(step) if isinstance(step, str) else step
            if not isinstance(script[-1], ProviderAnswer):
                yield said("".join(texts))
        finally:
            self.closed += 1

    async def close(self) -> None:
        return


@dataclass
class Heard:
    """What came of one stream."""

    events: list[Piece | Told | Call] = field(default_factory=list)
    failure: LaceError | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Piece))

    @property
    def call(self) -> Call:
        last = self.events[-1]
        assert isinstance(last, Call)
        return last


@pytest.fixture
def talking(monkeypatch: pytest.MonkeyPatch) -> Talking:
    """Its models are those of openai, as the matrix has no other that talks."""

    def known(provider: str) -> ProviderCapability:
        return capability_of("openai" if provider == "talking" else provider)

    monkeypatch.setattr("lace_llm_gateway.app.gateway.capability_of", known)
    return Talking()


@pytest.fixture
async def world(talking: Talking) -> AsyncIterator[World]:
    async with call_world(talking) as made:
        yield made


async def heard(world: World, order: Order, *, progress_only: bool = False) -> Heard:
    found = Heard()
    events = stream_generate(world.gateway, TENANT, order, None, progress_only=progress_only)
    try:
        async with aclosing(events):
            async for event in events:
                found.events.append(event)
    except LaceError as failure:
        found.failure = failure
    return found


async def test_the_first_piece_is_told_at_once_and_the_call_last(world: World, talking: Talking) -> None:
    more = asyncio.Event()
    talking.scripts.append(["One", more, " and", " two", "."])
    events = stream_generate(world.gateway, TENANT, ASKED, None)
    async with aclosing(events):
        assert await anext(events) == Piece("One", provisional=False, answer=1)
        more.set()
        rest = [event async for event in events]
    assert rest[0] == Piece(" and two.", provisional=False, answer=1)  # what came together is told together
    assert isinstance(rest[-1], Call)
    assert rest[-1].settlement is not None
    assert rest[-1].settlement.output == "One and two."
    [kept] = await world.ledger("")
    assert kept.call_id == rest[-1].call_id


async def test_half_an_answer_is_never_passed_off_as_whole(world: World, talking: Talking) -> None:
    broken = LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's answer broke off.", retryable=True)
    talking.scripts.append(["One", broken])
    found = await heard(world, ASKED)
    assert found.text == "One"
    assert found.failure is not None
    assert found.failure.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(talking.requests) == 1  # what was read cannot be taken back by another try
    [kept] = await world.ledger("")
    assert kept.settlement is not None
    assert kept.settlement.state is CallState.FAILED


async def test_before_the_first_piece_it_is_tried_again(world: World, talking: Talking) -> None:
    talking.scripts += [[LaceError(Reason.PROVIDER_UNAVAILABLE, "gone", retryable=True)], ["Here."]]
    found = await heard(world, ASKED)
    assert found.text == "Here."
    assert found.call.settlement is not None
    assert [tried.error_code for tried in found.call.settlement.trail] == ["PROVIDER_UNAVAILABLE", ""]


async def test_a_cut_answer_is_one_only_where_that_is_wanted(world: World, talking: Talking) -> None:
    cut = said("One and", FinishReason.LENGTH)
    talking.scripts += [["One and", cut], ["One and", cut]]
    assert (await heard(world, ASKED)).failure is not None
    wanted = Order(provider="talking", messages=ASKED.messages, accept_partial=True)
    found = await heard(world, wanted)
    assert found.call.settlement is not None
    assert found.call.settlement.finish_reason is FinishReason.LENGTH


async def test_under_a_schema_pieces_are_provisional_and_begin_anew_with_a_repair(
    world: World, talking: Talking
) -> None:
    talking.scripts += [['{"word": 1}'], ['{"word": "two"}']]
    order = Order(
        provider="talking",
        messages=ASKED.messages,
        output_schema_json=SCHEMA,
        settings={"llm.repair_attempts": 1},
    )
    found = await heard(world, order)
    pieces = [event for event in found.events if isinstance(event, Piece)]
    assert [(piece.text, piece.answer) for piece in pieces] == [('{"word": 1}', 1), ('{"word": "two"}', 2)]
    assert all(piece.provisional for piece in pieces)
    assert found.call.settlement is not None
    assert found.call.settlement.output == '{"word":"two"}'
    assert found.call.settlement.repairs == 1


async def test_of_an_answer_that_is_only_followed_no_text_is_told(world: World, talking: Talking) -> None:
    more = asyncio.Event()
    talking.scripts.append(["It is said at some length", more, "."])
    events = stream_generate(world.gateway, TENANT, ASKED, None, progress_only=True)
    async with aclosing(events):
        first = await anext(events)
        assert isinstance(first, Told)
        assert first.output_tokens == 6
        more.set()
        rest = [event async for event in events]
    assert [type(event) for event in rest] == [Call]


async def test_an_answer_that_is_only_followed_may_be_tried_again(world: World, talking: Talking) -> None:
    broken = LaceError(Reason.PROVIDER_UNAVAILABLE, "broke off", retryable=True)
    talking.scripts += [["One", broken], ["One and two."]]
    found = await heard(world, ASKED, progress_only=True)
    assert found.call.settlement is not None
    assert found.call.settlement.output == "One and two."


async def test_who_leaves_ends_the_call_at_the_provider_at_once(world: World, talking: Talking) -> None:
    talking.scripts.append(["One", asyncio.Event()])
    events = stream_generate(world.gateway, TENANT, ASKED, None)
    await anext(events)
    async with asyncio.timeout(30):
        await events.aclose()
    assert talking.closed == 1
    [kept] = await world.ledger("")
    assert kept.settlement is not None
    assert kept.settlement.state is CallState.CANCELLED
    assert kept.settlement.input_tokens > 0  # it was sent, and is paid for


async def test_what_was_kept_from_the_provider_is_told_as_it_was(world: World, talking: Talking) -> None:
    asked = Order(
        provider="talking",
        messages=ASKED.messages,
        settings={"llm.redaction": "all", "llm.redaction_kinds": ["emails"]},
    )
    talking.scripts.append(["Ask ", lambda sent: placeholder(sent)[:12], lambda sent: placeholder(sent)[12:], "."])
    found = await heard(world, asked)
    assert "jo@example.org" not in str(talking.requests[0].messages)
    assert found.text == "Ask jo@example.org."
    assert found.call.settlement is not None
    assert found.call.settlement.output == "Ask jo@example.org."


def placeholder(sent: ProviderRequest) -> str:
    """What stands for the address in the user's message."""
    return next(word.strip(":.") for word in sent.messages[-1].content.split() if word.startswith("REDACTED_EMAIL"))


async def test_refusals_before_the_call_come_as_they_are(world: World) -> None:
    found = await heard(world, Order(provider="oracle", messages=ASKED.messages))
    assert found.failure is not None
    assert found.failure.reason is Reason.PROVIDER_UNKNOWN
    assert found.events == []
