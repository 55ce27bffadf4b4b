"""Validation, access rules and the call context, without a server."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from lace.control.v1 import control_pb2
from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity
from lace_platform.rpc import CallContext, acting_as, call_or_none, current_call, validate
from lace_platform.rpc.access import Access, access_of
from lace_platform.rpc.client import may_repeat, service_of


def _identity(kind: Any = "user", *scopes: str) -> Identity:
    now = datetime.now(UTC)
    return Identity("prn", "ten", frozenset(), frozenset(scopes), frozenset(), kind, None, None, now, now, 0)


def test_each_broken_rule_is_told_with_its_pointer() -> None:
    request = control_pb2.CreateTokenRequest(name="", scopes=["ok", "x" * 65])
    with pytest.raises(LaceError) as caught:
        validate(request)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert [detail.field for detail in caught.value.details] == ["/name", "/scopes/1"]
    validate(control_pb2.CreateTokenRequest(name="x"))


@pytest.mark.parametrize(
    ("access", "identity", "reason"),
    [
        (Access(open=True), None, None),
        (Access(), None, Reason.TOKEN_MISSING),
        (Access(), _identity(), None),
        (Access(scope="runs:read"), None, Reason.TOKEN_MISSING),
        (Access(scope="runs:read"), _identity(), Reason.PERMISSION_DENIED),
        (Access(scope="runs:read"), _identity("user", "runs:read"), None),
        (Access(internal=True), None, Reason.TOKEN_MISSING),
        (Access(internal=True), _identity("user", "admin"), Reason.PERMISSION_DENIED),
        (Access(internal=True), _identity("run", "admin"), Reason.PERMISSION_DENIED),
        (Access(internal=True), _identity("service"), None),
    ],
)
def test_access(access: Access, identity: Identity | None, reason: Reason | None) -> None:
    if reason is None:
        access.check(identity)
        return
    with pytest.raises(LaceError) as caught:
        access.check(identity)
    assert caught.value.reason is reason


def test_access_comes_from_the_contract() -> None:
    assert control_pb2.DESCRIPTOR.name
    assert access_of("/lace.control.v1.AuthService/Authenticate") == Access(open=True)
    assert access_of("/lace.control.v1.AuthService/IssueRunGrant") == Access(internal=True)
    assert access_of("/lace.control.v1.AuthService/CreateToken") == Access(scope="admin")
    assert access_of("/no.Such/Method") == Access()
    assert may_repeat("/lace.control.v1.AuthService/ListTokens")
    assert not may_repeat("/lace.control.v1.AuthService/CreateToken")
    assert not may_repeat("/no.Such/Method")
    assert service_of("/lace.control.v1.AuthService/CreateToken") == "control"


def test_outside_of_a_call_there_is_none() -> None:
    assert call_or_none() is None
    with pytest.raises(LookupError):
        current_call()


async def test_acting_as_reaches_the_tasks_started_within_and_ends_with_its_block() -> None:
    async def look() -> str:
        await asyncio.sleep(0)
        return current_call().request_id

    with acting_as(CallContext(None, "req_1", "cor_1")):
        with acting_as(CallContext(None, "req_2", "cor_1")):
            inner = asyncio.create_task(look())
        assert current_call().request_id == "req_1"
    assert call_or_none() is None
    assert await inner == "req_2"


def test_remaining_time_and_the_caller() -> None:
    call = CallContext(_identity(), "req", "cor", deadline=time.monotonic() + 10)
    assert 9 < (call.remaining() or 0) <= 10
    assert (call.tenant_id, call.principal_id) == ("ten", "prn")
    nobody = CallContext(None, "req", "cor", deadline=time.monotonic() - 1)
    with pytest.raises(LaceError) as caught:
        nobody.remaining()
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    with pytest.raises(LaceError) as caught:
        _ = nobody.tenant_id
    assert caught.value.reason is Reason.TOKEN_MISSING
    assert CallContext(None, "req", "cor").remaining() is None
