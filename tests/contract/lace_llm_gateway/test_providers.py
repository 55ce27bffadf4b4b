"""What every provider does, in one go and as a stream; the wires over real sockets, with servers that do wrong."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.extractive.provider import compose
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.answers import canonical_output, refuse_unfinished
from lace_llm_gateway.domain.capabilities import capability_of, finish_reason_of
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.prompts import template_of
from tests.doubles.contract_inputs import INPUTS
from tests.doubles.http_double import Answer, cut_off, dripping, raw, slow

ANSWER = '{"blocks":[],"summary":""}'
MALFORMED = '{"blocks":['
STATUSES = (
    (400, Reason.INVALID_ARGUMENT, False),
    (401, Reason.PROVIDER_CREDENTIALS, False),
    (402, Reason.PROVIDER_CREDENTIALS, False),
    (403, Reason.PROVIDER_CREDENTIALS, False),
    (404, Reason.MODEL_UNKNOWN, False),
    (408, Reason.PROVIDER_UNAVAILABLE, True),
    (413, Reason.INVALID_ARGUMENT, False),
    (422, Reason.INVALID_ARGUMENT, False),
    (429, Reason.PROVIDER_RATE_LIMITED, True),
    (500, Reason.PROVIDER_UNAVAILABLE, True),
    (503, Reason.PROVIDER_UNAVAILABLE, True),
    (529, Reason.PROVIDER_UNAVAILABLE, True),
)


def request(contract: str = "lace.write.v1", **more: Any) -> ProviderRequest:
    made = ProviderRequest(
        contract=contract,
        messages=template_of(contract).render(msgspec.json.encode(INPUTS[contract]).decode()),
        output_schema=contracts.CONTRACTS[contract].output_schema(),
        model="extractive-1",
        temperature_milli=0,
        max_output_tokens=2000,
        timeout_s=5.0,
    )
    return replace(made, **more)


def plain(text: str = "Water boils at 100 degrees. It freezes at 0 degrees.", **more: Any) -> ProviderRequest:
    return replace(ProviderRequest("", (Message("user", text),), None, "extractive-1", 0, 200, 5.0), **more)


async def failure_of(ask: Any, world: Any, asked: ProviderRequest) -> LaceError:
    with pytest.raises(LaceError) as failure:
        await ask(world.provider, asked)
    assert "sk-test" not in failure.value.message
    return failure.value


async def test_answers_every_contract_under_its_schema(world: Any, ask: Any) -> None:
    for contract, known in sorted(contracts.CONTRACTS.items()):
        asked = request(contract)
        world.will_answer(asked)
        answer = await ask(world.provider, asked)
        assert answer.finish_reason is FinishReason.STOP, contract
        output = canonical_output(contract, answer.text)
        assert msgspec.json.decode(output, type=known.output_type), contract
        assert answer.answered_model
        assert answer.response_api in capability_of(world.name).response_apis


async def test_answers_plain_messages(world: Any, ask: Any) -> None:
    world.will_answer(plain())
    answer = await ask(world.provider, plain())
    assert "100 degrees" in answer.text
    assert answer.finish_reason is FinishReason.STOP
    assert answer.grounding is None


async def test_is_configured_and_named(world: Any) -> None:
    assert world.provider.configured()
    assert world.provider.name == world.name
    assert capability_of(world.name).provider == world.name


async def test_many_calls_at_once_do_not_mix(world: Any, ask: Any, heard: Any) -> None:
    wire = "openai" if world.name == "replay" else world.name
    if world.double is not None:
        world.double.otherwise = lambda body: world.replies.text(compose(heard(wire, body)))(body)
    texts = [f"The number of this message is {at} and nothing else is said here." for at in range(12)]
    answers = await asyncio.gather(*(ask(world.provider, plain(text)) for text in texts))
    assert [answer.text for answer in answers] == texts


async def test_says_which_versions_it_offers(world: Any) -> None:
    names = ("any-model-2026-02-02", "any-model-2026-01-01", "other")
    if world.name in ("openai", "anthropic", "gemini"):
        world.double.will(world.replies.models(*names, etag='"1"'), world.replies.models(*names, etag='"1"'))
        offered = await world.provider.versions("", 5.0)
        assert (offered.versions, offered.current) == (tuple(sorted(names)), "any-model-2026-02-02")
        assert offered.etag == '"1"'
        assert await world.provider.versions('"1"', 5.0) is None
        return
    await world.provider.stream(plain()).__anext__()
    assert (await world.provider.versions("", 5.0)).current


class TestWires:
    """What a server can do wrong, the same on every wire and in both ways of asking."""

    async def test_tells_what_was_spent_and_who_answered(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.text("an answer"))
        answer = await ask(wired.provider, plain())
        assert (answer.text, answer.input_tokens, answer.output_tokens) == ("an answer", 11, 7)
        assert answer.resolved_model == "extractive-1"
        assert answer.answered_model.startswith("extractive-1-")
        assert answer.response_id

    async def test_finish_reasons_are_told_apart(self, wired: Any, ask: Any) -> None:
        for kind in ("STOP", "LENGTH", "TOOL", "FILTER", "UNHEARD_OF"):
            word = getattr(wired.replies, kind)
            if not word:
                continue  # the wire has no word for it
            wired.double.will(wired.replies.finished("half an ans", word))
            expected = FinishReason.UNKNOWN if kind == "UNHEARD_OF" else FinishReason[kind]
            answer = await ask(wired.provider, plain())
            assert answer.finish_reason is expected is finish_reason_of(wired.name, word), word

    async def test_every_word_of_the_matrix_is_understood(self, wired: Any) -> None:
        words = capability_of(wired.name).finish_reasons
        for word, meaning in words.items():
            wired.double.will(wired.replies.finished("half an ans", word))
            assert (await wired.provider.complete(plain())).finish_reason is meaning

    async def test_a_truncated_answer_is_never_whole(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.finished("half an ans", wired.replies.LENGTH))
        answer = await ask(wired.provider, plain())
        with pytest.raises(LaceError) as failure:
            refuse_unfinished(answer)
        assert failure.value.reason is Reason.PROVIDER_OUTPUT_TRUNCATED

    async def test_a_refusal_is_one(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.refused())
        answer = await ask(wired.provider, plain())
        with pytest.raises(LaceError) as failure:
            refuse_unfinished(answer)
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_REFUSED, False)

    async def test_an_empty_answer_is_none(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.text(""))
        answer = await ask(wired.provider, plain())
        assert answer.output_tokens == 7  # it was paid for all the same
        with pytest.raises(LaceError) as failure:
            refuse_unfinished(answer)
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_OUTPUT_INVALID, True)

    async def test_malformed_json_and_a_wrong_schema_are_no_answers(self, wired: Any, ask: Any) -> None:
        modes = {"anthropic": ("format", "tool"), "gemini": ("schema", "json")}
        refused = modes.get(wired.name, ("json_schema", "json_object"))
        for content in (MALFORMED, '{"blocks":7,"summary":""}', "no JSON"):
            wired.double.otherwise = wired.replies.without_formats(wired.replies.text(content), *refused)
            answer = await ask(wired.provider, request())
            with pytest.raises(LaceError) as failure:
                canonical_output("lace.write.v1", answer.text)
            assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_OUTPUT_INVALID, True), content

    async def test_statuses_have_codes(self, wired: Any, ask: Any) -> None:
        for count, (status, reason, retryable) in enumerate(STATUSES, 1):
            wired.double.will(wired.replies.error(status, "no, not with sk-test-key-000000"))
            failure = await failure_of(ask, wired, plain())
            assert (failure.reason, failure.retryable) == (reason, retryable), status
            assert len(wired.double.requests) == count  # nothing is tried again here

    async def test_retry_after_is_passed_on(self, wired: Any, ask: Any) -> None:
        cases: list[tuple[dict[str, str], float | None]] = [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after-ms": "1500"}, 1.5),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
            ({"retry-after": "soon"}, None),
            ({}, None),
        ]
        for headers, seconds in cases:
            wired.double.will(wired.replies.error(429, "slow down", headers=headers))
            assert (await failure_of(ask, wired, plain())).retry_after == seconds, headers

    async def test_a_prompt_that_is_too_long_is_told_as_such(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.too_long())
        failure = await failure_of(ask, wired, plain())
        assert (failure.reason, failure.retryable) == (Reason.CONTEXT_TOO_LONG, False)

    async def test_a_page_of_html_is_no_answer(self, wired: Any, ask: Any) -> None:
        expected = {200: Reason.PROVIDER_OUTPUT_INVALID, 400: Reason.INVALID_ARGUMENT, 502: Reason.PROVIDER_UNAVAILABLE}
        for status, reason in expected.items():
            wired.double.will(raw(b"<html><body>Welcome to the proxy</body></html>", "text/html", status))
            failure = await failure_of(ask, wired, plain())
            assert failure.reason is reason, status
            assert "<html>" not in failure.message

    async def test_a_server_that_leads_elsewhere_is_not_followed(self, wired: Any, ask: Any) -> None:
        wired.double.will(lambda _: Answer(307, b"", {"location": "http://127.0.0.1:9/"}))
        failure = await failure_of(ask, wired, plain())
        assert (failure.reason, failure.retryable) == (Reason.PROVIDER_UNAVAILABLE, False)

    async def test_a_body_that_is_none_of_the_wire_is_no_answer(self, wired: Any, ask: Any) -> None:
        for body in (b"", b"{", b"[]", b"{}", b"null", b'"text"', b'{"choices":[],"content":null}'):
            wired.double.will(raw(body, "application/json"))
            assert (await failure_of(ask, wired, plain())).reason is Reason.PROVIDER_OUTPUT_INVALID, body

    async def test_malformed_events_are_no_answer(self, wired: Any) -> None:
        wired.double.will(raw(b"data: {half\n\n", "text/event-stream"))
        with pytest.raises(LaceError) as failure:
            _ = [item async for item in wired.provider.stream(plain())]
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_OUTPUT_INVALID, True)

    async def test_a_silent_server_is_given_up(self, wired: Any, ask: Any) -> None:
        wired.double.will(slow(wired.replies.text("late"), 5.0))
        failure = await failure_of(ask, wired, plain(timeout_s=0.1))
        assert (failure.reason, failure.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_slow_stream_is_given_up(self, wired: Any) -> None:
        wired.double.will(dripping(wired.replies.text("word " * 200), 0.03))
        heard: list[Any] = []
        with pytest.raises(LaceError) as failure:
            async for item in wired.provider.stream(plain(timeout_s=0.2)):
                heard.append(item)
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)
        assert heard
        assert all(isinstance(item, Delta) for item in heard)
        await asyncio.wait_for(wired.double.left_early.wait(), 30)

    async def test_pieces_come_as_they_are_sent(self, wired: Any) -> None:
        wired.double.will(dripping(wired.replies.text("word " * 200), 0.02))
        async with aclosing(wired.provider.stream(plain())) as items:
            assert isinstance(await items.__anext__(), Delta)
            assert wired.double.pieces_sent < 10
        await asyncio.wait_for(wired.double.left_early.wait(), 30)

    async def test_a_server_that_is_not_there(self, wired: Any, ask: Any) -> None:
        made: dict[str, Any] = {
            "openai": OpenAIProvider(OpenAISettings("k", "http://127.0.0.1:9/v1", "")),
            "anthropic": AnthropicProvider(AnthropicSettings("k", "http://127.0.0.1:9")),
            "gemini": GeminiProvider(GeminiSettings("k", "http://127.0.0.1:9")),
        }
        provider = made[wired.name]
        with pytest.raises(LaceError) as failure:
            await ask(provider, plain())
        await provider.close()
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_cancelled_call_is_cancelled_at_the_server(self, wired: Any, ask: Any) -> None:
        wired.double.will(slow(wired.replies.text("late"), 30.0))
        call = asyncio.create_task(ask(wired.provider, plain()))
        while not wired.double.requests:
            await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(wired.double.left_early.wait(), 30)

    @pytest.mark.parametrize("after", [1, 20])
    async def test_an_answer_that_breaks_off_is_none(self, wired: Any, ask: Any, after: int) -> None:
        wired.double.will(cut_off(wired.replies.text("word " * 2000), after))
        failure = await failure_of(ask, wired, plain())
        assert (failure.reason, failure.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_stream_that_ends_without_a_reason_is_no_answer(self, wired: Any) -> None:
        wired.double.will(wired.replies.unended("half an"))
        items: list[Any] = []
        with pytest.raises(LaceError) as failure:
            async for item in wired.provider.stream(plain()):
                items.append(item)
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)
        assert not any(isinstance(item, ProviderAnswer) for item in items)

    async def test_an_error_in_the_stream_is_no_answer(self, wired: Any) -> None:
        wired.double.will(wired.replies.failing_midway("half"))
        with pytest.raises(LaceError) as failure:
            _ = [item async for item in wired.provider.stream(plain())]
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_connection_serves_again(self, wired: Any, ask: Any) -> None:
        for _ in range(3):
            await ask(wired.provider, plain())
        assert wired.double.connections == 1

    async def test_a_web_search_leaves_evidence(self, wired: Any, ask: Any) -> None:
        url = "https://example.org/a"
        wired.double.will(wired.replies.grounded("Él es frío.", url))
        answer = await ask(wired.provider, plain(grounding=True))
        assert answer.text == "Él es frío."
        [search] = answer.grounding.searches
        assert (search.queries, search.results) == (("weather",), (url,))
        [cited] = answer.grounding.citations
        assert (cited.url, cited.title, cited.start, cited.end) == (url, "A page", 0, 11)
        assert answer.input_tokens == 11

    async def test_no_search_leaves_no_evidence(self, wired: Any, ask: Any) -> None:
        wired.double.will(wired.replies.grounded("I know it.", "", searched=False))
        answer = await ask(wired.provider, plain(grounding=True))
        assert answer.grounding is None

    async def test_needs_a_key(self, wired: Any, ask: Any) -> None:
        made: dict[str, Any] = {
            "openai": OpenAIProvider(OpenAISettings("", "", "")),
            "anthropic": AnthropicProvider(AnthropicSettings("")),
            "gemini": GeminiProvider(GeminiSettings("")),
        }
        assert not made[wired.name].configured()
        with pytest.raises(LaceError) as failure:
            await ask(made[wired.name], plain())
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_CREDENTIALS, False)

    async def test_the_key_is_sent_and_never_shown(self, wired: Any) -> None:
        await wired.provider.complete(plain())
        [body] = wired.double.requests
        named = {"openai": "authorization", "anthropic": "x-api-key", "gemini": "x-goog-api-key"}[wired.name]
        assert "sk-test-key-000000" in body.headers[named]
        made: dict[str, Any] = {
            "openai": OpenAISettings.of({"OPENAI_API_KEY": "sk-one"}),
            "anthropic": AnthropicSettings.of({"ANTHROPIC_API_KEY": "sk-one"}),
            "gemini": GeminiSettings.of({"GEMINI_API_KEY": "sk-one"}),
        }
        assert made[wired.name].api_key == "sk-one"
        assert "sk-one" not in repr(made[wired.name])

    async def test_schemas_are_asked_for_more_plainly_where_they_are_refused(self, wired: Any, ask: Any) -> None:
        modes = {"anthropic": ("format", "tool"), "gemini": ("schema", "json")}
        refused = modes.get(wired.name, ("json_schema", "json_object"))
        for count in range(3):
            double, provider = wired.double, wired.provider
            asked = request(model=f"model-{count}")
            given = f"```json\n{ANSWER}\n```" if count == 2 else ANSWER
            double.otherwise = wired.replies.without_formats(wired.replies.text(given), *refused[:count])
            before = len(double.requests)
            answer = await ask(provider, asked)
            assert canonical_output("lace.write.v1", answer.text) == ANSWER
            assert answer.finish_reason is FinishReason.STOP
            assert len(double.requests) == before + count + 1
            await ask(provider, asked)
            assert len(double.requests) == before + count + 2  # what was refused once is not asked again
        assert "JSON Schema" in orjson.dumps(wired.double.requests[-1]).decode()
