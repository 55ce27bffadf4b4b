"""The providers' own libraries as the measure: LACE sends what they send, and reads what they read.

LACE speaks the wires itself (docs/adr/0038); these libraries are asked for the same against the same servers.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.gemini.embeddings import GeminiEmbedder
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderAnswer, ProviderRequest
from tests.doubles import anthropic_server, gemini_server, openai_server
from tests.doubles.http_double import raw, running

pytestmark = pytest.mark.slow

KEY = "sk-test-key-000000"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
JSON = '{"city":"Graz","degrees":-3}'
MESSAGES = (Message("system", "Be brief."), Message("user", "How cold is it — in Graz?"))


def request(**more: Any) -> ProviderRequest:
    given: dict[str, Any] = {"output_schema": None, "grounding": False, "model": "a-model", **more}
    return ProviderRequest("", MESSAGES, temperature_milli=300, max_output_tokens=99, timeout_s=5.0, **given)


async def streamed(provider: Any, asked: ProviderRequest) -> ProviderAnswer:
    *_, last = [item async for item in provider.stream(asked)]
    assert isinstance(last, ProviderAnswer)
    return last


def same_requests(double: Any, *headers: str) -> None:
    """Whether the last two requests, ours and the library's, were the same."""
    ours, theirs = double.requests[-2:]
    assert dict(ours) == dict(theirs)
    assert ours.path == theirs.path
    for name in ("content-type", *headers):
        assert ours.headers[name].partition(";")[0] == theirs.headers[name].partition(";")[0]


class TestOpenAI:
    """Chat completions and responses, at OpenAI and in Azure."""

    CREATE: dict[str, Any] = {
        "model": "a-model",
        "messages": [{"role": m.role, "content": m.content} for m in MESSAGES],
        "max_completion_tokens": 99,
        "temperature": 0.3,
    }
    FORMAT: dict[str, Any] = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    }

    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with openai_server.serving() as double:
            yield double

    @pytest.fixture
    async def pair(self, double: Any) -> AsyncIterator[tuple[Any, Any]]:
        import openai

        provider = OpenAIProvider(OpenAISettings(KEY, double.base_url, ""))
        async with openai.AsyncOpenAI(api_key=KEY, base_url=double.base_url, max_retries=0) as client:
            yield provider, client
        await provider.close()

    @pytest.mark.parametrize("word", ["stop", "length", "content_filter", "tool_calls"])
    async def test_complete(self, double: Any, pair: tuple[Any, Any], word: str) -> None:
        provider, client = pair
        double.otherwise = openai_server.text("Minus three.", finish_reason=word)
        ours, theirs = await provider.complete(request()), await client.chat.completions.create(**self.CREATE)
        same_requests(double, "authorization")
        [choice] = theirs.choices
        assert (ours.text, ours.answered_model, ours.response_id) == (choice.message.content, theirs.model, theirs.id)
        assert (ours.input_tokens, ours.output_tokens) == (theirs.usage.prompt_tokens, theirs.usage.completion_tokens)
        assert ours.fingerprint == theirs.system_fingerprint
        assert choice.finish_reason == word

    async def test_schema(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = openai_server.text(JSON)
        ours = await provider.complete(request(output_schema=SCHEMA))
        theirs = await client.chat.completions.create(**self.CREATE, response_format=self.FORMAT)
        same_requests(double)
        assert ours.text == theirs.choices[0].message.content == JSON

    async def test_stream(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = openai_server.text("It is three degrees below zero in Graz — brr." * 3)
        ours = await streamed(provider, request())
        pieces = await client.chat.completions.create(
            **self.CREATE, stream=True, stream_options={"include_usage": True}
        )
        found = [piece async for piece in pieces]
        same_requests(double)
        assert ours.text == "".join(p.choices[0].delta.content or "" for p in found if p.choices)
        assert ours.input_tokens == found[-1].usage.prompt_tokens

    async def test_web_search(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = openai_server.grounded("Minus three.", "https://example.org/a")
        ours = await provider.complete(request(grounding=True))
        theirs = await client.responses.create(
            model="a-model",
            input=self.CREATE["messages"],
            include=["web_search_call.action.sources"],
            tools=[{"type": "web_search"}],
            store=False,
            max_output_tokens=99,
            temperature=0.3,
        )
        same_requests(double)
        search, message = theirs.output
        assert ours.text == theirs.output_text
        assert ours.grounding is not None
        assert [s.results for s in ours.grounding.searches] == [tuple(s.url for s in search.action.sources)]
        [note] = message.content[0].annotations
        assert [(c.url, c.end) for c in ours.grounding.citations] == [(note.url, note.end_index)]
        assert ours.cached_input_tokens == theirs.usage.input_tokens_details.cached_tokens

    async def test_azure(self) -> None:
        import openai

        async with running(openai_server.OpenAIDouble()) as double:
            provider = OpenAIProvider(OpenAISettings(KEY, double.base_url, "", "2024-10-21"))
            await provider.complete(request())
            async with openai.AsyncAzureOpenAI(
                api_key=KEY, azure_endpoint=double.base_url, api_version="2024-10-21", max_retries=0
            ) as client:
                await client.chat.completions.create(**self.CREATE)
            same_requests(double, "api-key")
            await provider.close()

    async def test_models(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = openai_server.models("b", "a")
        ours, theirs = await provider.versions("", 5.0), await client.models.list()
        assert double.requests[-2].path == double.requests[-1].path
        assert set(ours.versions) == {model.id for model in theirs.data}


class TestAnthropic:
    """Messages."""

    CREATE: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": MESSAGES[1].content}],
        "max_tokens": 99,
    }

    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with anthropic_server.serving() as double:
            yield double

    @pytest.fixture
    async def pair(self, double: Any) -> AsyncIterator[tuple[Any, Any]]:
        import anthropic

        provider = AnthropicProvider(AnthropicSettings(KEY, double.base_url))
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=double.base_url, max_retries=0) as client:
            yield provider, client
        await provider.close()

    def asked(self, **more: Any) -> ProviderRequest:
        return request(model="claude-sonnet-5-5", **more)

    @pytest.mark.parametrize("word", ["end_turn", "max_tokens", "refusal", "pause_turn"])
    async def test_complete(self, double: Any, pair: tuple[Any, Any], word: str) -> None:
        provider, client = pair
        double.otherwise = anthropic_server.text("Minus three.", finish_reason=word)
        ours = await provider.complete(self.asked())
        theirs = await client.messages.create(**self.CREATE)
        same_requests(double, "anthropic-version")
        # The library sends the key as a bearer's, Anthropic's documentation names x-api-key for it.
        assert [r.headers.get("x-api-key") for r in double.requests] == [KEY, None]
        assert double.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        usage = theirs.usage
        assert (ours.text, ours.answered_model) == (theirs.content[0].text, theirs.model)
        told = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        assert (ours.input_tokens, ours.output_tokens) == (told, usage.output_tokens)
        assert theirs.stop_reason == word

    async def test_schema(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = anthropic_server.text(JSON)
        ours = await provider.complete(self.asked(output_schema=SCHEMA))
        form = {"format": {"type": "json_schema", "schema": SCHEMA}}
        theirs = await client.messages.create(**self.CREATE, output_config=form)
        same_requests(double)
        assert ours.text == theirs.content[0].text == JSON

    @pytest.mark.parametrize("form", [None, SCHEMA])
    async def test_stream(self, double: Any, pair: tuple[Any, Any], form: Any) -> None:
        provider, client = pair
        said = JSON if form else "It is three degrees below zero in Graz — brr." * 3
        double.otherwise = anthropic_server.text(said)
        ours = await streamed(provider, self.asked(output_schema=form))
        config = {"output_config": {"format": {"type": "json_schema", "schema": form}}} if form else {}
        events = await client.messages.create(**self.CREATE, **config, stream=True)
        found = [event async for event in events]
        same_requests(double)
        deltas = [e.delta for e in found if e.type == "content_block_delta"]
        assert ours.text == "".join(delta.text for delta in deltas) == said

    async def test_web_search(self, double: Any, pair: tuple[Any, Any]) -> None:
        provider, client = pair
        double.otherwise = anthropic_server.grounded("Minus three.", "https://example.org/a")
        ours = await provider.complete(self.asked(grounding=True))
        tool = {"type": "web_search_20250305", "name": "web_search"}
        theirs = await client.messages.create(**self.CREATE, tools=[tool])
        same_requests(double)
        search, result, said = theirs.content
        assert ours.grounding is not None
        assert [(s.queries, s.results) for s in ours.grounding.searches] == [
            ((search.input["query"],), tuple(page.url for page in result.content))
        ]
        assert [c.url for c in ours.grounding.citations] == [c.url for c in said.citations]

    async def test_a_model_that_takes_a_temperature_is_asked_in_the_older_version(
        self, double: Any, pair: tuple[Any, Any]
    ) -> None:
        provider, client = pair
        await provider.complete(request(model="claude-haiku-4-5"))
        older = {"anthropic-version": "2023-06-01"}
        asked = {**self.CREATE, "model": "claude-haiku-4-5"}
        await client.messages.create(**asked, extra_headers=older, extra_body={"temperature": 0.3})
        same_requests(double, "anthropic-version")


class TestGemini:
    """generateContent."""

    @pytest.fixture
    async def double(self) -> AsyncIterator[Any]:
        async with gemini_server.serving() as double:
            yield double

    @asynccontextmanager
    async def client(self, double: Any) -> AsyncIterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own, of its own parts
            from google import genai

            client = genai.Client(api_key=KEY, http_options=genai.types.HttpOptions(base_url=double.base_url))
            yield client.aio
            await client.aio.aclose()

    def config(self, **more: Any) -> dict[str, Any]:
        return {"system_instruction": ["Be brief."], "temperature": 0.3, "max_output_tokens": 99, **more}

    def same(self, double: Any) -> None:
        ours, theirs = (dict(each) for each in double.requests[-2:])
        theirs["systemInstruction"].pop("role", None)  # it has no meaning there
        assert ours == theirs
        assert double.requests[-2].path == double.requests[-1].path
        assert double.requests[-2].headers["x-goog-api-key"] == double.requests[-1].headers["x-goog-api-key"]

    async def ask(self, double: Any, **more: Any) -> tuple[ProviderAnswer, Any]:
        provider = GeminiProvider(GeminiSettings(KEY, double.base_url))
        asked = request(output_schema=more.get("response_json_schema"), grounding="tools" in more)
        ours = await provider.complete(asked)
        await provider.close()
        async with self.client(double) as client:
            theirs = await client.models.generate_content(
                model="a-model", contents=MESSAGES[1].content, config=self.config(**more)
            )
        return ours, theirs

    @pytest.mark.parametrize("word", ["STOP", "MAX_TOKENS", "SAFETY", "RECITATION"])
    async def test_complete(self, double: Any, word: str) -> None:
        double.otherwise = gemini_server.text("Minus three.", finish_reason=word)
        ours, theirs = await self.ask(double)
        self.same(double)
        used = theirs.usage_metadata
        assert (ours.text, ours.answered_model) == (theirs.text, theirs.model_version)
        assert ours.input_tokens == used.prompt_token_count + used.tool_use_prompt_token_count
        assert ours.output_tokens == used.candidates_token_count + used.thoughts_token_count
        assert theirs.candidates[0].finish_reason.value == word

    async def test_schema(self, double: Any) -> None:
        double.otherwise = gemini_server.text(JSON)
        ours, theirs = await self.ask(double, response_mime_type="application/json", response_json_schema=SCHEMA)
        self.same(double)
        assert ours.text == theirs.text == JSON

    async def test_web_search(self, double: Any) -> None:
        double.otherwise = gemini_server.grounded("Minus three.", "https://example.org/a")
        ours, theirs = await self.ask(double, tools=[{"google_search": {}}])
        self.same(double)
        metadata = theirs.candidates[0].grounding_metadata
        assert ours.grounding is not None
        [search] = ours.grounding.searches
        assert list(search.queries) == metadata.web_search_queries
        assert list(search.results) == [chunk.web.uri for chunk in metadata.grounding_chunks]

    async def test_stream(self, double: Any) -> None:
        double.otherwise = gemini_server.text("It is three degrees below zero in Graz — brr." * 3)
        provider = GeminiProvider(GeminiSettings(KEY, double.base_url))
        ours = await streamed(provider, request())
        await provider.close()
        async with self.client(double) as client:
            chunks = await client.models.generate_content_stream(
                model="a-model", contents=MESSAGES[1].content, config=self.config()
            )
            said = "".join([chunk.text or "" async for chunk in chunks])
        self.same(double)
        assert ours.text == said
        assert ours.finish_reason is FinishReason.STOP

    async def test_embeddings(self, double: Any) -> None:
        vectors = [{"values": [0.5, 0.25]}, {"values": [1.0, -1.0]}]
        double.otherwise = raw(orjson.dumps({"embeddings": vectors}), "application/json")
        embedder = GeminiEmbedder(lambda: GeminiSettings(KEY, double.base_url), lambda: 1)
        ours = await embedder.embed(("one", "two"), "an-embedder", 2, 5.0)
        await embedder.close()
        async with self.client(double) as client:
            theirs = await client.models.embed_content(
                model="an-embedder", contents=["one", "two"], config={"output_dimensionality": 2}
            )
        our_body, their_body = (dict(each) for each in double.requests[-2:])
        for each in their_body["requests"]:
            each["content"].pop("role", None)  # it has no meaning there
        assert our_body == their_body
        assert double.requests[-2].path == double.requests[-1].path
        assert [list(vector) for vector in ours.vectors] == [each.values for each in theirs.embeddings]
