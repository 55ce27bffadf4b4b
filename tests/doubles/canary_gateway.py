"""The model gateway in a process of its own, whose keys are canaries, called so that everything goes wrong once.

What it writes to standard output and error, spans included, is the test's to read. The database and the servers behind
its providers are the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc as stubs
from lace_core.errors import LaceError
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.bootstrap import serve
from lace_platform import telemetry
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.bus.memory import MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.rpc import CallContext, acting_as, open_channel
from lace_platform.rpc.tracing import make_spans
from lace_platform.scrubbing import ScrubbedSpans, Scrubber
from tests.doubles.telling_control import telling

PROVIDERS = ("openai", "anthropic", "gemini")


def _trace(scrub: Scrubber) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ScrubbedSpans(ConsoleSpanExporter(), scrub)))
    trace.set_tracer_provider(provider)
    make_spans()


def _caller(signer: IdentitySigner, tenant_id: str) -> CallContext:
    now = utc_now()
    identity = Identity(
        principal_id="prn_1", tenant_id=tenant_id, roles=frozenset({"member"}), labels=frozenset(), kind="user",
        scopes=frozenset({"runs:write", "runs:read", "providers:read"}), run_id=None, token_id=None, issued_at=now,
        expires_at=now + timedelta(minutes=5), epoch=0,
    )  # fmt: skip
    return CallContext(None, "req_1", "req_1", deadline=time.monotonic() + 20, signed_identity=signer.sign(identity))


async def _tell(work: Any) -> None:
    """What came of a call, as its caller sees it."""
    try:
        print("ANSWER", await work, flush=True)
    except LaceError as failure:
        print("FAILURE", repr(failure), failure.details, flush=True)


async def main(tenant_id: str) -> None:
    """Calls every provider in every way there is."""
    async with telling() as control:
        await _call_all(tenant_id, control)


async def _call_all(tenant_id: str, control: str) -> None:
    config = load_process_config(None, dict(os.environ))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = replace(config, addresses={**config.addresses, "llm_gateway": address, "control": control})
    telemetry.configure("llm_gateway", config)
    _trace(Scrubber(config))
    structlog.get_logger("canary").debug("begun", config=config, environ=config.environ, secrets=config.secrets)
    signer, verifier, bus = IdentitySigner(generate_private_key()), IdentityVerifier(), MemoryBus()
    verifier.update_keys({signer.key_id: signer.public_key_pem})
    blobs = FolderBlobStore(config.data_dir / "blobs", UrlSigner(config.url_signing_secret))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        await stack.enter_async_context(serve(config, Platform(config, blobs, bus, verifier)))
        channel = open_channel(address)
        stack.push_async_callback(channel.close)
        calls, providers = stubs.GenerationServiceStub(channel), stubs.ProviderServiceStub(channel)
        with acting_as(_caller(signer, tenant_id)):
            for provider in PROVIDERS:
                for attempt in range(1, 9):
                    settings = f'{{"llm.provider":"{provider}","llm.retries":0}}'
                    request = wire.GenerateRequest(
                        messages=[wire.Message(role="user", content="Say ready.")], settings_json=settings,
                        run_id="run_canary", step_id=provider, attempt=attempt,
                    )  # fmt: skip
                    await _tell(calls.Generate(request))
                await _tell(providers.ValidateProvider(wire.ValidateProviderRequest(provider=provider)))
                await _tell(providers.ListVersions(wire.ListVersionsRequest(provider=provider, force_refresh=True)))
            _break_the_client()
            for provider in PROVIDERS:
                request = wire.GenerateRequest(
                    messages=[wire.Message(role="user", content="Say ready.")], run_id="run_canary", step_id="broken",
                    settings_json=f'{{"llm.provider":"{provider}"}}',
                )  # fmt: skip
                await _tell(calls.Generate(request))
            listed = await calls.ListCalls(wire.ListCallsRequest(run_id="run_canary", page_size=500))
            print("LEDGER", len(listed.calls), listed, flush=True)
            print("CAPABILITIES", await providers.ListCapabilities(wire.ListCapabilitiesRequest()), flush=True)
    print("METRICS", telemetry.metrics().decode(), flush=True)
    print("BLOBS", sum(1 for path in Path(config.data_dir).rglob("*") if path.is_file()), flush=True)


def _break_the_client() -> None:
    """A fault of the library that makes requests, which tells all that it was given."""

    def fail(self: HttpClient, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"cannot send {self._headers} {args} {kwargs}")

    HttpClient._request = fail  # type: ignore[method-assign]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
