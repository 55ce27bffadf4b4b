"""What a call sends and gives back when something in it must not leave, and when an answer gives away too much."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.generate import Order
from lace_llm_gateway.app.calls.stream import stream_generate
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.exchange import Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.marks import mark_as_data
from tests.doubles.call_world import GOOD, TENANT, World, call_world, said, scripted

JUDGE_INPUT = '{"sentences":[{"sentence_id":"s1","text":"It rains.","quotes":["It rains."]}]}'


MAIL = "jane.doe@example.org"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with call_world() as made:
        yield made


def order(**more: Any) -> Order:
    asked = {"contract": "lace.judge.v1", "input_json": JUDGE_INPUT, "run_id": "run_1", "step_id": "s", "attempt": 1}
    return Order(**{**asked, **more})


@pytest.mark.parametrize("setting", ["remote", "all", "off"])
async def test_what_is_private_is_not_sent_and_stands_in_the_answer(world: World, setting: str) -> None:
    text = f"It rains, says {MAIL}."
    given = JUDGE_INPUT.replace("It rains.", text)

    def echo(request: ProviderRequest) -> ProviderAnswer:
        found = re.search(r"It rains, says ([^ ]+)\.", request.messages[-1].content)
        assert found is not None
        return said(GOOD.replace("quote", f"by {found[1]}"))

    world.provider.complete = lambda request: _answered(world, request, echo)  # type: ignore[method-assign]
    call = await world.generate(order(input_json=given, settings={"llm.redaction": setting}))
    assert call.settlement is not None
    [request] = world.provider.requests
    assert (MAIL in str(request.messages)) is (setting == "off")
    assert f'"reason":"by {MAIL}"' in call.settlement.output
    kept = world.shelf.kept[call.kept.prompt_uri].decode()
    assert MAIL in kept  # the record is about what was asked


async def _answered(world: World, request: ProviderRequest, answer: Any) -> ProviderAnswer:
    world.provider.requests.append(request)
    made: ProviderAnswer = answer(request)
    return made


@pytest.mark.parametrize("leak", ["nonce", "instructions"])
async def test_an_answer_that_gives_away_what_it_was_told_is_thrown_away(world: World, leak: str) -> None:
    def tell(request: ProviderRequest) -> ProviderAnswer:
        nonce = re.search("<input-([0-9a-f]{16})>", request.messages[-1].content)
        assert nonce is not None
        told = nonce[1] if leak == "nonce" else " ".join(request.messages[0].content.split()[:40])
        return said(GOOD.replace("quote", orjson.dumps(told).decode()[1:-1]))

    world.provider.complete = lambda request: _answered(world, request, tell)  # type: ignore[method-assign]
    failure = await world.fails(order())
    assert failure.reason is Reason.PROVIDER_OUTPUT_LEAKED
    [call] = await world.ledger()
    assert call.settlement is not None
    assert (call.settlement.error_code, call.settlement.output_sample) == ("PROVIDER_OUTPUT_LEAKED", "")
    assert call.settlement.output_tokens > 0  # it was paid for


async def test_patterns_that_cannot_be_read_are_an_error_before_the_call(world: World) -> None:
    failure = await world.fails(order(settings={"llm.redaction_patterns": ["("]}))
    assert failure.reason is Reason.SETTING_INVALID
    assert world.provider.requests == []


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("first", "then"), [("extractive", "openai"), ("openai", "extractive")])
async def test_a_failover_sends_nothing_that_the_first_choice_was_free_to_see(
    first: str, then: str, streamed: bool
) -> None:
    local = scripted("extractive", "extractive-1")
    async with call_world(local) as world:
        by_name = {"openai": world.provider, "extractive": local}
        by_name[first].script.append(LaceError(Reason.PROVIDER_CREDENTIALS, "no"))
        by_name[then].script.append(said(f"It rains, says {MAIL}."))
        settings = {"llm.fallbacks": [f"{then}/{by_name[then].default_model}"]}
        asked = Order(messages=(Message("user", f"Who is {MAIL}?"),), provider=first, settings=settings)
        if streamed:
            async with aclosing(stream_generate(world.gateway, TENANT, asked, None)) as told:
                [*_, call] = [piece async for piece in told]
            assert isinstance(call, Call)
        else:
            call = await world.generate(asked)
        for provider in by_name.values():
            [sent] = provider.requests
            assert MAIL not in str(sent.messages)
        assert call.settlement is not None
        assert call.settlement.output == f"It rains, says {MAIL}."


async def test_a_call_that_stays_in_the_process_is_sent_as_it_is() -> None:
    local = scripted("extractive", "extractive-1")
    async with call_world(local) as world:
        await world.generate(Order(messages=(Message("user", f"Who is {MAIL}?"),), provider="extractive"))
    assert local.requests[0].messages == (Message("user", f"Who is {MAIL}?"),)


async def test_recordings_are_made_of_what_may_leave_for_their_source_may_be_far_away() -> None:
    replay = scripted("replay", "gpt-4o")
    async with call_world(replay) as world:
        await world.generate(Order(messages=(Message("user", f"Who is {MAIL}?"),), provider="replay"))
    assert MAIL not in str(replay.requests[0].messages)


async def test_instructions_of_a_tenants_template_are_protected_like_its_data(world: World) -> None:
    data = mark_as_data(f'"{MAIL}"')
    messages = (Message("system", f"Be kind to {data} and to max@example.org."), Message("user", "Begin."))
    world.provider.script.append(said("ready"))
    await world.generate(Order(messages=messages, template_hash="a" * 64))
    [request] = world.provider.requests
    sent = request.messages[0].content
    assert "@example.org" not in sent
    assert re.findall("REDACTED_EMAIL_[0-9]", sent) == ["REDACTED_EMAIL_1", "REDACTED_EMAIL_2"]
    assert data.splitlines()[0] not in sent  # its mark holds the call's own nonce


async def test_the_prompts_of_contracts_are_sent_to_the_letter(world: World) -> None:
    call = await world.generate(order(settings={"llm.redaction_patterns": ["supported"]}))
    [request] = world.provider.requests
    [instructions, _] = orjson.loads(world.shelf.kept[call.kept.prompt_uri])
    assert "supported" in instructions["content"]
    assert request.messages[0].content.startswith(instructions["content"])
