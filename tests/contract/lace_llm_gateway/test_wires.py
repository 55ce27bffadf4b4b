"""What is peculiar to one provider's wire: what it is sent, what it refuses in words of its own, how it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.gemini.embeddings import GeminiEmbedder
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderRequest
from tests.doubles import anthropic_server, gemini_server, openai_server
from tests.doubles.http_double import raw

CLOSED = {
    "$ref": "#/$defs/Weather",
    "$defs": {
        "Weather": {
            "type": "object",
            "title": "Weather",
            "properties": {"kind": {"const": "rain"}, "title": {"type": "string", "minLength": 2}},
            "required": ["kind", "title"],
            "additionalProperties": False,
        }
    },
}
OPEN = {"type": "object", "properties": {"city": {"type": "string"}}}


def asked(**more: Any) -> ProviderRequest:
    messages = (Message("system", "Be brief."), Message("user", "hello"))
    return replace(ProviderRequest("", messages, None, "a-model", 300, 200, 5.0), **more)


async def failure(provider: Any, request: ProviderRequest) -> LaceError:
    with pytest.raises(LaceError) as raised:
        await provider.complete(request)
    return raised.value


class TestOpenAI:
    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with openai_server.serving() as double:
            yield double

    @pytest.fixture
    async def provider(self, double: Any) -> AsyncIterator[Any]:
        provider = OpenAIProvider(OpenAISettings("sk-test-key-000000", double.base_url, ""))
        yield provider
        await provider.close()

    async def test_the_request_on_the_wire(self, double: Any, provider: Any) -> None:
        await provider.complete(asked(output_schema=CLOSED, contract="lace.write.v1"))
        [body] = double.requests
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (body["temperature"], body["max_completion_tokens"]) == (0.3, 200)
        assert "stream" not in body
        form = body["response_format"]["json_schema"]
        assert (form["name"], form["strict"], form["schema"]["type"]) == ("lace_write_v1", True, "object")
        assert set(form["schema"]["properties"]) == {"kind", "title"}

    async def test_a_schema_that_is_not_closed_is_not_asked_for_strictly(self, double: Any, provider: Any) -> None:
        await provider.complete(asked(output_schema=OPEN))
        assert double.requests[0]["response_format"]["json_schema"]["strict"] is False

    async def test_one_bad_schema_says_nothing_about_the_next(self, double: Any, provider: Any) -> None:
        double.will(openai_server.error(400, "Invalid schema for response_format 'answer': patternProperties."))
        await provider.complete(asked(output_schema=OPEN))
        await provider.complete(asked(output_schema=CLOSED))
        kinds = [body["response_format"]["type"] for body in double.requests]
        assert kinds == ["json_schema", "json_object", "json_schema"]

    async def test_older_servers_and_models_that_reason(self, double: Any, provider: Any) -> None:
        double.will(
            openai_server.error(400, "Unrecognized request argument: max_completion_tokens"),
            openai_server.error(400, "Unsupported value: 'temperature' does not support 0.3 with this model."),
        )
        await provider.complete(asked())
        body = double.requests[-1]
        assert body["max_tokens"] == 200
        assert "temperature" not in body

    async def test_a_model_known_to_refuse_a_temperature_is_sent_none(self, double: Any, provider: Any) -> None:
        await provider.complete(asked(model="gpt-6.2-sol"))
        assert "temperature" not in double.requests[0]

    async def test_a_server_that_cannot_tell_tokens_of_a_stream(self, double: Any, provider: Any) -> None:
        double.otherwise = openai_server.without_usage(openai_server.text("an answer"))
        *_, answer = [item async for item in provider.stream(asked())]
        assert (answer.text, answer.input_tokens, answer.output_tokens) == ("an answer", None, None)
        assert len(double.requests) == 2

    async def test_a_server_that_does_not_stream(self, double: Any, provider: Any) -> None:
        double.will(openai_server.whole("all at once"))
        delta, answer = [item async for item in provider.stream(asked())]
        assert (delta.text, answer.text, answer.output_tokens) == ("all at once", "all at once", 7)

    @pytest.mark.parametrize(
        ("status", "code", "reason"),
        [
            (429, "insufficient_quota", Reason.PROVIDER_CREDENTIALS),
            (400, "content_filter", Reason.PROVIDER_REFUSED),
            (400, "string_above_max_length", Reason.CONTEXT_TOO_LONG),
        ],
    )
    async def test_codes_go_before_statuses(
        self, double: Any, provider: Any, status: int, code: str, reason: Reason
    ) -> None:
        double.will(openai_server.error(status, "no", code))
        found = await failure(provider, asked())
        assert (found.reason, found.retryable) == (reason, False)

    @pytest.mark.parametrize("address", ["http://[bad/v1", "localhost:11434/v1", "http://", "ftp://example.org/v1"])
    async def test_an_address_that_is_none(self, address: str) -> None:
        provider = OpenAIProvider(OpenAISettings("k", address, ""))
        found = await failure(provider, asked(timeout_s=1.0))
        await provider.close()
        assert (found.reason, found.retryable) == (Reason.PROVIDER_UNAVAILABLE, False)

    async def test_an_own_server_needs_no_key(self, double: Any) -> None:
        provider = OpenAIProvider(OpenAISettings("", double.base_url, ""))
        await provider.complete(asked())
        await provider.close()
        assert double.authorizations == [""]

    def test_settings_come_from_the_environment(self) -> None:
        settings = OpenAISettings.of(
            {"OPENAI_API_KEY": "sk-one", "OPENAI_BASE_URL": "http://one/v1", "LACE_OPENAI_BASE_URL": "http://two/v1",
             "OPENAI_MODEL": "llama3", "OPENAI_API_VERSION": "2024-10-21"}
        )  # fmt: skip
        assert settings == OpenAISettings("sk-one", "http://two/v1", "llama3", "2024-10-21")
        assert "sk-one" not in repr(settings)


class TestAnthropic:
    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with anthropic_server.serving() as double:
            yield double

    @pytest.fixture
    async def provider(self, double: Any) -> AsyncIterator[Any]:
        provider = AnthropicProvider(AnthropicSettings("sk-test-key-000000", double.base_url))
        yield provider
        await provider.close()

    async def test_the_request_on_the_wire(self, double: Any, provider: Any) -> None:
        await provider.complete(asked(model="claude-haiku-4-5", output_schema=CLOSED))
        [body] = double.requests
        assert (body["system"], body["max_tokens"], body["temperature"]) == ("Be brief.", 200, 0.3)
        assert body["messages"] == [{"role": "user", "content": "hello"}]
        schema = body["output_config"]["format"]["schema"]
        assert schema["properties"]["title"] == {"type": "string"}  # what the server would refuse is left out
        assert body.headers["anthropic-version"] == "2023-06-01"

    async def test_models_without_a_temperature_are_asked_in_the_newest_version(
        self, double: Any, provider: Any
    ) -> None:
        await provider.complete(asked(model="claude-sonnet-5-5"))
        double.will(anthropic_server.error(400, "temperature: Extra inputs are not permitted"))
        await provider.complete(asked(model="claude-unheard-of"))
        for body in (double.requests[0], double.requests[2]):
            assert "temperature" not in body
            assert body.headers["anthropic-version"] == "2026-10-21"

    async def test_a_schema_that_is_not_closed_is_asked_for_as_a_tool(self, double: Any, provider: Any) -> None:
        double.otherwise = anthropic_server.text('{"city":"Graz"}')
        answer = await provider.complete(asked(output_schema=OPEN))
        pieces = [item async for item in provider.stream(asked(output_schema=OPEN))]
        assert (answer.text, answer.finish_reason) == ('{"city":"Graz"}', FinishReason.STOP)
        assert (pieces[-1].text, pieces[-1].finish_reason) == (answer.text, FinishReason.STOP)
        assert "".join(piece.text for piece in pieces[:-1]) == answer.text
        assert double.requests[0]["tools"][0]["input_schema"] == OPEN

    async def test_long_answers_are_streamed_under_the_hood(self, double: Any, provider: Any) -> None:
        answer = await provider.complete(asked(max_output_tokens=60_000))
        assert double.requests[0]["stream"] is True
        assert answer.text == "ready"

    async def test_what_the_wire_cannot_say(self, provider: Any) -> None:
        for request in (
            asked(model="claude-haiku-4-5", temperature_milli=1500),
            asked(messages=(Message("system", "Be brief."),)),
        ):
            assert (await failure(provider, request)).reason is Reason.INVALID_ARGUMENT

    async def test_a_balance_that_is_used_up(self, double: Any, provider: Any) -> None:
        double.will(anthropic_server.error(400, "Your credit balance is too low to access the Anthropic API."))
        found = await failure(provider, asked())
        assert (found.reason, found.retryable) == (Reason.PROVIDER_CREDENTIALS, False)

    async def test_a_search_that_failed_found_nothing(self, double: Any, provider: Any) -> None:
        blocks = [
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
            },
            {"type": "text", "text": "I could not search."},
        ]
        message = {"id": "m", "model": "m", "content": blocks, "stop_reason": "end_turn", "usage": {}}
        double.will(raw(orjson.dumps(message), "application/json"))
        answer = await provider.complete(asked(grounding=True))
        [search] = answer.grounding.searches
        assert (search.queries, search.results, answer.grounding.citations) == (("q",), (), ())


class TestGemini:
    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with gemini_server.serving() as double:
            yield double

    @pytest.fixture
    async def provider(self, double: Any) -> AsyncIterator[Any]:
        provider = GeminiProvider(GeminiSettings("sk-test-key-000000", double.base_url))
        yield provider
        await provider.close()

    async def test_the_request_on_the_wire(self, double: Any, provider: Any) -> None:
        conversation = (Message("user", "hello"), Message("assistant", "yes?"), Message("user", "more"))
        await provider.complete(asked(messages=conversation, output_schema=CLOSED, model="models/gemini-x"))
        [body] = double.requests
        assert body.path == "/v1/models/gemini-x:generateContent"
        assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
        generation = body["generationConfig"]
        assert (generation["temperature"], generation["maxOutputTokens"]) == (0.3, 200)
        assert generation["responseJsonSchema"]["properties"]["kind"] == {"enum": ["rain"]}

    async def test_how_long_to_wait_stands_in_the_body(self, double: Any, provider: Any) -> None:
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
        double.will(gemini_server.error(429, "Quota exceeded.", "RESOURCE_EXHAUSTED", details=details))
        found = await failure(provider, asked())
        assert (found.reason, found.retry_after) == (Reason.PROVIDER_RATE_LIMITED, 34.5)

    async def test_a_bad_key_is_a_bad_request_there(self, double: Any, provider: Any) -> None:
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        double.will(gemini_server.error(400, "API key not valid.", "INVALID_ARGUMENT", details=details))
        found = await failure(provider, asked())
        assert (found.reason, found.retryable) == (Reason.PROVIDER_CREDENTIALS, False)

    async def test_thoughts_are_paid_for_and_not_said(self, double: Any, provider: Any) -> None:
        double.will(gemini_server.text("It is cold."))
        answer = await provider.complete(asked())
        assert (answer.text, answer.output_tokens, answer.cached_input_tokens) == ("It is cold.", 7, 2)
        assert answer.answered_model == "a-model-001"


class TestGeminiEmbeddings:
    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with gemini_server.serving() as double:
            yield double

    @pytest.fixture
    async def embedder(self, double: Any) -> AsyncIterator[Any]:
        embedder = GeminiEmbedder(lambda: GeminiSettings("sk-test-key-000000", double.base_url), lambda: 1)
        yield embedder
        await embedder.close()

    async def test_texts_keep_their_order(self, double: Any, embedder: Any) -> None:
        answer = {"embeddings": [{"values": [0.5]}, {"values": [1.0]}], "usageMetadata": {"promptTokenCount": 4}}
        double.will(raw(orjson.dumps(answer), "application/json"))
        found = await embedder.embed(("one", "two"), "gemini-embedding-001", 0, 5.0)
        assert [list(vector) for vector in found.vectors] == [[0.5], [1.0]]
        assert (found.answered_model, found.input_tokens) == ("gemini-embedding-001", 4)
        [body] = double.requests
        assert body.path == "/v1/models/gemini-embedding-001:batchEmbedContents"
        assert [each["content"]["parts"][0]["text"] for each in body["requests"]] == ["one", "two"]

    async def test_what_goes_wrong_has_its_code(self, double: Any, embedder: Any) -> None:
        for reply, reason in (
            (raw(b"<html>busy</html>", "text/html"), Reason.PROVIDER_OUTPUT_INVALID),
            (gemini_server.error(429, "slow down, sk-test-key-000000"), Reason.PROVIDER_RATE_LIMITED),
            (gemini_server.error(403, "no"), Reason.PROVIDER_CREDENTIALS),
        ):
            double.will(reply)
            with pytest.raises(LaceError) as raised:
                await embedder.embed(("one",), "m", 0, 5.0)
            assert raised.value.reason is reason
            assert "sk-test" not in raised.value.message

    async def test_it_needs_a_key(self) -> None:
        embedder = GeminiEmbedder(lambda: GeminiSettings(""), lambda: 1)
        assert not embedder.configured("m")
        with pytest.raises(LaceError) as raised:
            await embedder.embed(("one",), "m", 0, 5.0)
        assert raised.value.reason is Reason.PROVIDER_CREDENTIALS
