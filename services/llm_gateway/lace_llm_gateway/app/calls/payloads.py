"""Keeping prompts and answers whole, for those who may read more than the samples that events show."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from lace_core.canonical import canonical_json
from lace_core.errors import LaceError
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.domain.calls import Call, Kept
from lace_llm_gateway.domain.exchange import ProviderRequest

_LONGEST_S = 5.0
_PAUSE_S = 0.2

log = structlog.get_logger(__name__)


async def with_payloads(gateway: Gateway, tenant_id: str, request: ProviderRequest, redaction: str, call: Call) -> Call:
    """The settled call with where its prompt and answer are kept, under the hashes that the ledger has of them.

    Keeping the same again changes nothing. A store that does not take them costs the copy, not the paid answer: then
    there is no address. Calls outside runs are in nobody's events, and are not kept.
    """
    if not call.key.run_id or call.settlement is None:
        return call
    prompt = await asyncio.to_thread(prompt_bytes, request)
    answer = call.settlement.output.encode()
    prompt_uri, output_uri = await asyncio.gather(
        _keep(gateway, tenant_id, call, call.key.input_hash, prompt),
        _keep(gateway, tenant_id, call, call.settlement.output_hash, answer),
    )
    return replace(call, kept=Kept(prompt_uri, output_uri, redaction))


def prompt_bytes(request: ProviderRequest) -> bytes:
    """The messages as the bytes that `input_hash` is the SHA-256 of."""
    return canonical_json([{"role": message.role, "content": message.content} for message in request.messages])


async def _keep(gateway: Gateway, tenant_id: str, call: Call, sha256: str, data: bytes) -> str:
    try:
        async with asyncio.timeout(_LONGEST_S):
            while True:
                try:
                    return await gateway.payloads.keep(tenant_id, call.key.run_id, sha256, data)
                except LaceError as error:
                    if not error.retryable:
                        raise
                await gateway.sleep(_PAUSE_S)
    except (TimeoutError, LaceError) as error:
        log.warning("payload_not_kept", run_id=call.key.run_id, call_id=call.call_id, error=str(error) or "timeout")
        return ""
