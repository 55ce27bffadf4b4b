"""The contract's messages and the compiler's values, in both directions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lace.compiler.v1 import compiler_pb2
from lace.provenance.v1 import provenance_pb2
from lace_compiler.api import convert
from lace_compiler.app.list_compiled import Listed, Page
from lace_compiler.domain.attempt import Bundle, Cause, Compiled, Order, Origin, Status, Transformation
from lace_core.errors import LaceError, Reason
from lace_proto.json import from_json

NOW = datetime(2026, 5, 1, 12, 0, 0, 250000, tzinfo=UTC)
REQUESTED = {
    "job_id": "job_1",
    "run_id": "run_1",
    "tenant_id": "ten_1",
    "artifact_id": "art_1",
    "revision_id": "rev_1",
    "ir_uri": "lace-artifacts/x",
    "ir_sha256": "aa",
    "ir_hash": "bb",
    "target": "pdf",
    "settings_json": '{"compile.toc_depth":2}',
    "verification_json": '{"revision_id":"rev_1"}',
}
ORDER = Order(
    **{k: v for k, v in REQUESTED.items() if not k.endswith("_json")},
    settings={"compile.toc_depth": 2},
    verification=b'{"revision_id":"rev_1"}',
)
BUNDLE = Bundle("lace-compiled/x", "cc", 2**40, "application/pdf", "title.pdf")
COMPILED = Compiled(
    compiled_id="cmp_1",
    artifact_id="art_1",
    revision_id="rev_1",
    target="pdf",
    attempt=3,
    compiler_version="1.0.0",
    settings_hash="dd",
    ir_hash="bb",
    created_at=NOW,
    bundle=BUNDLE,
    warnings=("GLYPHS_MISSING: some", "FIGURE_AS_TEXT: one"),
)
FAILED = replace(COMPILED, bundle=None, error_code="COMPILE_FAILED", error_message="No.", warnings=())


def test_every_field_of_an_order_is_read() -> None:
    assert set(REQUESTED) == set(compiler_pb2.CompileRequested.DESCRIPTOR.fields_by_name)
    assert convert.order_of(json.dumps(REQUESTED).encode()) == ORDER


def test_an_order_without_settings_has_none() -> None:
    assert convert.order_of(json.dumps({**REQUESTED, "settings_json": ""}).encode()).settings == {}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", Reason.MALFORMED_JSON),
        (b'{"nobody": 1}', Reason.UNKNOWN_FIELD),
        (b'{"job_id": 7}', Reason.INVALID_ARGUMENT),
        (b'{"settings_json": "[1]"}', Reason.INVALID_ARGUMENT),
        (b'{"settings_json": "{"}', Reason.MALFORMED_JSON),
    ],
)
def test_what_is_no_order_is_refused(payload: bytes, reason: Reason) -> None:
    with pytest.raises(LaceError) as caught:
        convert.order_of(payload)
    assert caught.value.reason is reason


def test_every_field_of_an_attempt_is_written() -> None:
    message = convert.compiled_message(COMPILED, "/v1/blobs/token")
    written = {field.name for field, _ in message.ListFields()}
    assert written == set(message.DESCRIPTOR.fields_by_name) - {"error_code", "error_message"}
    assert (message.size_bytes, message.bundle_hash, message.attempt) == (2**40, "cc", 3)
    assert message.created_at.ToDatetime(UTC) == NOW
    failed = convert.compiled_message(FAILED)
    assert (failed.error_code, failed.error_message, failed.bundle_uri) == ("COMPILE_FAILED", "No.", "")


def test_every_status_has_its_member() -> None:
    members = {compiler_pb2.CompileStatus.Name(convert.compiled_message(c).status) for c in (COMPILED, FAILED)}
    assert members == {f"COMPILE_STATUS_{status.name}" for status in Status}
    assert len(compiler_pb2.CompileStatus.keys()) == len(Status) + 1


def test_a_page_keeps_its_order_links_and_token() -> None:
    page = Page((Listed(COMPILED, "/v1/blobs/a"), Listed(FAILED, "")), (NOW, "cmp_1"))
    response = convert.list_response(page, "token")
    assert [(c.bundle_uri, c.download_url) for c in response.compiled] == [("lace-compiled/x", "/v1/blobs/a"), ("", "")]
    assert response.next_page_token == "token"


def test_the_answer_names_its_job() -> None:
    answer = from_json(compiler_pb2.CompileCompleted, convert.completed_payload(ORDER, COMPILED))
    assert (answer.job_id, answer.run_id, answer.tenant_id) == ("job_1", "run_1", "ten_1")
    assert answer.compiled == convert.compiled_message(COMPILED)


def logged(compiled: Compiled, origin: Origin = Origin()) -> provenance_pb2.TransformationLog:
    cause = Cause("evt_1", "ten_1", "compile.requested", "req_1", "a" * 32, "b" * 16, "c" * 16)
    made = Transformation(cause, ORDER, compiled, origin, NOW)
    return from_json(provenance_pb2.TransformationLog, convert.transformation_payload(made))


def test_provenance_is_told_what_was_made_of_what() -> None:
    log = logged(COMPILED, Origin(("src_1", "src_2"), ("internal", "secret")))
    assert [(e.entity_id, e.content_hash, e.uri, e.kind) for e in log.inputs] == [
        ("rev_1", "aa", "lace-artifacts/x", "revision")
    ]
    assert [(e.entity_id, e.content_hash, e.uri, e.kind) for e in log.outputs] == [
        ("cmp_1", "cc", "lace-compiled/x", "compiled")
    ]
    assert (log.lineage.status, list(log.lineage.was_derived_from)) == ("complete", ["rev_1"])
    assert (log.trace_id, log.span_id, log.parent_span_id) == ("a" * 32, "b" * 16, "c" * 16)
    assert (log.correlation_id, log.run_id, log.stage) == ("req_1", "run_1", "compile")
    assert list(log.provenance.sources) == ["src_1", "src_2"]
    assert list(log.security.abac_labels) == ["internal", "secret"]
    assert list(log.pedigree.risk_flags) == ["GLYPHS_MISSING", "FIGURE_AS_TEXT"]


def test_a_failure_is_logged_without_an_output() -> None:
    log = logged(FAILED)
    assert (list(log.outputs), log.lineage.status, list(log.pedigree.risk_flags)) == ([], "fail", ["COMPILE_FAILED"])
    assert log.security.classification == "unclassified"


def test_a_log_is_the_same_log_when_it_is_sent_again() -> None:
    assert logged(COMPILED).id == logged(COMPILED).id != logged(replace(COMPILED, compiled_id="cmp_2")).id
