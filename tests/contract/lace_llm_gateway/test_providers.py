"""What every provider does, held by the extractive one and by OpenAI's over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import msgspec
import orjson
import pytest

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider, compose
from lace_llm_gateway.adapters.openai_provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.answers import canonical_output
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderRequest
from lace_llm_gateway.domain.prompts import template_of

FACTS = tuple(
    contracts.Fact(
        fact_id=f"F{at}",
        kind="sentence",
        text=text,
        source="brief.md",
        heading_path=("Cost",),
        page=0,
        unit="u1",
        position=at,
        score=500,
    )
    for at, text in enumerate(
        (
            "The approved budget on 14 March 2022 is 28.4 million pounds.",
            "The final cost of the programme was 30.6 million pounds in 2026.",
            "The loan from the bank covers 15.0 million pounds of the cost.",
        )
    )
)
SECTION = contracts.Section(title="Cost", brief="What it cost.", path=("Report",), depth=1)
OUTLINE = contracts.SourceOutline(
    source_id="src_1",
    filename="brief.md",
    title="Programme brief",
    sections=(
        contracts.SourceSection(heading_path=("Cost",), words=120, tables=1, lead="The approved budget is 28.4."),
        contracts.SourceSection(heading_path=("Scope",), words=90, tables=0, lead="The programme builds a main."),
    ),
)
INTENT = contracts.Intent(purpose="p", audience="a", questions=("q",), key_terms=("t",))
BLOCKS = (
    contracts.CurrentBlock(
        block_id="blk_1",
        kind="paragraph",
        sentences=(contracts.CurrentSentence(sentence_id="sen_1", text=FACTS[1].text, fact_ids=("F1",)),),
    ),
)
INPUTS: dict[str, msgspec.Struct] = {
    "lace.intent.v1": contracts.IntentInput(title="Report", instructions="", language="en", sources=(OUTLINE,)),
    "lace.outline.v1": contracts.OutlineInput(
        title="Report", instructions="", language="en", intent=INTENT, sources=(OUTLINE,), max_sections=5,
        target_words=500,
    ),
    "lace.strategy.v1": contracts.StrategyInput(
        document_title="Report", language="en", section=SECTION, facts=FACTS, max_children=3, target_words=400
    ),
    "lace.write.v1": contracts.WriteInput(
        document_title="Report", language="en", audience="all", section=SECTION, siblings=("Scope",), facts=FACTS,
        target_words=100, must_cite=True, forbidden_phrases=(),
    ),
    "lace.write.v2": contracts.WriteMoreInput(
        document_title="Report", language="en", audience="all", section=SECTION, siblings=("Scope",), facts=FACTS,
        target_words=100, must_cite=True, forbidden_phrases=(), instructions="", existing=(FACTS[0].text,),
    ),
    "lace.enrich.v1": contracts.EnrichInput(
        document_title="Report", language="en", section=SECTION, blocks=BLOCKS, facts=FACTS, new_fact_ids=("F2",),
        target_words=100, forbidden_phrases=(),
    ),
    "lace.patch.v1": contracts.PatchInput(
        document_title="Report", language="en", section=SECTION, instructions="Leave out the first.", blocks=BLOCKS,
        facts=FACTS, target_words=100, forbidden_phrases=(),
    ),
    "lace.judge.v1": contracts.JudgeInput(
        sentences=(contracts.JudgedSentence(sentence_id="s1", text=FACTS[0].text, quotes=(FACTS[0].text,)),)
    ),
}  # fmt: skip


def request(contract: str = "lace.write.v1", timeout_s: float = 5.0) -> ProviderRequest:
    return ProviderRequest(
        contract=contract,
        messages=template_of(contract).render(msgspec.json.encode(INPUTS[contract]).decode()),
        output_schema=contracts.CONTRACTS[contract].output_schema(),
        model="extractive-1",
        temperature_milli=0,
        max_output_tokens=2000,
        timeout_s=timeout_s,
    )


def plain(text: str = "Water boils at 100 degrees. It freezes at 0 degrees.") -> ProviderRequest:
    return ProviderRequest("", (Message("user", text),), None, "extractive-1", 0, 200, 5.0)


@pytest.fixture(params=["extractive", "openai"])
async def provider(pytestconfig: Any, request: pytest.FixtureRequest, replies: ModuleType) -> AsyncIterator[Provider]:
    if request.param == "extractive":
        own = ExtractiveProvider()
        yield own
        await own.close()
        return
    async with replies.serving() as double:
        double.otherwise = lambda body: replies.text(compose(_heard(body)))(body)
        other = OpenAIProvider(OpenAISettings("sk-test-key-000000", double.base_url, "any-model"))
        yield other
        await other.close()


def _heard(body: dict[str, Any]) -> ProviderRequest:
    """What the double's model was asked, put together again from the replies."""
    named = body.get("response_format", {}).get("json_schema", {}).get("name", "")
    contract = named.replace("_", ".")
    messages = tuple(Message(m["role"], m["content"]) for m in body["messages"])
    return ProviderRequest(contract, messages, None, body["model"], 0, body["max_completion_tokens"], 5.0)


@pytest.mark.parametrize("contract", sorted(contracts.CONTRACTS))
async def test_answers_every_contract_under_its_schema(provider: Provider, contract: str) -> None:
    answer = await provider.complete(request(contract))
    assert answer.finish_reason is FinishReason.STOP
    output = canonical_output(contract, answer.text)
    assert msgspec.json.decode(output, type=contracts.CONTRACTS[contract].output_type)
    assert answer.answered_model


async def test_answers_plain_messages(provider: Provider) -> None:
    answer = await provider.complete(plain())
    assert "100 degrees" in answer.text
    assert answer.finish_reason is FinishReason.STOP


async def test_is_configured_and_named(provider: Provider) -> None:
    assert provider.configured()
    assert provider.name in ("extractive", "openai")


async def test_many_calls_at_once_do_not_mix(provider: Provider) -> None:
    texts = [f"The number of this message is {at} and nothing else is said here." for at in range(12)]
    answers = await asyncio.gather(*(provider.complete(plain(text)) for text in texts))
    assert [answer.text for answer in answers] == texts


class TestOpenAI:
    """What only a server can do wrong."""

    @pytest.fixture
    async def openai(self, double: Any) -> AsyncIterator[OpenAIProvider]:
        provider = OpenAIProvider(OpenAISettings("sk-test-key-000000", double.base_url, ""))
        yield provider
        await provider.close()

    async def test_sends_the_request_as_the_wire_has_it(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.will(replies.text('{"blocks":[],"summary":""}'))
        answer = await openai.complete(request())
        [body] = double.requests
        assert body["messages"][0] == {"role": "system", "content": request().messages[0].content}
        schema = body["response_format"]["json_schema"]
        assert schema["strict"] is True
        assert schema["schema"]["type"] == "object"
        assert "discriminator" not in orjson.dumps(schema).decode()
        assert body["temperature"] == 0
        assert body["max_completion_tokens"] == 2000
        assert double.authorizations == ["Bearer sk-test-key-000000"]
        assert (answer.input_tokens, answer.output_tokens, answer.fingerprint) == (11, 7, "fp_1")
        assert answer.answered_model == "extractive-1-2026-01-01"

    @pytest.mark.parametrize("refused", [("json_schema",), ("json_schema", "json_object")])
    async def test_asks_more_plainly_where_a_server_refuses_schemas(
        self, openai: OpenAIProvider, double: Any, replies: Any, refused: tuple[str, ...]
    ) -> None:
        fenced = '```json\n{"blocks":[],"summary":""}\n```'
        double.otherwise = replies.without_formats(replies.text(fenced), *refused)
        answer = await openai.complete(request())
        assert canonical_output("lace.write.v1", answer.text) == '{"blocks":[],"summary":""}'
        assert "JSON Schema" in double.requests[-1]["messages"][-1]["content"]
        asked = len(double.requests)
        await openai.complete(request())
        assert len(double.requests) == asked + 1  # what was refused once is not asked again

    async def test_uses_the_older_name_of_the_limit_and_no_temperature_where_needed(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.will(
            replies.error(400, "Unrecognized request argument: max_completion_tokens"),
            replies.error(400, "Unsupported value: 'temperature' does not support 0 with this model."),
        )
        await openai.complete(plain())
        body = double.requests[-1]
        assert body["max_tokens"] == 200
        assert "temperature" not in body

    @pytest.mark.parametrize(
        ("status", "code", "reason", "retryable"),
        [
            (400, "", Reason.INVALID_ARGUMENT, False),
            (400, "context_length_exceeded", Reason.CONTEXT_TOO_LONG, False),
            (401, "", Reason.PROVIDER_CREDENTIALS, False),
            (402, "", Reason.PROVIDER_CREDENTIALS, False),
            (403, "", Reason.PROVIDER_CREDENTIALS, False),
            (404, "", Reason.MODEL_UNKNOWN, False),
            (408, "", Reason.PROVIDER_UNAVAILABLE, True),
            (429, "", Reason.PROVIDER_RATE_LIMITED, True),
            (429, "insufficient_quota", Reason.PROVIDER_CREDENTIALS, False),
            (500, "", Reason.PROVIDER_UNAVAILABLE, True),
            (503, "", Reason.PROVIDER_UNAVAILABLE, True),
        ],
    )
    async def test_failures_have_codes(
        self, openai: OpenAIProvider, double: Any, replies: Any, status: int, code: str, reason: Reason, retryable: bool
    ) -> None:
        double.will(replies.error(status, "no, not with sk-test-key-000000", code))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert (failure.value.reason, failure.value.retryable) == (reason, retryable)
        assert len(double.requests) == 1  # the SDK's own retries are off
        assert "sk-test" not in failure.value.message

    async def test_retry_after_is_passed_on(self, openai: OpenAIProvider, double: Any, replies: Any) -> None:
        double.will(replies.error(429, "slow down", headers={"retry-after": "7"}))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert failure.value.retry_after == 7.0

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"finish_reason": "length"}, FinishReason.LENGTH),
            ({"finish_reason": "content_filter"}, FinishReason.FILTER),
            ({"finish_reason": "tool_calls"}, FinishReason.TOOL),
            ({"finish_reason": "eos_token"}, FinishReason.UNKNOWN),
            ({"refusal": "I cannot help with that."}, FinishReason.REFUSAL),
        ],
    )
    async def test_finish_reasons_are_told_apart(
        self, openai: OpenAIProvider, double: Any, replies: Any, more: dict[str, Any], expected: FinishReason
    ) -> None:
        double.will(replies.text("half an ans", **more))
        assert (await openai.complete(plain())).finish_reason is expected

    async def test_a_page_of_html_is_no_answer(self, openai: OpenAIProvider, double: Any, replies: Any) -> None:
        double.will(replies.raw(b"<html><body>Welcome to the proxy</body></html>", "text/html"))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert failure.value.reason is Reason.PROVIDER_OUTPUT_INVALID

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"index":0}]}'])
    async def test_a_body_that_is_no_completion_is_no_answer(
        self, openai: OpenAIProvider, double: Any, replies: Any, body: bytes
    ) -> None:
        double.will(replies.raw(body, "application/json"))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert failure.value.reason is Reason.PROVIDER_OUTPUT_INVALID

    async def test_a_silent_server_is_given_up(self, openai: OpenAIProvider, double: Any, replies: Any) -> None:
        double.will(replies.slow(replies.text("late"), 5.0))
        with pytest.raises(LaceError) as failure:
            await openai.complete(request(timeout_s=0.2))
        assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE
        assert failure.value.retryable

    async def test_a_server_that_is_not_there(self) -> None:
        provider = OpenAIProvider(OpenAISettings("sk-test-key-000000", "http://127.0.0.1:9/v1", ""))
        with pytest.raises(LaceError) as failure:
            await provider.complete(plain())
        await provider.close()
        assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE

    async def test_a_cancelled_call_is_cancelled_at_the_server(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.will(replies.slow(replies.text("late"), 30.0))
        call = asyncio.create_task(openai.complete(plain()))
        while not double.requests:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(double.left_early.wait(), 2.0)

    async def test_an_answer_given_up_halfway_closes_its_connection(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.will(replies.dripping(replies.text("word " * 2000), 0.05))
        call = asyncio.create_task(openai.complete(plain()))
        while double.pieces_sent < 3:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(double.left_early.wait(), 1.0)
        assert double.pieces_sent < 10

    @pytest.mark.parametrize("after", [2, 10, 21])
    async def test_an_answer_that_breaks_off_is_none(
        self, openai: OpenAIProvider, double: Any, replies: Any, after: int
    ) -> None:
        double.will(replies.cut_off(replies.text("word " * 2000), after))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_stream_that_ends_without_a_reason_is_no_answer(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        half = b'data: {"choices":[{"index":0,"delta":{"content":"half an"}}]}\n\ndata: [DONE]\n\n'
        double.will(replies.raw(half, "text/event-stream"))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE

    async def test_an_error_in_the_stream_is_no_answer(self, openai: OpenAIProvider, double: Any, replies: Any) -> None:
        torn = b'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\ndata: {"error":{"message":"no"}}\n\n'
        double.will(replies.raw(torn, "text/event-stream"))
        with pytest.raises(LaceError) as failure:
            await openai.complete(plain())
        assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)

    async def test_a_server_that_does_not_stream_is_understood(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.will(replies.whole("all at once"))
        answer = await openai.complete(plain())
        assert (answer.text, answer.output_tokens, answer.finish_reason) == ("all at once", 7, FinishReason.STOP)

    async def test_a_server_that_cannot_tell_tokens_of_a_stream_is_asked_without(
        self, openai: OpenAIProvider, double: Any, replies: Any
    ) -> None:
        double.otherwise = replies.without_usage(replies.text("an answer"))
        answer = await openai.complete(plain())
        assert (answer.text, answer.input_tokens, answer.output_tokens) == ("an answer", None, None)
        assert len(double.requests) == 2

    async def test_needs_a_key_or_a_server_of_ones_own(self) -> None:
        assert not OpenAIProvider(OpenAISettings("", "", "")).configured()
        assert OpenAIProvider(OpenAISettings("", "http://127.0.0.1:11434/v1", "")).configured()
        with pytest.raises(LaceError) as failure:
            await OpenAIProvider(OpenAISettings("", "", "")).complete(plain())
        assert failure.value.reason is Reason.PROVIDER_CREDENTIALS

    def test_settings_come_from_the_environment_and_never_show_the_key(self) -> None:
        settings = OpenAISettings.of(
            {"OPENAI_API_KEY": "sk-one", "OPENAI_BASE_URL": "http://one/v1", "LACE_OPENAI_BASE_URL": "http://two/v1",
             "OPENAI_MODEL": "llama3"}
        )  # fmt: skip
        assert settings == OpenAISettings("sk-one", "http://two/v1", "llama3")
        assert "sk-one" not in repr(settings)
