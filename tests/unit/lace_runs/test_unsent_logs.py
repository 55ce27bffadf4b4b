"""Logs on their way out: when they are due, and that none is lost with a boundary that was refused."""

from __future__ import annotations

from typing import Any

from lace_core.canonical import sha256_hex
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_runs.app.provenance import UnsentLogs
from lace_runs.domain.runs import Request, Run, RunState, StepRecord

RUN = Run(
    tenant_id="ten_1",
    run_id="run_1",
    pipeline_id="noop10",
    pipeline_version=1,
    state=RunState.RUNNING,
    request=Request(),
    artifact_id="",
    requested_by="prn_1",
    settings=resolve([]).values,
    settings_hash=sha256_hex(b""),
    settings_uri="lace-artifacts/settings",
    scopes=(),
    labels=("nato",),
    request_id="req",
    correlation_id="cor",
    idempotency_key="key",
    traceparent="",
    created_at=utc_now(),
)


def _step(name: str, **log: Any) -> StepRecord:
    now = utc_now()
    return StepRecord(name, name, "", 1, "succeeded", now, now, "0" * 64, log=log)


def _names(messages: Any) -> list[list[str]]:
    return [[log["activity_name"] for log in message.payload["logs"]] for message in messages]


def test_a_few_wait_and_many_do_not() -> None:
    logs = UnsentLogs(RUN, "wrk_1", [])
    for number in range(31):
        assert not logs.are_due()
        logs.add(_step(f"step{number}"))
    assert logs.are_due()
    assert _names(logs.messages(logs.take(), [_step("last")])) == [[*(f"step{n}" for n in range(31)), "last"]]
    assert not logs.are_due()


def test_those_of_an_earlier_holder_leave_first_and_under_no_workers_name() -> None:
    logs = UnsentLogs(RUN, "wrk_2", [_step("old")])
    assert logs.are_due()
    before, own = logs.messages(logs.take(), [_step("new")])
    assert _names([before, own]) == [["old"], ["new"]]
    assert "wrk_2" not in before.payload["common"]["agent"]
    assert own.payload["common"]["agent"].endswith(" wrk_2")


def test_what_a_refused_boundary_took_leaves_with_the_next() -> None:
    logs = UnsentLogs(RUN, "wrk_1", [_step("old")])
    logs.add(_step("one"))
    taken = logs.take()
    logs.add(_step("two"))
    logs.put_back(taken)
    assert _names(logs.messages(logs.take(), [])) == [["old"], ["one", "two"]]


def test_a_message_is_the_same_when_it_is_sent_again() -> None:
    first, again = (UnsentLogs(RUN, "wrk_1", []).messages(UnsentLogs(RUN, "", []).take(), [_step("a")]) for _ in "12")
    assert first[0].message_id == again[0].message_id


def test_what_a_log_says_of_its_own_comes_beside_what_all_say() -> None:
    used = {"entity_id": "src_1", "content_hash": "1" * 64, "uri": "u", "kind": "source"}
    step = _step("write:nod_1", inputs=[used], sources=["src_1"], labels=["secret"], trace=["t", "s", "p"])
    logs = UnsentLogs(RUN, "wrk_1", [])
    [message] = logs.messages(logs.take(), [step, _step("plain")])
    mine, plain = message.payload["logs"]
    assert message.payload["common"]["inputs"][0]["kind"] == "settings"
    assert mine["inputs"] == [used]
    assert mine["security"] == {"classification": "secret", "abac_labels": ["nato", "secret"]}
    assert plain["security"]["abac_labels"] == ["nato"]
    assert (mine["trace_id"], mine["span_id"], mine["parent_span_id"]) == ("t", "s", "p")
    assert {"inputs", "trace_id", "genai"}.isdisjoint(plain)
