"""The right to ask models on behalf of a principal: a grant from control, renewed before it ends."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_ingest.app.ports import Caller
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, ServiceIdentity, acting_as, call_or_none

# What the gateway asks of who embeds, ranks, counts and generates. A search needs sources:read alone: what it costs is
# charged to the principal all the same, within his budget.
_SCOPES = ("runs:write",)
_NAME = "ingest"
_RENEW_BEFORE_S = 30.0
_MOST = 1_000


class ModelGrants:
    """Grants by tenant and principal; control is asked under the service's own identity."""

    def __init__(self, control: grpc.aio.Channel, identity: ServiceIdentity) -> None:
        self._stub = control_pb2_grpc.AuthServiceStub(control)
        self._identity = identity
        self._grants: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    @contextmanager
    def acting(self, caller: Caller, timeout_s: float) -> Iterator[None]:
        """Within the block calls are made for the caller, within so many seconds and the call under way."""
        under_way = call_or_none() or _nobody()
        deadline = time.monotonic() + timeout_s
        call = replace(
            under_way,
            identity=None,
            idempotency_key=None,
            signed_identity=None,
            deadline=deadline if under_way.deadline is None else min(deadline, under_way.deadline),
            sign=partial(self._grant, caller),
        )
        with acting_as(call):
            yield

    async def _grant(self, caller: Caller) -> str:
        key = (caller.tenant_id, caller.principal_id)
        signed, renew_at = self._grants.get(key, ("", 0.0))
        if time.time() < renew_at:
            self._grants.move_to_end(key)
            return signed
        # In calls of its own: the one under way asks for this very grant.
        asking = replace(call_or_none() or _nobody(), sign=None)
        with acting_as(asking):
            own = await self._identity.token()
        with acting_as(replace(asking, signed_identity=own)):
            grant = await self._stub.IssueRunGrant(
                control_pb2.IssueRunGrantRequest(
                    run_id=_NAME, tenant_id=caller.tenant_id, principal_id=caller.principal_id, scopes=_SCOPES
                )
            )
        self._grants[key] = (grant.identity, grant.expires_at.ToNanoseconds() / 1e9 - _RENEW_BEFORE_S)
        while len(self._grants) > _MOST:
            self._grants.popitem(last=False)
        return grant.identity


def _nobody() -> CallContext:
    request_id = new_id("req")
    return CallContext(identity=None, request_id=request_id, correlation_id=request_id)
