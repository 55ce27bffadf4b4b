"""Batches as they are asked for over gRPC, with the execution mode that the setting names and a bus in between."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lace.llm_gateway.v1 import llm_gateway_pb2 as calls
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc as call_stubs
from lace.llm_gateway.v1 import templates_pb2 as wire
from lace.llm_gateway.v1 import templates_pb2_grpc as stubs
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.bootstrap import serve
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.bus.memory import MemoryBroker, MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as, open_channel
from tests.doubles.telling_control import telling
from tests.doubles.template_world import forget_prompts

ENDED = (wire.BATCH_STATE_COMPLETED, wire.BATCH_STATE_FAILED, wire.BATCH_STATE_CANCELLED)


@dataclass
class Service:
    """A running service in one execution mode, and its bus."""

    templates: Any
    providers: Any
    signer: IdentitySigner
    bus: MemoryBus

    def asking(self, tenant_id: str) -> Any:
        now = utc_now()
        scopes = frozenset({"runs:write", "runs:read", "providers:read"})
        none: frozenset[str] = frozenset()
        until = now + timedelta(minutes=5)
        identity = Identity("prn_1", tenant_id, none, scopes, none, "user", None, None, now, until, 0)
        signed = self.signer.sign(identity)
        deadline = time.monotonic() + 20
        return acting_as(
            CallContext(None, "r", "r", idempotency_key=new_id("key"), deadline=deadline, signed_identity=signed)
        )

    async def ask(self, tenant_id: str, method: str, request: Any) -> Any:
        with self.asking(tenant_id):
            return await getattr(self.templates, method)(request)

    async def ended(self, tenant_id: str, batch_id: str) -> wire.Batch:
        until = time.monotonic() + 30
        while True:
            batch: wire.Batch = await self.ask(tenant_id, "GetBatch", wire.GetBatchRequest(batch_id=batch_id))
            if batch.state in ENDED:
                return batch
            assert batch.state != wire.BATCH_STATE_PAUSED, batch
            assert time.monotonic() < until, batch
            await asyncio.sleep(0.02)


async def running(
    stack: AsyncExitStack, postgres: Any, folder: Any, mode: str, broker: MemoryBroker | None = None
) -> Service:
    """A service in a mode; services of one database share a broker, since each of them relays the one outbox."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    control = await stack.enter_async_context(telling())
    environ = {
        "LACE_DATA_DIR": str(folder),
        "LACE_DSN": postgres.admin_dsn,
        "LACE_DB_ROLE_SECRET": postgres.role_secret,
        "LACE_SERVICE_SECRET": "one secret for both modes",
        "LACE_ADDRESSES": f"llm_gateway={address},control={control}",
        "LACE_LLM_EXECUTION_MODE": mode,
    }
    forget_prompts(postgres.admin_dsn)
    config = load_process_config(None, environ)
    signer, verifier, bus = IdentitySigner(generate_private_key()), IdentityVerifier(), MemoryBus(broker)
    verifier.update_keys({signer.key_id: signer.public_key_pem})
    stack.push_async_callback(bus.close)
    blobs = FolderBlobStore(folder / "blobs", UrlSigner(config.url_signing_secret))
    await stack.enter_async_context(serve(config, Platform(config, blobs, bus, verifier)))
    channel = open_channel(address)
    stack.push_async_callback(channel.close)
    return Service(stubs.TemplateServiceStub(channel), call_stubs.ProviderServiceStub(channel), signer, bus)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


def template() -> wire.CreateTemplateRequest:
    content = wire.TemplateContent(name=f"n{new_id('n')}".replace("_", "-"), version="1", provider="extractive")
    content.messages.add(role="user", content="It rained in {{city}}. The mains were laid in 1934.")
    content.variables.add(name="city")
    content.locales.extend(["de-AT", "fr"])
    content.als.als_template_id = "als_1"
    for at in range(4):
        content.als.variants.add(variant_id=f"v{at}", text=f"The town has {at} wells.")
    return wire.CreateTemplateRequest(content=content)


async def test_both_execution_modes_give_identical_outputs(
    stack: AsyncExitStack, postgres: Any, tenant_id: str, tmp_path: Any
) -> None:
    asked, found, broker = template(), {}, MemoryBroker()
    for mode in ("sync", "queue"):
        service = await running(stack, postgres, tmp_path / mode, mode, broker)
        kept = await service.ask(tenant_id, "CreateTemplate", asked)
        order = wire.RunBatchRequest(template_id=kept.template_id, replicates=2)
        order.variables["city"] = "Graz"
        begun = await service.ask(tenant_id, "RunBatch", order)
        batch = await service.ended(tenant_id, begun.batch_id)
        assert (batch.state, batch.succeeded, batch.total) == (wire.BATCH_STATE_COMPLETED, 4, 4)
        assert (batch.execution_mode, batch.locked_version) == (mode, "extractive-1")
        requested = [m for m in service.bus.messages("llm.batch.requested") if m.tenant_id == tenant_id]
        assert len(requested) == (mode == "queue")
        listing = wire.ListTemplateRunsRequest(template_id=kept.template_id, batch_id=batch.batch_id)
        runs = (await service.ask(tenant_id, "ListTemplateRuns", listing)).runs
        found[mode] = sorted(
            (r.batch_run_index, r.locale, r.input_hash, r.response_output_sha256, r.als_block_sha256, r.output)
            for r in runs
        )
    assert found["sync"] == found["queue"]
    assert len(found["sync"]) == 4


async def test_a_time_that_is_none_is_refused(
    stack: AsyncExitStack, postgres: Any, tenant_id: str, tmp_path: Any
) -> None:
    service = await running(stack, postgres, tmp_path, "sync")
    with pytest.raises(LaceError) as failure:
        await service.ask(
            tenant_id,
            "ListTemplateRuns",
            wire.ListTemplateRunsRequest(template_id="tpl_1", since=Timestamp(seconds=10**15)),
        )
    assert failure.value.reason is Reason.INVALID_ARGUMENT
    assert failure.value.details[0].field == "/since"


async def test_versions_are_told_with_where_they_come_from(
    stack: AsyncExitStack, postgres: Any, tenant_id: str, tmp_path: Any
) -> None:
    service = await running(stack, postgres, tmp_path, "sync")
    answers = []
    for force in (True, False):
        with service.asking(tenant_id):
            request = calls.ListVersionsRequest(provider="extractive", force_refresh=force)
            answers.append(await service.providers.ListVersions(request))
    live, cached = answers
    assert (live.source, cached.source) == (calls.VERSIONS_SOURCE_LIVE, calls.VERSIONS_SOURCE_CACHE)
    assert list(live.versions) == list(cached.versions) == ["extractive-1"]
    assert live.etag == cached.etag != ""
    assert live.expires_at_utc.ToDatetime() - live.last_checked_utc.ToDatetime() == timedelta(seconds=300)
