"""Values that gRPC can carry and the API's JSON cannot tell: refused where requests come in, by pointer."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from lace.control.v1.control_pb2 import AuditEntry, RecordAuditEntryRequest
from lace.runs.v1.policies_pb2 import ActivatePolicyRequest
from lace.runs.v1.runs_pb2 import ReplayEventsResponse, StartRunRequest
from lace_core.errors import LaceError, Reason
from lace_platform.rpc.validation import validate
from lace_proto import json as wire_json


def _activate(seconds: int, nanos: int = 0) -> ActivatePolicyRequest:
    request = ActivatePolicyRequest(name="house")
    request.effective_at.seconds, request.effective_at.nanos = seconds, nanos
    return request


def _start(number: float) -> StartRunRequest:
    request = StartRunRequest(pipeline_id="generate", title="x")
    request.settings.update({"a": 1, "b": {"c/d": ["text", {"e": number}]}})
    return request


def _audit(number: float, seconds: int) -> RecordAuditEntryRequest:
    entry = AuditEntry(action="a")
    entry.details["n"] = number
    entry.occurred_at.seconds = seconds
    return RecordAuditEntryRequest(tenant_id="ten_1", entry=entry)


def _refused(request: Message) -> list[str]:
    with pytest.raises(LaceError) as refused:
        validate(request)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    return [detail.field for detail in refused.value.details]


@pytest.mark.parametrize(
    ("request_", "pointers"),
    [
        (_activate(10**15), ["/effective_at"]),
        (_activate(253_402_300_800), ["/effective_at"]),
        (_activate(-62_135_596_801), ["/effective_at"]),
        (_activate(0, 10**9), ["/effective_at"]),
        (_activate(0, -1), ["/effective_at"]),
        (_start(float("nan")), ["/settings/b/c~1d/1/e"]),
        (_start(float("-inf")), ["/settings/b/c~1d/1/e"]),
        (_audit(float("inf"), 10**15), ["/entry/occurred_at", "/entry/details/n"]),
    ],
)
def test_what_json_cannot_tell_is_refused(request_: Message, pointers: list[str]) -> None:
    assert _refused(request_) == pointers


@pytest.mark.parametrize(
    "request_",
    [_activate(253_402_300_799, 999_999_999), _activate(-62_135_596_800), _start(1e308), ReplayEventsResponse()],
)
def test_what_json_can_tell_passes(request_: Message) -> None:
    validate(request_)
    wire_json.to_python(request_)


def test_a_rule_and_a_value_that_are_broken_are_told_together() -> None:
    request = _activate(10**15)
    request.name = ""
    assert _refused(request) == ["/name", "/effective_at"]


def test_values_in_lists_are_told_by_their_places() -> None:
    message = ReplayEventsResponse()
    message.events.add().occurred_at.seconds = 1
    message.events.add().occurred_at.seconds = 10**15
    assert _refused(message) == ["/events/1/occurred_at"]


def test_values_in_maps_are_told_by_their_keys() -> None:
    message = Struct()
    message["a/b"] = float("nan")
    assert _refused(message) == ["/fields/a~1b"]
