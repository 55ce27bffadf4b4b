"""Logs that are packed together come out as they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_provenance.adapters.packing import entity_key, key_of, logs_of, rows_json
from lace_provenance.domain.edges import entities_of
from lace_provenance.domain.logs import Retention, Security, TransformationLog

from .strategies import logs

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_LOG = TransformationLog("tlg_1", "ten_1", "run_1", "write", "write:x", _NOON, _NOON, "runs/1")


@dataclass(frozen=True)
class Row:
    """A row as it is read again."""

    tenant_id: str
    log_ids: list[str]
    payload: bytes


def _unpacked(packed: bytes, tenant_id: str) -> list[TransformationLog]:
    rows = [Row(tenant_id, row["log_ids"], orjson.dumps(row["payload"])) for row in orjson.loads(packed)]
    return [log for row in rows for log in logs_of(row)]


@given(st.lists(logs, min_size=1, max_size=4), st.booleans())
def test_every_log_comes_out_as_it_was(given_logs: list[TransformationLog], alike: bool) -> None:
    first = given_logs[0]
    of_tenant = [replace(log, tenant_id="ten_1", id=f"tlg_{n}") for n, log in enumerate(given_logs)]
    if alike:  # in one row, with much in common
        of_tenant = [replace(log, run_id=first.run_id, security=first.security) for log in of_tenant]
        of_tenant = [replace(log, retention=first.retention, inputs=first.inputs) for log in of_tenant]
    by_id = {log.id: log for log in _unpacked(rows_json(of_tenant), "ten_1")}
    assert by_id == {log.id: log for log in of_tenant}


@given(logs)
def test_a_row_mentions_each_content_once(log: TransformationLog) -> None:
    (row,) = orjson.loads(rows_json([log, replace(log, id="another")] if log.run_id else [log]))
    mentioned = [(mention["entity"], mention["content"]) for mention in row["mentions"]]
    named = [(entity_key(log.tenant_id, e.entity_id), key_of(e.content_hash)) for e in entities_of(log)]
    assert sorted(mentioned) == sorted(named)


def test_logs_share_a_row_where_whoever_may_see_one_may_see_all() -> None:
    others = [
        replace(_LOG, id="tlg_2"),
        replace(_LOG, id="tlg_3", run_id="run_2"),
        replace(_LOG, id="tlg_4", security=Security(abac_labels=("secret",))),
        replace(_LOG, id="tlg_5", retention=Retention("keep", _NOON)),
        replace(_LOG, id="tlg_6", run_id=""),
        replace(_LOG, id="tlg_7", run_id=""),
    ]
    rows = orjson.loads(rows_json([_LOG, *others]))
    assert [row["log_ids"] for row in rows] == [
        ["tlg_1", "tlg_2"], ["tlg_3"], ["tlg_4"], ["tlg_5"], ["tlg_6"], ["tlg_7"]
    ]  # fmt: skip


def test_what_all_say_is_said_once() -> None:
    others = [replace(_LOG, id=f"tlg_{n}", correlation_id="req_1", stage=f"s{n}") for n in range(32)]
    (row,) = orjson.loads(rows_json(others))
    assert row["payload"]["common"] == {
        "run_id": "run_1", "activity_name": "write:x", "agent": "runs/1", "correlation_id": "req_1"
    }  # fmt: skip
    assert {frozenset(own) for own in row["payload"]["logs"]} == {frozenset({"stage", "started_at", "ended_at"})}


@pytest.mark.parametrize("text", ["\x00", "\\\x00", "a\x00b"])
def test_nul_is_refused(text: str) -> None:
    with pytest.raises(LaceError) as refused:
        rows_json([_LOG, replace(_LOG, id="tlg_2", correlation_id=text)])
    assert refused.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "u0000"])
def test_what_only_looks_like_nul_is_kept(text: str) -> None:
    log = replace(_LOG, correlation_id=text)
    assert _unpacked(rows_json([log]), "ten_1") == [log]
