"""OpenAI's client, the gateway, the model gateway and a provider in one row: what one end says, the other hears."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import openai
import orjson
import pytest

from lace_llm_gateway.bootstrap import serve
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.bus.memory import MemoryBus
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import open_channel
from tests.doubles import gateway_backend, openai_server
from tests.doubles.telling_control import telling

MODEL = "openai/gpt-4o-mini"
ASKED: Any = [{"role": "user", "content": "Is the bridge open?"}]
LONG = "The bridge has been open since May, and it will stay open for as long as anyone can tell."
STATE = {
    "type": "object",
    "properties": {"open": {"type": "boolean"}},
    "required": ["open"],
    "additionalProperties": False,
}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "state", "schema": STATE, "strict": True}}


@dataclass
class Row:
    """The client at one end, the provider at the other."""

    client: openai.AsyncOpenAI
    double: openai_server.OpenAIDouble

    def ask(self, **more: Any) -> Any:
        return self.client.chat.completions.create(model=MODEL, messages=ASKED, **more)


@pytest.fixture(scope="module")
async def row(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Row]:
    folder = tmp_path_factory.mktemp("chain")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(openai_server.serving())
        channel = open_channel(address)
        stack.push_async_callback(channel.close)
        gateway = await stack.enter_async_context(gateway_backend.running_gateway(folder / "blobs", models=channel))
        auth = gateway.backend.auth
        auth.tokens["lace_chain"] = replace(auth.tokens[gateway_backend.TOKEN], tenant_id=new_id("ten"))
        control = await stack.enter_async_context(telling())
        environ = {
            "LACE_DATA_DIR": str(folder),
            "LACE_DSN": postgres.admin_dsn,
            "LACE_DB_ROLE_SECRET": postgres.role_secret,
            "LACE_ADDRESSES": f"llm_gateway={address},control={control}",
            "OPENAI_API_KEY": "sk-of-the-test-000000",
            "OPENAI_BASE_URL": double.base_url,
        }
        config = load_process_config(None, environ)
        bus = MemoryBus()
        stack.push_async_callback(bus.close)
        blobs = FolderBlobStore(folder / "kept", UrlSigner("secret"))
        await stack.enter_async_context(serve(config, Platform(config, blobs, bus, gateway.backend.verifier)))
        client = openai.AsyncOpenAI(api_key="lace_chain", base_url=f"{gateway.url}/v1", max_retries=0, timeout=30)
        yield Row(await stack.enter_async_context(client), double)


@pytest.fixture(autouse=True)
def _nothing_is_left(row: Row) -> None:
    """Of what another test told or asked."""
    row.double.script.clear()
    row.double.requests.clear()
    row.double.left_early.clear()


async def test_what_the_model_says_is_told_while_it_says_it(row: Row) -> None:
    row.double.will(openai_server.dripping(openai_server.text(LONG), 0.05))
    stream = await row.ask(stream=True, stop="END", seed=7, temperature=1.5, max_tokens=99)
    told: list[str] = []
    early = 0
    async for chunk in stream:
        told += [choice.delta.content or "" for choice in chunk.choices]
        early = early or (row.double.pieces_sent if "".join(told) else 0)
    assert "".join(told) == LONG
    assert early < row.double.pieces_sent
    [sent] = row.double.requests
    assert (sent["stop"], sent["seed"], sent["temperature"], sent["max_completion_tokens"]) == (["END"], 7, 1.5, 99)


async def test_who_leaves_a_stream_ends_the_call_at_the_provider(row: Row) -> None:
    row.double.will(openai_server.dripping(openai_server.text(LONG), 0.2))
    stream = await row.ask(stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    async with asyncio.timeout(30):
        await row.double.left_early.wait()


async def test_who_leaves_without_an_answer_ends_the_call_at_the_provider(row: Row) -> None:
    row.double.will(openai_server.slow(openai_server.text(LONG), 30))
    asking = asyncio.create_task(row.ask())
    async with asyncio.timeout(30):
        while not row.double.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        await row.double.left_early.wait()


async def test_a_stream_that_is_cut_is_never_done(row: Row) -> None:
    row.double.will(openai_server.cut_off(openai_server.text(LONG), 8))
    told: list[str] = []
    with pytest.raises(openai.APIError) as raised:
        async for chunk in await row.ask(stream=True):
            told += [choice.delta.content or "" for choice in chunk.choices]
    assert raised.value.code == "provider_unavailable"
    assert 0 < len("".join(told)) < len(LONG)


async def test_an_answer_at_its_limit_is_told_as_such(row: Row) -> None:
    row.double.will(*[openai_server.text("Half an", finish_reason="length")] * 2)
    assert (await row.ask()).choices[0].finish_reason == "length"
    chunks = [chunk async for chunk in await row.ask(stream=True)]
    assert chunks[-1].choices[0].finish_reason == "length"


async def test_a_schema_is_asked_for_and_held_to(row: Row) -> None:
    row.double.will(openai_server.text('{ "open": true }'), openai_server.text('{"open": "perhaps"}'))
    answer = await row.ask(response_format=FORM)
    assert answer.choices[0].message.content == '{"open":true}'
    assert row.double.requests[0]["response_format"]["json_schema"]["schema"] == STATE
    with pytest.raises(openai.InternalServerError) as raised:
        await row.ask(response_format=FORM)
    assert raised.value.code == "provider_output_invalid"


async def test_any_object_will_do_where_no_schema_is_given(row: Row) -> None:
    row.double.will(openai_server.text('{"b": 1.0, "a": []}'), openai_server.text("[1]"))
    answer = await row.ask(response_format={"type": "json_object"})
    assert orjson.loads(answer.choices[0].message.content) == {"a": [], "b": 1}
    with pytest.raises(openai.InternalServerError):
        await row.ask(response_format={"type": "json_object"})


async def test_a_streamed_answer_that_breaks_its_schema_is_told_and_then_refused(row: Row) -> None:
    row.double.will(openai_server.text('{"open": "perhaps"}'))
    told: list[str] = []
    with pytest.raises(openai.APIError) as raised:
        async for chunk in await row.ask(stream=True, response_format=FORM):
            told += [choice.delta.content or "" for choice in chunk.choices]
    assert raised.value.code == "provider_output_invalid"
    assert len(row.double.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_is_busy_says_for_how_long(row: Row, stream: bool) -> None:
    row.double.will(openai_server.error(429, "Slow down.", headers={"retry-after": "1800"}))
    with pytest.raises(openai.RateLimitError) as raised:
        await row.ask(stream=stream)
    assert raised.value.response.headers["retry-after"] == "1800"


@pytest.mark.parametrize("stream", [False, True])
async def test_addresses_stay_here_and_come_back(row: Row, stream: bool) -> None:
    def echo(body: Any) -> Any:
        return openai_server.text(f"You wrote: {body['messages'][-1]['content']}")(body)

    row.double.will(echo)
    question: Any = [{"role": "user", "content": "Write to ada@harrow.example about the bridge."}]
    given: Any = await row.client.chat.completions.create(model=MODEL, messages=question, stream=stream)
    if stream:
        said = "".join([choice.delta.content or "" async for chunk in given for choice in chunk.choices])
    else:
        said = given.choices[0].message.content
    assert said == "You wrote: Write to ada@harrow.example about the bridge."
    assert "ada@" not in str(row.double.requests)


async def test_embeddings(row: Row) -> None:
    data = [{"index": index, "embedding": [0.5, -1.0, index]} for index in (1, 0)]
    body = orjson.dumps({"data": data, "model": "own-1", "usage": {"prompt_tokens": 9}})
    row.double.will(openai_server.raw(body, "application/json"))
    answer = await row.client.embeddings.create(model="openai/own", input=["a", "b"], encoding_format="float")
    assert [item.embedding for item in answer.data] == [[0.5, -1.0, 0.0], [0.5, -1.0, 1.0]]
    assert (answer.model, answer.usage.prompt_tokens) == ("own-1", 9)
    with pytest.raises(openai.BadRequestError, match="1536") as raised:
        await row.client.embeddings.create(model="openai/text-embedding-3-small", input="a", dimensions=4000)
    assert raised.value.param == "dimensions"
