"""What all servicers of the service share: who calls, and mutations that take effect once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message as WireMessage

from lace_core.canonical import canonical_json
from lace_platform.rpc import current_call
from lace_proto import json as wire_json
from lace_runs.app.ports import Caller, OpenUnitOfWork, UnitOfWork

M = TypeVar("M", bound=WireMessage)


def caller() -> Caller:
    """The caller of the call under way."""
    call = current_call()
    identity = call.identity
    return Caller(
        tenant_id=call.tenant_id,
        principal_id=call.principal_id,
        roles=identity.roles if identity else frozenset(),
        scopes=identity.scopes if identity else frozenset(),
        labels=call.labels,
        request_id=call.request_id,
        correlation_id=call.correlation_id,
        idempotency_key=call.idempotency_key or "",
        traceparent=call.traceparent or "",
    )


async def once(
    open_work: OpenUnitOfWork,
    route: str,
    request: WireMessage,
    answer: type[M],
    effect: Callable[[UnitOfWork], Awaitable[M]],
) -> M:
    """The answer of a mutation: the effect's, committed with it, or the one kept from the first time."""
    async with open_work(current_call().tenant_id) as work:

        async def run() -> bytes:
            return (await effect(work)).SerializeToString(deterministic=True)

        kept, replayed = await work.once(route, canonical(request), run)
        if not replayed:
            await work.commit()
    return answer.FromString(kept)


def canonical(request: WireMessage) -> bytes:
    """The request as its Idempotency-Key remembers it."""
    return canonical_json(wire_json.to_python(request))


class _NotAnswered(Exception):
    pass


async def answered(open_work: OpenUnitOfWork, route: str, request: WireMessage, answer: type[M]) -> M | None:
    """The answer that the same mutation got before, None where it is the first: for what is checked before it."""

    async def nothing(_: UnitOfWork) -> M:
        raise _NotAnswered

    try:
        return await once(open_work, route, request, answer, nothing)
    except _NotAnswered:
        return None
