"""The use case generate: what is checked before a call, what is tried again, and what the ledger keeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from lace_core import contracts
from lace_core.canonical import canonical_json, sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.count_tokens import count_tokens
from lace_llm_gateway.app.calls.generate import Order
from lace_llm_gateway.app.providers.list_capabilities import list_capabilities
from lace_llm_gateway.app.providers.validate_provider import validate_provider
from lace_llm_gateway.domain.calls import CallState, CountMethod
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderAnswer, ProviderRequest
from tests.doubles.call_world import GOOD, TENANT, World, call_world, said, scripted

MARK = re.compile("</?input-[0-9a-f]{16}>")
JUDGE_INPUT = msgspec.json.encode(
    contracts.JudgeInput(
        sentences=(contracts.JudgedSentence(sentence_id="s1", text="It rains.", quotes=("It rains.",)),)
    )
).decode()
BAD = '{"verdicts": [{"verdict": "perhaps", "sentence_id": "s1", "reason": "quote"}]}'


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with call_world() as made:
        yield made


def order(**more: Any) -> Order:
    return Order(
        **{
            "contract": "lace.judge.v1",
            "input_json": JUDGE_INPUT,
            "run_id": "run_1",
            "step_id": "verify:nod_1",
            "attempt": 1,
            **more,
        }
    )


def unavailable(**more: Any) -> LaceError:
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "gone", retryable=True, **more)


async def test_the_answer_is_canonical_and_all_of_it_is_in_the_ledger(world: World) -> None:
    world.provider.script.append(said(GOOD, fingerprint="fp_1"))
    call = await world.generate(order(temperature_milli=300))
    done = call.settlement
    assert done is not None
    assert done.output == '{"verdicts":[{"reason":"quote","sentence_id":"s1","verdict":"supported"}]}'
    assert done.output_hash == sha256_hex(done.output.encode())
    assert (done.state, done.finish_reason, done.fingerprint) == (CallState.SUCCEEDED, FinishReason.STOP, "fp_1")
    assert (call.key.model, done.resolved_model, done.answered_model) == ("gpt-4o", "gpt-4o", "gpt-4o-2024-08-06")
    assert (done.input_tokens, done.output_tokens, done.count_method) == (1000, 100, CountMethod.PROVIDER)
    assert done.cost_micro_usd == 1000 * 2.5 + 100 * 10
    assert call.key.temperature_milli == 300
    assert len(call.template_hash) == len(call.key.input_hash) == 64
    assert await world.ledger() == [call]


async def test_text_mode_takes_messages_as_they_are(world: World) -> None:
    world.provider.script.append(said("One line \r\nand another  \n"))
    call = await world.generate(Order(messages=(Message("user", "hello"),)))
    assert call.settlement is not None
    assert call.settlement.output == "One line\nand another"
    assert call.template_hash == ""
    assert world.provider.requests[0].messages == (Message("user", "hello"),)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"contract": "lace.sing.v1"}, Reason.CONTRACT_UNKNOWN),
        ({"contract": "../prompts"}, Reason.CONTRACT_UNKNOWN),
        ({"input_json": "{"}, Reason.INVALID_ARGUMENT),
        ({"input_json": "[]"}, Reason.INVALID_ARGUMENT),
        ({"input_json": '{"sentences": [], "more": 1}'}, Reason.INVALID_ARGUMENT),
        ({"messages": (Message("user", "x"),)}, Reason.INVALID_ARGUMENT),
        ({"contract": ""}, Reason.INVALID_ARGUMENT),
        ({"provider": "oracle"}, Reason.PROVIDER_UNKNOWN),
        ({"provider": "extractive", "model": "gpt-4o"}, Reason.PROVIDER_UNKNOWN),
        ({"settings": {"llm.retries": 99}}, Reason.SETTING_INVALID),
        ({"settings": {"llm.context_tokens": 1000}, "input_json": JUDGE_INPUT.replace("It rains.", "It rains. " * 999)},
         Reason.CONTEXT_TOO_LONG),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_an_order_is_said_before_any_call(
    world: World, wrong: dict[str, Any], reason: Reason
) -> None:
    failure = await world.fails(order(**wrong))
    assert failure.reason is reason
    assert world.provider.requests == []
    [refused] = await world.ledger()
    assert refused.settlement is not None
    assert (refused.settlement.state, refused.settlement.error_code) == (CallState.FAILED, reason.value)
    assert (refused.settlement.tries, refused.settlement.cost_micro_usd) == (0, 0)


async def test_violations_of_the_input_are_named(world: World) -> None:
    failure = await world.fails(order(input_json='{"sentences": [{"sentence_id": 1, "text": "x", "quotes": []}]}'))
    assert failure.details[0].field == "/sentences/0/sentence_id"


async def test_a_failure_that_may_pass_is_tried_again_with_growing_waits(world: World) -> None:
    world.provider.script.extend([unavailable(), unavailable(), said(GOOD)])
    call = await world.generate(order())
    assert call.settlement is not None
    assert call.settlement.tries == 3
    assert world.waits == [0.5, 1.0]


async def test_no_more_tries_than_settings_say(world: World) -> None:
    world.provider.script.extend([unavailable()] * 5)
    failure = await world.fails(order(settings={"llm.retries": 1}))
    assert failure.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(world.provider.requests) == 2
    [call] = await world.ledger()
    assert call.settlement is not None
    assert (call.settlement.state, call.settlement.error_code) == (CallState.FAILED, "PROVIDER_UNAVAILABLE")


async def test_retry_after_is_kept_to_where_there_is_time(world: World) -> None:
    world.provider.script.extend([unavailable(retry_after=7.0), said(GOOD)])
    await world.generate(order())
    assert world.waits == [7.0]
    world.provider.script.extend([unavailable(retry_after=500.0)])
    failure = await world.fails(order(attempt=2))
    assert failure.retry_after == 500.0
    assert world.waits == [7.0]


@pytest.mark.parametrize("reason", [Reason.PROVIDER_CREDENTIALS, Reason.INVALID_ARGUMENT, Reason.MODEL_UNKNOWN])
async def test_what_would_fail_again_is_not_tried_again(world: World, reason: Reason) -> None:
    world.provider.script.append(LaceError(reason, "no"))
    assert (await world.fails(order())).reason is reason
    assert len(world.provider.requests) == 1


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        (FinishReason.LENGTH, Reason.PROVIDER_OUTPUT_TRUNCATED),
        (FinishReason.REFUSAL, Reason.PROVIDER_REFUSED),
        (FinishReason.FILTER, Reason.PROVIDER_REFUSED),
        (FinishReason.TOOL, Reason.PROVIDER_OUTPUT_INVALID),
    ],
)
async def test_the_finish_reason_comes_before_parsing_and_repair(
    world: World, finish: FinishReason, reason: Reason
) -> None:
    world.provider.script.append(said(GOOD, finish))
    failure = await world.fails(order(settings={"llm.repair_attempts": 3}))
    assert failure.reason is reason
    assert len(world.provider.requests) == 1
    [call] = await world.ledger()
    assert call.settlement is not None
    assert call.settlement.finish_reason is finish
    assert call.settlement.cost_micro_usd > 0  # a refusal is paid for too


@pytest.mark.parametrize("answer", ["no json", '{"verdicts": [', BAD, "[]", '{"verdicts": []} {}', "NaN"])
async def test_an_answer_that_breaks_its_schema_is_refused(world: World, answer: str) -> None:
    world.provider.script.append(said(answer))
    failure = await world.fails(order())
    assert failure.reason is Reason.PROVIDER_OUTPUT_INVALID
    assert failure.details
    assert len(world.provider.requests) == 1


async def test_repairs_happen_as_often_as_settings_say_and_are_counted(world: World) -> None:
    world.provider.script.extend([said(BAD), said("no json"), said(GOOD)])
    call = await world.generate(order(settings={"llm.repair_attempts": 2}))
    done = call.settlement
    assert done is not None
    assert (done.repairs, done.tries, done.input_tokens) == (2, 3, 3000)
    sent_back = world.provider.requests[1].messages[-2:]
    assert sent_back[0] == Message("assistant", BAD)
    assert "/verdicts/0/verdict" in sent_back[1].content
    assert len(world.provider.requests[2].messages) == 4  # the newest answer only, not the whole quarrel


async def test_a_repeated_step_gets_the_stored_answer(world: World) -> None:
    first = await world.generate(order())
    again = await world.generate(order())
    assert again == first
    assert len(world.provider.requests) == 1
    await world.generate(order(attempt=2))
    assert len(world.provider.requests) == 2


async def test_what_was_paid_for_is_told_again_when_nothing_more_may_be_spent(world: World) -> None:
    first = await world.generate(order())
    world.provider.script.append(said(BAD))
    broken = await world.fails(order(attempt=2))
    world.quotas.put(tokens_per_day=100)
    assert await world.generate(order()) == first
    assert (await world.fails(order(attempt=2))).message == broken.message
    assert (await world.fails(order(attempt=3))).reason is Reason.QUOTA_EXCEEDED
    assert (await world.fails(order(run_id=""))).reason is Reason.QUOTA_EXCEEDED
    assert len(world.provider.requests) == 2
    assert len(await world.ledger()) == 3  # the two that were made, and the one of attempt 3 that was refused


@pytest.mark.parametrize(
    ("order_more", "text", "taken"),
    [
        ({"contract": "lace.judge.v1"}, GOOD, True),
        ({"contract": "", "input_json": "", "messages": (Message("user", "?"),)}, "half an ans", False),
        ({"contract": "", "input_json": "", "messages": (Message("user", "?"),), "accept_partial": True}, "half", True),
        ({"contract": "", "input_json": "", "messages": (Message("user", "?"),),
          "output_schema_json": '{"type":"integer"}'}, "12", False),
    ],
)  # fmt: skip
async def test_an_end_that_nobody_knows_is_whole_only_where_that_can_be_seen(
    world: World, order_more: dict[str, Any], text: str, taken: bool
) -> None:
    world.provider.script.append(said(text, FinishReason.UNKNOWN))
    if taken:
        call = await world.generate(order(**order_more))
        assert call.settlement is not None
        assert call.settlement.finish_reason is FinishReason.UNKNOWN
    else:
        assert (await world.fails(order(**order_more))).reason is Reason.PROVIDER_OUTPUT_TRUNCATED


@pytest.mark.parametrize("reported", [-5, 10**30])
async def test_token_counts_that_cannot_be_are_counted_here(world: World, reported: int) -> None:
    lying = replace(said(GOOD), input_tokens=reported, output_tokens=reported, cached_input_tokens=reported)
    world.provider.script.append(replace(lying, answered_model="m" * 1000, fingerprint="a\0b"))
    call = await world.generate(order())
    done = call.settlement
    assert done is not None
    assert 0 < done.input_tokens < 10_000
    assert 0 < done.cost_micro_usd < 100_000
    assert done.count_method is not CountMethod.PROVIDER
    assert (len(done.answered_model), done.fingerprint) == (200, "a\ufffdb")


async def test_a_repeated_step_is_told_a_lasting_failure_again(world: World) -> None:
    world.provider.script.append(said(BAD))
    first = await world.fails(order())
    again = await world.fails(order())
    assert (again.reason, again.message) == (first.reason, first.message)
    assert len(world.provider.requests) == 1


async def test_after_a_passing_failure_the_step_calls_anew(world: World) -> None:
    world.provider.script.extend([LaceError(Reason.PROVIDER_CREDENTIALS, "no"), said(GOOD)])
    await world.fails(order())
    await world.generate(order())
    assert [call.settlement.state for call in await world.ledger() if call.settlement] == [
        CallState.FAILED,
        CallState.SUCCEEDED,
    ]


async def test_calls_outside_runs_are_never_the_same(world: World) -> None:
    await world.generate(order(run_id=""))
    await world.generate(order(run_id=""))
    assert len(world.provider.requests) == 2


async def test_a_call_of_a_dead_process_is_abandoned_and_made_anew(world: World) -> None:
    world.provider.script.append(None)
    died = asyncio.create_task(world.generate(order()))
    while not world.provider.requests:
        await asyncio.sleep(0)
    await world.generate(order())
    states = [call.settlement.state for call in await world.ledger() if call.settlement]
    assert states == [CallState.ABANDONED, CallState.SUCCEEDED]
    died.cancel()
    await asyncio.gather(died, return_exceptions=True)


async def test_a_cancelled_call_is_settled_as_cancelled(world: World) -> None:
    world.provider.script.append(None)
    task = asyncio.create_task(world.generate(order()))
    while not world.provider.requests:
        await asyncio.sleep(0)
    [pending] = await world.ledger()
    assert pending.settlement is None  # the intent is there before the answer
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [call] = await world.ledger()
    assert call.settlement is not None
    assert call.settlement.state is CallState.CANCELLED


@pytest.mark.parametrize("run_id", ["run_1", ""])
async def test_a_fault_of_our_own_is_in_the_ledger_with_what_was_paid(world: World, run_id: str) -> None:
    async def complete(request: ProviderRequest) -> ProviderAnswer:
        if len(request.messages) > 2:  # the repair
            raise ZeroDivisionError
        return said("{")

    world.provider.complete = complete  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await world.generate(order(run_id=run_id, settings={"llm.repair_attempts": 1}))
    [call] = await world.ledger(run_id)
    assert call.settlement is not None
    assert (call.settlement.state, call.settlement.error_code) == (CallState.FAILED, "INTERNAL")
    assert call.settlement.input_tokens > 1000  # the answer's, and what the second try had sent
    assert (call.settlement.output_tokens, call.settlement.repairs) == (100, 1)


async def test_the_callers_deadline_bounds_the_call(world: World) -> None:
    await world.generate(order(), remaining_s=3.0)
    assert world.provider.requests[0].timeout_s <= 3.0


async def test_tokens_are_counted_here_where_the_provider_reports_none(world: World) -> None:
    world.provider.script.append(said(GOOD, input_tokens=None, output_tokens=None))
    call = await world.generate(order())
    assert call.settlement is not None
    assert call.settlement.count_method is CountMethod.BOUND  # nobody says how a schema is written into the prompt
    assert call.settlement.input_tokens > 100
    world.provider.script.append(said("ready", input_tokens=None, output_tokens=None))
    plain = await world.generate(Order(messages=(Message("user", "hello"),)))
    assert plain.settlement is not None
    assert plain.settlement.count_method is CountMethod.TOKENIZER
    assert plain.settlement.input_tokens == 3 + 4 + 1


async def test_counting_names_its_method(world: World) -> None:
    said_plainly = {"contract": "", "input_json": "", "messages": (Message("user", "What does it say?"),)}
    exact = (await count_tokens(world.gateway, [order(model="gpt-4o", **said_plainly)])).prompts[0].counted
    bound = (await count_tokens(world.gateway, [order(model="llama3:8b", **said_plainly)])).prompts[0].counted
    assert exact.method is CountMethod.TOKENIZER
    assert bound.method is CountMethod.BOUND
    assert bound.tokens > exact.tokens


async def test_samples_are_short_and_redacted(world: World) -> None:
    secret = "Mail me at jo@example.org, the key is sk-abcdefghijklmnop1234. " + "x" * 500
    call = await world.generate(Order(messages=(Message("user", secret),)))
    assert len(call.prompt_sample) <= 200
    assert "jo@example.org" not in call.prompt_sample
    assert "sk-abc" not in call.prompt_sample


async def test_a_model_is_asked_for_the_limits_it_has(world: World) -> None:
    await world.generate(order(model="gpt-4o", max_output_tokens=60_000))
    assert world.provider.requests[0].max_output_tokens == 16_384


async def test_a_provider_is_tried_and_its_failure_explained(world: World) -> None:
    trial = await validate_provider(world.gateway, "ten_a", "prn_a", "", "", None)
    assert (trial.ok, trial.provider, trial.model) == (True, "openai", "gpt-4o")
    world.provider.script.append(LaceError(Reason.PROVIDER_CREDENTIALS, "refused"))
    trial = await validate_provider(world.gateway, "ten_a", "prn_a", "openai", "gpt-4o-mini", None)
    assert (trial.ok, trial.error_code) == (False, "PROVIDER_CREDENTIALS")
    assert "OPENAI_API_KEY" in trial.message


def test_capabilities_say_what_is_configured(world: World) -> None:
    offered = {each.capability.provider: each.configured for each in list_capabilities(world.gateway.providers)}
    assert {name for name, configured in offered.items() if configured} == {"openai"}
    assert {"anthropic", "extractive", "gemini", "replay"} < set(offered)


AWAY = LaceError(Reason.SERVICE_UNAVAILABLE, "The file store cannot be reached; try again.", retryable=True)


async def test_prompt_and_answer_are_kept_whole_under_the_hashes_of_the_ledger(world: World) -> None:
    call = await world.generate(order())
    assert call.settlement is not None
    prompt = orjson.loads(world.shelf.kept[call.kept.prompt_uri])
    sent = [{"role": message.role, "content": message.content} for message in world.provider.requests[0].messages]
    assert MARK.sub("", canonical_json(prompt).decode()) == MARK.sub("", canonical_json(sent).decode())
    assert prompt != sent  # the nonce of what is sent is in no record
    assert world.shelf.kept[call.kept.output_uri].decode() == call.settlement.output
    assert call.kept.prompt_uri.endswith(f"{TENANT}/run_1/payloads/{call.key.input_hash}")
    assert call.kept.output_uri.endswith(call.settlement.output_hash)
    assert call.kept.redaction == "sample"


async def test_a_call_that_is_told_again_is_kept_again_for_the_crash_may_have_come_before(world: World) -> None:
    first = await world.generate(order())
    world.shelf.kept.clear()
    again = await world.generate(order())
    assert again.kept == first.kept
    assert set(world.shelf.kept) == {first.kept.prompt_uri, first.kept.output_uri}
    assert len(world.provider.requests) == 1


async def test_a_store_that_is_away_for_a_moment_is_waited_for(world: World) -> None:
    world.shelf.failures.extend([AWAY, AWAY, AWAY])
    call = await world.generate(order())
    assert len(world.shelf.kept) == 2
    assert call.kept.prompt_uri in world.shelf.kept
    assert world.waits == [0.2] * 3


async def test_a_store_that_refuses_costs_the_copy_and_not_the_paid_answer(world: World) -> None:
    world.shelf.failures.extend([LaceError(Reason.BLOB_CONFLICT, "Another content is stored.")] * 2)
    call = await world.generate(order())
    assert call.settlement is not None
    assert call.settlement.state is CallState.SUCCEEDED
    assert (call.kept.prompt_uri, call.kept.output_uri) == ("", "")


async def test_a_call_outside_runs_is_in_nobodys_events_and_not_kept(world: World) -> None:
    call = await world.generate(order(run_id=""))
    assert call.kept.prompt_uri == ""
    assert world.shelf.kept == {}


@pytest.mark.parametrize(("level", "is_shown"), [("hash", False), ("sample", True), ("none", True)])
async def test_the_ledger_shows_what_the_redaction_lets_through(world: World, level: str, is_shown: bool) -> None:
    call = await world.generate(order(settings={"events.redaction": level}))
    [kept] = await world.ledger()
    assert kept.settlement is not None
    assert bool(kept.prompt_sample) is bool(kept.settlement.output_sample) is is_shown
    assert call.kept.redaction == level
    assert len(world.shelf.kept) == 2


async def test_a_level_that_there_is_not_is_refused(world: World) -> None:
    with pytest.raises(LaceError) as refused:
        await world.generate(order(settings={"events.redaction": "everything"}))
    assert refused.value.reason is Reason.SETTING_INVALID


SCHEMA = '{"type":"object","properties":{"word":{"type":"string"}},"required":["word"],"additionalProperties":false}'
SAY = Order(messages=(Message("user", "Say a word."),), output_schema_json=SCHEMA)


async def test_messages_may_be_answered_under_a_schema_of_the_caller(world: World) -> None:
    world.provider.script.append(said('{"word": "two" }'))
    call = await world.generate(SAY)
    assert call.settlement is not None
    assert call.settlement.output == '{"word":"two"}'
    sent = world.provider.requests[0].output_schema
    assert sent is not None
    assert sent["required"] == ["word"]
    world.provider.script.append(said('{"word": 2}'))
    assert (await world.fails(SAY)).reason is Reason.PROVIDER_OUTPUT_INVALID


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", Reason.SCHEMA_INVALID),
        ("[]", Reason.SCHEMA_INVALID),
        ('{"type": "sentence"}', Reason.SCHEMA_INVALID),
        ('{"$ref": "#/$defs/none"}', Reason.SCHEMA_INVALID),
        ('{"$ref": "http://127.0.0.1:9/schema.json"}', Reason.SCHEMA_INVALID),
        ('{"pattern": "(a)\\\\1"}', Reason.SCHEMA_INVALID),
        ('{"$ref": "#"}', Reason.SCHEMA_CYCLE),
        ('{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}', Reason.SCHEMA_CYCLE),
        ('{"properties": {"child": {"$ref": "#"}}}', Reason.SCHEMA_CYCLE),
    ],
)
async def test_a_schema_that_is_itself_wrong_is_refused_before_any_call(
    world: World, schema: str, reason: Reason
) -> None:
    failure = await world.fails(Order(messages=SAY.messages, output_schema_json=schema))
    assert failure.reason is reason
    assert world.provider.requests == []
    [refused] = await world.ledger("")
    assert refused.settlement is not None
    assert refused.settlement.error_code == reason.value


async def test_a_wrong_schema_is_told_with_the_place(world: World) -> None:
    schema = '{"properties": {"a/b": {"minLength": -1}}}'
    failure = await world.fails(Order(messages=SAY.messages, output_schema_json=schema))
    assert failure.details[0].field == "/properties/a~1b/minLength"
    assert "wrong at /properties/a~1b/minLength" in failure.message


async def test_a_name_that_looks_like_a_reference_is_none(world: World) -> None:
    schema = '{"properties": {"$ref": {"const": {"$ref": "#"}}, "a": {"$ref": "#/$defs/w"}}, "$defs": {"w": {}}}'
    world.provider.script.append(said("{}"))
    call = await world.generate(Order(messages=SAY.messages, output_schema_json=schema))
    assert call.settlement is not None
    assert call.settlement.output == "{}"


async def test_a_contract_brings_its_own_schema(world: World) -> None:
    assert (await world.fails(order(output_schema_json=SCHEMA))).reason is Reason.INVALID_ARGUMENT


async def test_a_call_beyond_the_budget_is_refused_and_in_the_ledger(world: World) -> None:
    world.quotas.put(tokens_per_day=100)
    failure = await world.fails(SAY)
    assert failure.reason is Reason.QUOTA_EXCEEDED
    assert world.provider.requests == []
    [refused] = await world.ledger("")
    assert refused.settlement is not None
    assert refused.settlement.error_code == "QUOTA_EXCEEDED"


async def test_a_repair_that_the_budget_does_not_cover_is_not_made(world: World) -> None:
    world.quotas.put(tokens_per_day=1_800)
    world.provider.script.append(said('{"word": 2}'))  # used 1,100 tokens, and would need as many again
    repairing = Order(
        messages=SAY.messages,
        output_schema_json=SCHEMA,
        max_output_tokens=500,
        settings={"llm.repair_attempts": 3},
    )
    assert (await world.fails(repairing)).reason is Reason.QUOTA_EXCEEDED
    assert len(world.provider.requests) == 1
    [kept] = await world.ledger("")
    assert kept.settlement is not None
    assert (kept.settlement.input_tokens, kept.settlement.output_tokens) == (1000, 100)


async def test_who_asked_with_which_prompt_is_in_the_ledger(world: World) -> None:
    world.provider.script.append(said("two"))
    asked = Order(messages=SAY.messages, principal_id="prn_7", template_id="tpl_1", template_hash="d" * 64)
    await world.generate(asked)
    [kept] = await world.ledger("")
    assert (kept.principal_id, kept.template_id, kept.template_hash) == ("prn_7", "tpl_1", "d" * 64)
    assert kept.settlement is not None
    assert [tried.result.value for tried in kept.settlement.trail] == ["answered"]


async def test_a_fallback_answers_what_the_first_cannot() -> None:
    other = scripted(name="anthropic", default_model="claude-sonnet-4-5")
    other.script.append(said("from elsewhere"))
    async with call_world(other) as world:
        world.provider.script.append(LaceError(Reason.PROVIDER_CREDENTIALS, "refused"))
        call = await world.generate(
            Order(messages=SAY.messages, settings={"llm.fallbacks": ["anthropic/claude-sonnet-4-5"]})
        )
        assert call.settlement is not None
        assert call.settlement.output == "from elsewhere"
        assert [(tried.provider, tried.error_code) for tried in call.settlement.trail] == [
            ("openai", "PROVIDER_CREDENTIALS"),
            ("anthropic", ""),
        ]
