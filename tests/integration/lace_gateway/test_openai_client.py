"""OpenAI's own client in front of the gateway: completions, streams, embeddings, models, and its exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_core.errors import LaceError, Reason
from tests.doubles.model_services import FINGERPRINT, Pause

MODEL = "openai/gpt-4.1-mini"
ASKED: Any = [{"role": "user", "content": "Is the bridge open?"}]


@pytest.fixture(scope="module")
async def opened(shared_gateway: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    async with _client(shared_gateway) as found:
        yield found


@pytest.fixture
def client(opened: openai.AsyncOpenAI, gateway: Any) -> openai.AsyncOpenAI:
    """The one client, in front of services that remember nothing of other tests."""
    return opened


def _client(gateway: Any, token: str = "lace_good") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=token, base_url=f"{gateway.url}/v1", max_retries=0, timeout=10)


async def test_a_completion(client: openai.AsyncOpenAI, gateway: Any) -> None:
    more: dict[str, Any] = {"temperature": 0.7, "max_tokens": 50, "stop": "END", "seed": 7}
    answer = await client.chat.completions.create(model=MODEL, messages=ASKED, **more)
    assert answer.choices[0].message.content == "Yes. It is."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.id, answer.model, answer.system_fingerprint) == ("cal_1", "gpt-4.1-mini-2026-01-01", FINGERPRINT)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 7, 18)
    [request] = gateway.backend.generation.requests
    assert (request.provider, request.model) == ("openai", "gpt-4.1-mini")
    assert (request.temperature_milli, request.max_output_tokens) == (700, 50)
    assert (list(request.stop), request.seed) == (["END"], 7)
    assert [(message.role, message.content) for message in request.messages] == [("user", "Is the bridge open?")]
    assert request.accept_partial
    assert not request.output_schema_json


async def test_what_is_left_out_is_left_to_the_settings(client: openai.AsyncOpenAI, gateway: Any) -> None:
    await client.chat.completions.create(model="some/other:model", messages=ASKED)
    [request] = gateway.backend.generation.requests
    assert (request.provider, request.model) == ("", "some/other:model")
    assert not request.HasField("temperature_milli")
    assert not request.HasField("seed")
    assert request.max_output_tokens == 0


async def test_all_forms_of_messages(client: openai.AsyncOpenAI, gateway: Any) -> None:
    parts = [{"type": "text", "text": "Is it "}, {"type": "text", "text": "open?"}]
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
    ]
    await client.chat.completions.create(model=MODEL, messages=messages, user="someone", metadata={"a": "b"})
    [request] = gateway.backend.generation.requests
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "Be brief."),
        ("system", "Be kind."),
        ("assistant", ""),
        ("user", "Is it open?"),
    ]


async def test_json_is_asked_for_by_its_schema(client: openai.AsyncOpenAI, gateway: Any) -> None:
    schema = {"type": "object", "properties": {"open": {"type": "boolean"}}, "required": ["open"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "state", "schema": schema, "strict": True}}
    await client.chat.completions.create(model=MODEL, messages=ASKED, response_format=form)
    await client.chat.completions.create(model=MODEL, messages=ASKED, response_format={"type": "json_object"})
    by_schema, by_object = gateway.backend.generation.requests
    assert by_schema.output_schema_json == (
        '{"type":"object","properties":{"open":{"type":"boolean"}},"required":["open"]}'
    )
    assert by_object.output_schema_json == '{"type":"object"}'
    assert not by_schema.accept_partial


async def test_an_answer_that_was_cut_says_so(client: openai.AsyncOpenAI, gateway: Any) -> None:
    gateway.backend.generation.finish = wire.FINISH_REASON_LENGTH
    answer = await client.chat.completions.create(model=MODEL, messages=ASKED)
    assert answer.choices[0].finish_reason == "length"


async def test_an_end_that_nobody_knows_is_not_told_as_a_regular_one(client: openai.AsyncOpenAI, gateway: Any) -> None:
    gateway.backend.generation.finish = wire.FINISH_REASON_UNKNOWN
    answer = await client.chat.completions.create(model=MODEL, messages=ASKED)
    assert str(answer.choices[0].finish_reason) == "unknown"


async def test_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Yes. It is."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-2].model, chunks[-2].model_extra) == ("gpt-4.1-mini-2026-01-01", {"call_id": "cal_1"})
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 18
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_without_usage_has_none(client: openai.AsyncOpenAI) -> None:
    chunks = [c async for c in await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_a_piece_is_sent_when_it_comes(client: openai.AsyncOpenAI, gateway: Any) -> None:
    gateway.backend.generation.pieces = ["first", Pause(30)]
    stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    async with asyncio.timeout(30):
        texts = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    assert texts == ["", "first"]
    await stream.close()
    async with asyncio.timeout(30):
        await gateway.backend.generation.left_early.wait()


async def test_an_answer_in_one_is_streamed_too(client: openai.AsyncOpenAI, gateway: Any) -> None:
    gateway.backend.generation.pieces = []
    chunks = [c async for c in await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "stop"]


async def test_what_fails_before_the_first_token_is_a_status(client: openai.AsyncOpenAI, gateway: Any) -> None:
    gateway.backend.generation.pieces = [LaceError(Reason.PROVIDER_RATE_LIMITED, "Wait.", retryable=True)]
    with pytest.raises(openai.RateLimitError) as raised:
        await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    assert raised.value.code == "rate_limit_exceeded"


async def test_what_fails_in_the_middle_is_told_and_never_done(gateway: Any, client: openai.AsyncOpenAI) -> None:
    failure = LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider broke off.", retryable=True)
    gateway.backend.generation.pieces = ["half an ", failure]
    stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    told: list[str] = []
    with pytest.raises(openai.APIError, match="broke off") as raised:
        async for chunk in stream:
            told.append(chunk.choices[0].delta.content or "")
    assert "".join(told) == "half an "
    assert raised.value.code == "provider_unavailable"
    assert b"[DONE]" not in await _raw_stream(gateway)


async def test_a_stream_that_ends_without_its_call_is_broken(gateway: Any) -> None:
    gateway.backend.generation.settles = False
    body = await _raw_stream(gateway)
    assert b"[DONE]" not in body
    assert b'"code":"service_unavailable"' in body


async def test_done_ends_a_whole_answer(gateway: Any) -> None:
    assert (await _raw_stream(gateway)).endswith(b"\n\ndata: [DONE]\n\n")


async def _raw_stream(gateway: Any) -> bytes:
    body = {"model": MODEL, "messages": ASKED, "stream": True}
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, trust_env=False, timeout=30) as http:
        return (await http.post("/v1/chat/completions", json=body)).content


async def test_a_client_that_leaves_ends_the_call(gateway: Any, client: openai.AsyncOpenAI) -> None:
    gateway.backend.generation.pieces = [Pause(30)]
    asking = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=ASKED))
    async with asyncio.timeout(30):
        while not gateway.backend.generation.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        await gateway.backend.generation.left_early.wait()


@pytest.mark.parametrize(
    ("reason", "status", "kind", "code"),
    [
        (Reason.INVALID_ARGUMENT, 400, openai.BadRequestError, "invalid_argument"),
        (Reason.CONTEXT_TOO_LONG, 400, openai.BadRequestError, "context_length_exceeded"),
        (Reason.PERMISSION_DENIED, 403, openai.PermissionDeniedError, "permission_denied"),
        (Reason.MODEL_UNKNOWN, 404, openai.NotFoundError, "model_not_found"),
        (Reason.PROVIDER_UNKNOWN, 404, openai.NotFoundError, "model_not_found"),
        (Reason.QUOTA_EXCEEDED, 429, openai.RateLimitError, "insufficient_quota"),
        (Reason.PROVIDER_OUTPUT_INVALID, 502, openai.InternalServerError, "provider_output_invalid"),
        (Reason.SERVICE_UNAVAILABLE, 503, openai.InternalServerError, "service_unavailable"),
    ],
)
async def test_errors_become_the_clients_own(
    gateway: Any, client: openai.AsyncOpenAI, reason: Reason, status: int, kind: type[openai.APIStatusError], code: str
) -> None:
    retryable = status == 503
    gateway.backend.generation.pieces = [LaceError(reason, "So it is.", retryable=retryable, retry_after=2.0)]
    with pytest.raises(kind) as raised:
        await client.chat.completions.create(model=MODEL, messages=ASKED)
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert raised.value.response.headers["x-should-retry"] == str(retryable).lower()
    assert raised.value.response.headers["retry-after"] == "2"
    assert raised.value.request_id
    assert "So it is." in raised.value.message
    assert ("provider/model" in raised.value.message) == (reason is Reason.MODEL_UNKNOWN)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"top_p": 0.5}, "top_p"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"temperature": "warm"}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "messages[0].content"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    client: openai.AsyncOpenAI, gateway: Any, more: dict[str, Any], param: str
) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": ASKED, **more}
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(**asked)
    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"
    assert gateway.backend.generation.requests == []


async def test_what_says_the_usual_is_taken(client: openai.AsyncOpenAI) -> None:
    usual: dict[str, Any] = {"n": 1, "top_p": 1, "presence_penalty": 0, "logprobs": False, "tool_choice": "none"}
    assert await client.chat.completions.create(model=MODEL, messages=ASKED, **usual, extra_body={"new_thing": [1]})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"m"}', b'{"a":' * 5000, b"\xff", b'{"model":"\\ud800"}'])
async def test_a_body_that_is_no_request(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_who_calls_is_settled_before_the_body_is_read(gateway: Any) -> None:
    async with _client(gateway, "lace_wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as raised:
            await stranger.chat.completions.create(model=MODEL, messages=[])
        assert raised.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_a_body_that_is_too_large(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x" * 1_100_000}])
    assert (raised.value.status_code, raised.value.code) == (413, "body_too_large")


async def test_the_wrong_verb_has_the_same_form(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings(client: openai.AsyncOpenAI, gateway: Any, encoding: Any) -> None:
    answer = await client.embeddings.create(model="local/mini", input=["abc", "de"], dimensions=3)
    assert [item.embedding for item in answer.data] == [pytest.approx([3, 0.1, -1.5]), pytest.approx([2, 0.1, -1.5])]
    assert [item.index for item in answer.data] == [0, 1]
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("mini", 5, 5)
    [request] = gateway.backend.measuring.requests
    assert (request.provider, request.model, list(request.texts), request.dimensions) == (
        "local",
        "mini",
        ["abc", "de"],
        3,
    )
    explicit = await client.embeddings.create(model="mini", input="abc", encoding_format=encoding)
    assert len(explicit.data) == 1


@pytest.mark.parametrize("given", [[], "", ["a", ""], [1, 2], [[1], [2]]])
async def test_input_that_cannot_be_embedded(client: openai.AsyncOpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.embeddings.create(model="local/mini", input=given)
    assert str(raised.value.param).startswith("input")


async def test_models(client: openai.AsyncOpenAI) -> None:
    listed = [model async for model in client.models.list()]
    assert [model.id for model in listed] == ["extractive/extractive-1", MODEL]
    assert listed[1].owned_by == "openai"
    assert listed[1].created == 1_744_588_800
    assert (await client.models.retrieve(MODEL)).id == MODEL
    with pytest.raises(openai.NotFoundError) as raised:
        await client.models.retrieve("anthropic/claude-x")
    assert raised.value.code == "model_not_found"


async def test_the_client_that_blocks(gateway: Any) -> None:
    def ask() -> tuple[str | None, str]:
        with openai.OpenAI(api_key="lace_good", base_url=f"{gateway.url}/v1", max_retries=0) as client:
            whole = client.chat.completions.create(model=MODEL, messages=ASKED)
            pieces = client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
            return whole.choices[0].message.content, "".join(c.choices[0].delta.content or "" for c in pieces)

    assert await asyncio.to_thread(ask) == ("Yes. It is.", "Yes. It is.")
