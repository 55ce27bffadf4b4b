"""The running service before a provider that is down, and before tenants that may spend no more."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace.llm_gateway.v1 import budgets_pb2, budgets_pb2_grpc
from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc as stubs
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.bootstrap import serve
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.bus.memory import MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.rpc import CallContext, RpcServer, acting_as, open_channel
from tests.doubles.telling_control import StoredSettings
from tests.doubles.template_world import forget_prompts

SECRET = "the-secret-of-the-test-s-services"


class Control(control_pb2_grpc.AuthServiceServicer, control_pb2_grpc.TenantServiceServicer):
    """The part of control that the model gateway asks: identities for services, and the quotas of tenants."""

    def __init__(self, signer: IdentitySigner) -> None:
        self._signer = signer
        self.quotas: dict[str, control_pb2.Quotas] = {}
        self.asked = 0

    async def IssueServiceIdentity(self, request: Any, context: Any) -> control_pb2.IssueServiceIdentityResponse:
        assert request.secret == SECRET
        answer = control_pb2.IssueServiceIdentityResponse(identity=self._signer.sign(_identity("", "service")))
        answer.expires_at.FromDatetime(utc_now() + timedelta(minutes=5))
        return answer

    async def ReadQuotas(self, request: control_pb2.ReadQuotasRequest, context: Any) -> control_pb2.Quotas:
        self.asked += 1
        return self.quotas.get(request.tenant_id, control_pb2.Quotas(tenant_id=request.tenant_id))


def _identity(tenant_id: str, kind: Any) -> Identity:
    now = utc_now()
    return Identity(
        principal_id="prn_1",
        tenant_id=tenant_id,
        roles=frozenset({"member"}),
        scopes=frozenset({"runs:write", "runs:read", "settings:read"}),
        labels=frozenset(),
        kind=kind,
        run_id=None,
        token_id=None,
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
        epoch=0,
    )


@dataclass
class Service:
    """A running service with its provider and its control."""

    calls: Any
    budgets: Any
    signer: IdentitySigner
    double: Any
    control: Control
    changed: Callable[[], Awaitable[None]]

    def acting(self, tenant_id: str) -> Any:
        signed = self.signer.sign(_identity(tenant_id, "user"))
        return acting_as(CallContext(None, "req_1", "req_1", deadline=time.monotonic() + 20, signed_identity=signed))

    async def says(
        self, tenant_id: str, settings: Mapping[str, Any] | None = None, text: str = "hello"
    ) -> wire.GenerateResponse:
        given = {"llm.provider": "openai", "llm.model": "gpt-4o-mini", "llm.retries": 0, **(settings or {})}
        request = wire.GenerateRequest(
            messages=[wire.Message(role="user", content=text)],
            max_output_tokens=64,
            settings_json=orjson.dumps(given).decode(),
        )
        with self.acting(tenant_id):
            answer: wire.GenerateResponse = await self.calls.Generate(request)
            return answer

    async def fails(self, tenant_id: str, settings: Mapping[str, Any] | None = None, text: str = "hello") -> LaceError:
        with pytest.raises(LaceError) as failure:
            await self.says(tenant_id, settings, text)
        return failure.value

    async def puts(self, tenant_id: str, **limits: Any) -> None:
        version = self.control.quotas.get(tenant_id, control_pb2.Quotas()).version + 1
        self.control.quotas[tenant_id] = control_pb2.Quotas(tenant_id=tenant_id, version=version, **limits)
        await self.changed()


@pytest.fixture(scope="module")
async def service(
    postgres: Any, replies: Any, system_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    address, control_address = _free_address(), _free_address()
    folder = tmp_path_factory.mktemp("llm_gateway")
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(replies.serving())
        environ = {
            "LACE_DATA_DIR": str(folder),
            "LACE_DSN": postgres.admin_dsn,
            "LACE_DB_ROLE_SECRET": postgres.role_secret,
            "LACE_SERVICE_SECRET": SECRET,
            "LACE_ADDRESSES": f"llm_gateway={address},control={control_address}",
            "LACE_LLM_BREAKER_MIN_CALLS": "4",
            "LACE_LLM_BREAKER_OPEN_S": "1",
            "LACE_LLM_BUDGET_SLICE_TOKENS": "500",
            "OPENAI_API_KEY": "sk-of-the-test-000000",
            "OPENAI_BASE_URL": double.base_url,
        }
        forget_prompts(postgres.admin_dsn)
        config = load_process_config(None, environ)
        signer, verifier, bus = IdentitySigner(generate_private_key()), IdentityVerifier(), MemoryBus()
        verifier.update_keys({signer.key_id: signer.public_key_pem})
        stack.push_async_callback(bus.close)
        control = Control(signer)  # type: ignore[abstract]  # what the gateway does not ask is left to the base
        server = RpcServer("control", verifier=verifier)
        server.add(control_pb2_grpc.add_AuthServiceServicer_to_server, control)
        server.add(control_pb2_grpc.add_TenantServiceServicer_to_server, control)
        settings = StoredSettings({})  # type: ignore[abstract]
        server.add(control_pb2_grpc.add_SettingsServiceServicer_to_server, settings)
        await server.start(control_address)
        stack.push_async_callback(server.stop)
        blobs = FolderBlobStore(folder / "blobs", UrlSigner(config.url_signing_secret))
        await stack.enter_async_context(serve(config, Platform(config, blobs, bus, verifier)))
        channel = open_channel(address)
        stack.push_async_callback(channel.close)
        system = system_database("control")

        async def changed() -> None:
            await system.notify(["control_settings"])

        calls, budgets = stubs.GenerationServiceStub(channel), budgets_pb2_grpc.BudgetServiceStub(channel)
        yield Service(calls, budgets, signer, double, control, changed)


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_a_provider_that_is_down_costs_nothing_once_its_circuit_is_open_and_another_answers(
    service: Service, tenant_id: str, replies: Any
) -> None:
    model = {"llm.model": "gpt-4o"}
    service.double.will(*[replies.error(500, "down")] * 4)
    for _ in range(4):
        assert (await service.fails(tenant_id, model)).reason is Reason.PROVIDER_UNAVAILABLE
    asked = len(service.double.requests)
    refused = await service.fails(tenant_id, model)
    assert refused.reason is Reason.PROVIDER_UNAVAILABLE
    assert refused.retry_after is not None
    assert 0 < refused.retry_after <= 1.0
    assert len(service.double.requests) == asked  # the provider heard nothing of it

    service.double.will(replies.text("mini is well"))
    answer = await service.says(tenant_id, {**model, "llm.fallbacks": ["openai/gpt-4o-mini"]})
    assert answer.output == "mini is well"
    assert [request["model"] for request in service.double.requests[asked:]] == ["gpt-4o-mini"]
    assert answer.call.requested_model == "gpt-4o"
    assert answer.call.answered_model.startswith("gpt-4o-mini")

    async with asyncio.timeout(30):  # and it is found well again
        while True:
            try:
                assert (await service.says(tenant_id, model)).output == "ready"
                break
            except LaceError:
                await asyncio.sleep(0.1)


async def test_a_budget_that_is_spent_refuses_with_its_name_and_is_shown(service: Service, tenant_id: str) -> None:
    await service.puts(tenant_id, tokens_per_day=1000)
    await service.says(tenant_id)
    asked = len(service.double.requests)
    refused = await service.fails(tenant_id, text="word " * 1500)
    assert refused.reason is Reason.QUOTA_EXCEEDED
    assert refused.details[0].description == "tokens_per_day"
    assert len(service.double.requests) == asked
    async with asyncio.timeout(30):
        while (shown := await _shown(service, tenant_id))[0].spent_tokens != 18:
            await asyncio.sleep(0.1)
    assert [(each.principal_id, each.limit_tokens) for each in shown] == [
        ("", 1000),
        ("", 0),
        ("prn_1", 0),
        ("prn_1", 0),
    ]
    assert {each.spent_micro_usd for each in shown} == {6}
    assert shown[0].resets_at.ToDatetime() - shown[0].starts_at.ToDatetime() == timedelta(days=1)


async def test_a_new_quota_holds_within_seconds(service: Service, tenant_id: str) -> None:
    await service.says(tenant_id)
    await service.puts(tenant_id, micro_usd_per_month=1)
    async with asyncio.timeout(30):
        while True:
            try:
                await service.says(tenant_id)
            except LaceError as error:
                if error.reason is not Reason.QUOTA_EXCEEDED:
                    raise
                break
            await asyncio.sleep(0.05)
    await service.puts(tenant_id)
    async with asyncio.timeout(30):
        while True:
            try:
                await service.says(tenant_id)
                break
            except LaceError:
                await asyncio.sleep(0.05)


async def test_control_is_asked_seldom(service: Service, tenant_id: str) -> None:
    await service.says(tenant_id)
    asked = service.control.asked
    await asyncio.gather(*(service.says(tenant_id) for _ in range(20)))
    assert service.control.asked <= asked + 3  # what was told holds for seconds, also of tenants of other tests


async def test_budgets_of_others_are_not_shown(service: Service, tenant_id: str) -> None:
    with pytest.raises(LaceError) as refused, service.acting("ten_other"):
        await service.budgets.GetBudgets(budgets_pb2.GetBudgetsRequest(tenant_id=tenant_id))
    assert refused.value.reason is Reason.TENANT_NOT_FOUND


@pytest.mark.parametrize("price", ["openai/gpt-4o-mini=-1:2@2025-01-01", "openai/gpt-4o-mini=1:2@2999-01-01"])
async def test_an_absurd_price_is_refused_before_the_call(service: Service, tenant_id: str, price: str) -> None:
    asked = len(service.double.requests)
    assert (await service.fails(tenant_id, {"llm.prices": [price]})).reason is Reason.PRICE_INVALID
    assert len(service.double.requests) == asked


async def test_a_price_of_one_s_own_is_what_the_call_costs(service: Service, tenant_id: str) -> None:
    answer = await service.says(tenant_id, {"llm.prices": ["openai/gpt-4o-mini=1000000:500000@2025-01-01"]})
    assert answer.call.cost_micro_usd == 11 * 1_000_000 + 7 * 500_000


async def _shown(service: Service, tenant_id: str) -> list[budgets_pb2.Budget]:
    with service.acting(tenant_id):
        answer = await service.budgets.GetBudgets(budgets_pb2.GetBudgetsRequest(tenant_id=tenant_id))
    return list(answer.budgets)
