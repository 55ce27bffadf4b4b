"""The model gateway as it runs: gRPC in, Postgres and a provider's socket out."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import msgspec
import orjson
import pytest

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc as stubs
from lace_core import contracts
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.bootstrap import serve
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.bus.memory import MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as, open_channel
from lace_proto.json import from_json, to_json
from tests.doubles.telling_control import telling
from tests.doubles.template_world import forget_prompts

SENTENCES = [
    ("Harrow Bay is a coastal town of 38,400 people.", 0),
    ("The old trunk main is 11.8 kilometres long and was laid in 1934.", 1),
    ("The Board replaced the trunk main between 2024 and 2025 for 30.6 million pounds.", 2),
]
WRITE = contracts.WriteInput(
    document_title="Harrow Bay",
    language="en",
    audience="",
    section=contracts.Section(title="Background", brief="Background.", path=("Harrow Bay",), depth=1),
    siblings=(),
    facts=tuple(
        contracts.Fact(
            fact_id=f"F{at}", kind="sentence", text=text, source="a.md", heading_path=("Background",), page=0,
            unit="unt_1", position=at, score=500,
        )
        for text, at in SENTENCES
    ),
    target_words=100,
    must_cite=True,
    forbidden_phrases=(),
)  # fmt: skip
WRITE_JSON = msgspec.json.encode(WRITE).decode()


@dataclass
class Service:
    """A running service, who may call it, and the server behind its provider openai."""

    calls: Any
    providers: Any
    signer: IdentitySigner
    double: Any
    blobs: FolderBlobStore

    def acting(self, tenant_id: str, *scopes: str, deadline_s: float = 20.0) -> Any:
        now = utc_now()
        identity = Identity(
            principal_id="prn_1",
            tenant_id=tenant_id,
            roles=frozenset({"member"}),
            scopes=frozenset(scopes or ("runs:write", "runs:read", "providers:read")),
            labels=frozenset(),
            kind="user",
            run_id=None,
            token_id=None,
            issued_at=now,
            expires_at=now + timedelta(minutes=5),
            epoch=0,
        )
        deadline = time.monotonic() + deadline_s
        return acting_as(
            CallContext(None, "req_1", "req_1", deadline=deadline, signed_identity=self.signer.sign(identity))
        )

    async def generate(self, tenant_id: str, **fields: Any) -> wire.GenerateResponse:
        with self.acting(tenant_id):
            answer: wire.GenerateResponse = await self.calls.Generate(wire.GenerateRequest(**fields))
            return answer

    async def ledger(self, tenant_id: str, run_id: str, **fields: Any) -> wire.ListCallsResponse:
        with self.acting(tenant_id):
            answer: wire.ListCallsResponse = await self.calls.ListCalls(wire.ListCallsRequest(run_id=run_id, **fields))
            return answer


@pytest.fixture(scope="module")
async def service(postgres: Any, replies: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("llm_gateway")
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(replies.serving())
        control = await stack.enter_async_context(telling())
        environ = {
            "LACE_DATA_DIR": str(folder),
            "LACE_DSN": postgres.admin_dsn,
            "LACE_DB_ROLE_SECRET": postgres.role_secret,
            "LACE_ADDRESSES": f"llm_gateway={address},control={control}",
            "OPENAI_API_KEY": "sk-of-the-test-000000",
            "OPENAI_BASE_URL": double.base_url,
            "OPENAI_MODEL": "gpt-4o-mini",
        }
        forget_prompts(postgres.admin_dsn)
        config = load_process_config(None, environ)
        signer, verifier, bus = IdentitySigner(generate_private_key()), IdentityVerifier(), MemoryBus()
        verifier.update_keys({signer.key_id: signer.public_key_pem})
        stack.push_async_callback(bus.close)
        blobs = FolderBlobStore(folder / "blobs", UrlSigner(config.url_signing_secret))
        await stack.enter_async_context(serve(config, Platform(config, blobs, bus, verifier)))
        channel = open_channel(address)
        stack.push_async_callback(channel.close)
        calls, providers = stubs.GenerationServiceStub(channel), stubs.ProviderServiceStub(channel)
        yield Service(calls, providers, signer, double, blobs)


def run(run_id: str = "run_1", **more: Any) -> dict[str, Any]:
    return {
        "contract": "lace.write.v1",
        "input_json": WRITE_JSON,
        "run_id": run_id,
        "step_id": "llm:nod_1",
        "attempt": 1,
        "settings_json": '{"llm.provider":"extractive"}',
        **more,
    }


async def test_a_section_is_written_and_the_call_recorded(service: Service, tenant_id: str) -> None:
    answer = await service.generate(tenant_id, **run())
    written = msgspec.json.decode(answer.output, type=contracts.Written)
    [paragraph] = written.blocks
    assert isinstance(paragraph, contracts.WrittenParagraph)
    assert [sentence.text for sentence in paragraph.sentences] == [text for text, _ in SENTENCES]
    call = answer.call
    assert call.output_hash == sha256_hex(answer.output.encode())
    assert (call.provider, call.requested_model, call.answered_model) == ("extractive",) + ("extractive-1",) * 2
    assert call.cost_micro_usd == 0
    assert call.input_tokens > 500
    listed = await service.ledger(tenant_id, "run_1")
    assert list(listed.calls) == [call]


async def test_prompt_and_answer_are_where_the_answer_says_when_it_is_there(service: Service, tenant_id: str) -> None:
    answer = await service.generate(tenant_id, **run())
    assert answer.prompt_uri.startswith(f"lace-replay/{tenant_id}/run_1/payloads/")
    prompt = orjson.loads(await service.blobs.get(answer.prompt_uri, answer.call.input_hash))
    assert [message["role"] for message in prompt] == ["system", "user"]
    assert await service.blobs.get(answer.output_uri, answer.call.output_hash) == answer.output.encode()
    assert answer.redaction == "sample"


async def test_what_cannot_be_kept_is_answered_all_the_same(service: Service, tenant_id: str) -> None:
    answer = await service.generate(tenant_id, **run("../run_1"))
    assert answer.output
    assert (answer.prompt_uri, answer.output_uri) == ("", "")


async def test_a_repeated_step_costs_nothing_more(service: Service, tenant_id: str, replies: Any) -> None:
    service.double.will(replies.json_answer({"blocks": [], "summary": ""}))
    asked = len(service.double.requests)
    order = run(settings_json='{"llm.provider":"openai"}')
    first = await service.generate(tenant_id, **order)
    again = await service.generate(tenant_id, **order)
    assert again == first
    assert len(service.double.requests) == asked + 1
    assert first.call.requested_model == "gpt-4o-mini"
    assert first.call.cost_micro_usd == 6  # 11 and 7 tokens at 0.15 and 0.60 dollars a million, rounded up


async def test_failures_of_the_provider_reach_the_caller_and_the_ledger(
    service: Service, tenant_id: str, replies: Any
) -> None:
    service.double.will(replies.error(429, "slow", headers={"retry-after": "100"}))
    with pytest.raises(LaceError) as failure:
        await service.generate(tenant_id, **run(settings_json='{"llm.provider":"openai"}'))
    assert failure.value.reason is Reason.PROVIDER_RATE_LIMITED
    assert failure.value.retry_after == 100
    [call] = (await service.ledger(tenant_id, "run_1")).calls
    assert call.error_code == "PROVIDER_RATE_LIMITED"


async def test_a_client_that_leaves_ends_the_call_at_the_provider(
    service: Service, tenant_id: str, replies: Any
) -> None:
    service.double.left_early.clear()
    service.double.will(replies.slow(replies.text("late"), 30.0))
    asked = len(service.double.requests)
    task = asyncio.create_task(service.generate(tenant_id, **run(settings_json='{"llm.provider":"openai"}')))
    while len(service.double.requests) == asked:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(service.double.left_early.wait(), 30)
    for _ in range(100):
        [call] = (await service.ledger(tenant_id, "run_1")).calls
        if call.error_code:
            break
        await asyncio.sleep(0.02)
    assert call.error_code == "RUN_CANCELLED"


async def test_what_is_wrong_is_said_with_its_code(service: Service, tenant_id: str) -> None:
    for wrong, reason in (
        ({"contract": "lace.sing.v1"}, Reason.CONTRACT_UNKNOWN),
        ({"input_json": "{}"}, Reason.INVALID_ARGUMENT),
        ({"settings_json": "[]"}, Reason.INVALID_ARGUMENT),
        ({"provider": "oracle"}, Reason.PROVIDER_UNKNOWN),
        ({"model": "gpt-4o"}, Reason.MODEL_UNKNOWN),
        ({"messages": [wire_message("robot", "x")]}, Reason.INVALID_ARGUMENT),
    ):
        with pytest.raises(LaceError) as failure:
            await service.generate(tenant_id, **run(**wrong))
        assert failure.value.reason is reason


def wire_message(role: str, content: str) -> wire.Message:
    return wire.Message(role=role, content=content)


async def test_pages_of_calls_and_their_tokens(service: Service, tenant_id: str) -> None:
    run_id = new_id("run")
    for attempt in range(1, 6):
        await service.generate(tenant_id, **run(run_id, attempt=attempt))
    found, token = [], ""
    while True:
        page = await service.ledger(tenant_id, run_id, page_size=2, page_token=token)
        found += [call.attempt for call in page.calls]
        token = page.next_page_token
        if not token:
            break
    assert found == [1, 2, 3, 4, 5]
    first = await service.ledger(tenant_id, run_id, page_size=2)
    with pytest.raises(LaceError) as failure:
        await service.ledger(tenant_id, "run_other", page_token=first.next_page_token)
    assert failure.value.reason is Reason.PAGE_TOKEN_INVALID
    assert not (await service.ledger(new_id("ten"), run_id)).calls


async def test_tokens_are_counted(service: Service, tenant_id: str) -> None:
    with service.acting(tenant_id):
        counted = await service.calls.CountTokens(wire.CountTokensRequest(request=wire.GenerateRequest(**run())))
    assert counted.tokens > 500
    assert counted.count_method == wire.COUNT_METHOD_BOUND  # nobody says how a schema is written into the prompt


async def test_capabilities_and_trials(service: Service, tenant_id: str) -> None:
    with service.acting(tenant_id):
        offered = await service.providers.ListCapabilities(wire.ListCapabilitiesRequest())
        good = await service.providers.ValidateProvider(wire.ValidateProviderRequest(provider="openai"))
        own = await service.providers.ValidateProvider(wire.ValidateProviderRequest())
    answering = [provider for provider in offered.providers if provider.response_apis]
    assert [(p.provider, p.configured, p.offline) for p in answering] == [
        ("anthropic", False, False),
        ("extractive", True, True),
        ("gemini", False, False),
        ("openai", True, False),
        ("replay", False, False),
    ]
    for provider in answering:
        assert all(bool(model.price_date) != provider.offline for model in provider.models)
        known = {each.word: each.finish_reason for each in provider.finish_reasons}
        assert not known or wire.FINISH_REASON_STOP in known.values()
    assert (good.ok, good.model, good.capability.model) == (True, "gpt-4o-mini", "gpt-4o-mini")
    assert (good.answered_model, good.finish_reason) == ("gpt-4o-mini-2026-01-01", wire.FINISH_REASON_STOP)
    assert (own.ok, own.provider) == (True, "extractive")


async def test_scopes_are_needed(service: Service, tenant_id: str) -> None:
    with service.acting(tenant_id, "sources:read"), pytest.raises(LaceError) as failure:
        await service.calls.Generate(wire.GenerateRequest(**run()))
    assert failure.value.reason is Reason.PERMISSION_DENIED


async def test_composing_leaves_the_loop_its_turns(service: Service, tenant_id: str) -> None:
    """A large section takes some hundred milliseconds of Python, on a thread: the loop must not wait for it."""
    facts = tuple(
        msgspec.structs.replace(
            WRITE.facts[at % 3], fact_id=f"F{at}", unit=f"unt_{at // 4}", position=at % 4,
            text=f"The section {at} of the trunk main is {at * 7} metres long and was laid in {1900 + at % 100}.",
        )
        for at in range(3000)
    )  # fmt: skip
    large = msgspec.json.encode(msgspec.structs.replace(WRITE, facts=facts)).decode()
    settings = orjson.dumps({"llm.provider": "extractive", "llm.context_tokens": 1_000_000}).decode()
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    answer = await service.generate(tenant_id, **run(input_json=large, settings_json=settings))
    watcher.cancel()
    assert answer.output
    # The machine is shared: what counts is that turns come all the time, not that none is ever late.
    assert len(lags) >= 5
    assert sorted(lags)[int(len(lags) * 0.9)] < 0.1


async def test_the_message_survives_its_json_form(service: Service, tenant_id: str) -> None:
    answer = await service.generate(tenant_id, **run(run_id=new_id("run")))
    assert from_json(wire.GenerateResponse, to_json(answer)) == answer


async def test_a_caller_without_identity_is_turned_away(service: Service) -> None:
    with acting_as(CallContext(None, "req_1", "req_1")), pytest.raises(LaceError) as failure:
        await service.calls.Generate(wire.GenerateRequest(**run()))
    assert failure.value.reason is Reason.TOKEN_MISSING
    assert not isinstance(failure.value, grpc.RpcError)


ASK = wire.Message(role="user", content="What became of the trunk main?")


async def test_an_answer_is_told_while_it_comes_and_is_in_the_sums(
    service: Service, replies: Any, tenant_id: str
) -> None:
    service.double.will(replies.text("It was replaced between 2024 and 2025."))
    with service.acting(tenant_id):
        asked = wire.StreamGenerateRequest(request=wire.GenerateRequest(messages=[ASK], provider="openai"))
        events = [event async for event in service.calls.StreamGenerate(asked)]
    told = "".join(event.delta.text for event in events[:-1])
    assert told == events[-1].settled.output == "It was replaced between 2024 and 2025."
    call = events[-1].settled.call
    assert (call.principal_id, [tried.result for tried in call.trail]) == ("prn_1", ["answered"])
    with service.acting(tenant_id):
        for by, named in ((wire.USAGE_BY_PRINCIPAL, "principal_id"), (wire.USAGE_BY_MODEL, "model")):
            [sums] = (await service.calls.ListUsage(wire.ListUsageRequest(by=by))).usage
            assert getattr(sums, named) == getattr(call, named if named != "model" else "requested_model")
            assert (sums.calls, sums.input_tokens, sums.output_tokens) == (1, call.input_tokens, call.output_tokens)
    with service.acting(new_id("ten")):
        assert not (await service.calls.ListUsage(wire.ListUsageRequest())).usage


async def test_pages_of_sums_and_days_that_are_none(service: Service, replies: Any, tenant_id: str) -> None:
    for model in ("gpt-4o", "gpt-4o-mini", "gpt-4.1"):
        service.double.will(replies.text("Yes."))
        await service.generate(tenant_id, messages=[ASK], provider="openai", model=model)
    found, token = [], ""
    with service.acting(tenant_id):
        while True:
            request = wire.ListUsageRequest(by=wire.USAGE_BY_MODEL, page_size=2, page_token=token)
            page = await service.calls.ListUsage(request)
            found += [each.model for each in page.usage]
            token = page.next_page_token
            if not token:
                break
        assert found == ["gpt-4.1", "gpt-4o", "gpt-4o-mini"]
        wrong: Any
        for wrong in (
            {"from_day": "soon"},
            {"to_day": "2026-13-01"},
            {"from_day": "2026-02-01", "to_day": "2026-01-01"},
        ):
            with pytest.raises(LaceError) as refused:
                await service.calls.ListUsage(wire.ListUsageRequest(**wrong))
            assert refused.value.reason is Reason.INVALID_ARGUMENT


async def test_a_stream_that_is_left_ends_at_the_provider(service: Service, replies: Any, tenant_id: str) -> None:
    service.double.left_early.clear()
    service.double.will(replies.dripping(replies.text("word " * 400), 0.05))
    with service.acting(tenant_id):
        asked = wire.StreamGenerateRequest(request=wire.GenerateRequest(messages=[ASK], provider="openai"))
        events = service.calls.StreamGenerate(asked)
        await anext(events)
        events.cancel()
        async with asyncio.timeout(30):
            await service.double.left_early.wait()
        async with asyncio.timeout(30):
            while not (sums := (await service.calls.ListUsage(wire.ListUsageRequest())).usage):
                await asyncio.sleep(0.02)
    assert (sums[0].calls, sums[0].failed_calls) == (1, 1)
