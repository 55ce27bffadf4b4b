"""What a call sends and gives back when something in it must not leave, and when an answer gives away too much."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from lace_core.errors import Reason
from lace_llm_gateway.app.calls.generate import Order
from lace_llm_gateway.domain.exchange import ProviderAnswer, ProviderRequest
from tests.doubles.call_world import GOOD, World, call_world, said

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
