"""Between the contract's messages and the compiler's own values; nothing else knows both."""

from __future__ import annotations

from typing import Any

from lace.compiler.v1 import compiler_pb2
from lace.provenance.v1 import provenance_pb2
from lace_compiler.app.list_compiled import Listed, Page
from lace_compiler.domain.attempt import Compiled, Order, Status, Transformation
from lace_compiler.domain.version import COMPILER_VERSION
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_proto.json import from_json, parse, to_json

_STATUS = {
    Status.SUCCEEDED: compiler_pb2.COMPILE_STATUS_SUCCEEDED,
    Status.FAILED: compiler_pb2.COMPILE_STATUS_FAILED,
}
_LOG_SCHEMA_VERSION = 1
_UNCLASSIFIED = "unclassified"


def order_of(payload: bytes) -> Order:
    """The order in a compile.requested message; raises LaceError for what is none."""
    message = from_json(compiler_pb2.CompileRequested, payload)
    return Order(
        job_id=message.job_id,
        run_id=message.run_id,
        tenant_id=message.tenant_id,
        artifact_id=message.artifact_id,
        revision_id=message.revision_id,
        ir_uri=message.ir_uri,
        ir_sha256=message.ir_sha256,
        ir_hash=message.ir_hash,
        target=message.target,
        settings=_settings(message.settings_json),
        verification=message.verification_json.encode(),
    )


def _settings(text: str) -> dict[str, Any]:
    settings = parse(text.encode()) if text else {}
    if not isinstance(settings, dict):
        details = [Detail("/settings_json", "must be a JSON object")]
        raise LaceError(Reason.INVALID_ARGUMENT, "/settings_json: must be a JSON object.", details=details)
    return settings


def compiled_message(compiled: Compiled, download_url: str = "") -> compiler_pb2.Compiled:
    """An attempt as the contract shows it."""
    message = compiler_pb2.Compiled(
        compiled_id=compiled.compiled_id,
        artifact_id=compiled.artifact_id,
        revision_id=compiled.revision_id,
        target=compiled.target,
        attempt=compiled.attempt,
        compiler_version=compiled.compiler_version,
        settings_hash=compiled.settings_hash,
        ir_hash=compiled.ir_hash,
        status=_STATUS[compiled.status],
        error_code=compiled.error_code,
        error_message=compiled.error_message,
        warnings=compiled.warnings,
        download_url=download_url,
    )
    if compiled.bundle is not None:
        message.bundle_hash = compiled.bundle.sha256
        message.bundle_uri = compiled.bundle.uri
        message.size_bytes = compiled.bundle.size
        message.media_type = compiled.bundle.media_type
        message.filename = compiled.bundle.filename
    message.created_at.FromDatetime(compiled.created_at)
    return message


def list_response(page: Page, next_page_token: str) -> compiler_pb2.ListCompiledResponse:
    """A page of attempts with their links."""
    return compiler_pb2.ListCompiledResponse(
        compiled=[_listed(each) for each in page.listed], next_page_token=next_page_token
    )


def _listed(listed: Listed) -> compiler_pb2.Compiled:
    return compiled_message(listed.compiled, listed.download_url)


def completed_payload(order: Order, compiled: Compiled) -> bytes:
    """JSON of the message that the run waits for."""
    message = compiler_pb2.CompileCompleted(
        job_id=order.job_id, run_id=order.run_id, tenant_id=order.tenant_id, compiled=compiled_message(compiled)
    )
    return to_json(message)


def transformation_payload(made: Transformation) -> bytes:
    """JSON of the transformation log; its id comes from the attempt, so that provenance stores it once."""
    order, compiled, cause = made.order, made.compiled, made.cause
    log = provenance_pb2.TransformationLog(
        id=derive("tlg", order.tenant_id, compiled.compiled_id),
        tenant_id=order.tenant_id,
        run_id=order.run_id,
        stage="compile",
        activity_name=f"compile:{compiled.target}",
        agent=f"compiler {COMPILER_VERSION}",
        trace_id=cause.trace_id,
        span_id=cause.span_id,
        parent_span_id=cause.parent_span_id,
        correlation_id=cause.correlation_id,
        inputs=[_revision(order)],
        outputs=_outputs(compiled),
        lineage=_lineage(order, compiled),
        provenance=provenance_pb2.Provenance(sources=made.origin.source_ids, collection_context="compilation"),
        pedigree=provenance_pb2.Pedigree(validation="not_applicable", risk_flags=_risk_flags(compiled)),
        security=_security(made.origin.labels),
        retention=provenance_pb2.Retention(policy_id=str(order.settings.get("provenance.retention_policy", "keep"))),
        governance=provenance_pb2.Governance(),
        schema_version=_LOG_SCHEMA_VERSION,
    )
    log.started_at.FromDatetime(made.started_at)
    log.ended_at.FromDatetime(compiled.created_at)
    return to_json(log)


def _revision(order: Order) -> provenance_pb2.EntityRef:
    return provenance_pb2.EntityRef(
        entity_id=order.revision_id, content_hash=order.ir_sha256, uri=order.ir_uri, kind="revision"
    )


def _outputs(compiled: Compiled) -> list[provenance_pb2.EntityRef]:
    bundle = compiled.bundle
    if bundle is None:
        return []
    return [
        provenance_pb2.EntityRef(
            entity_id=compiled.compiled_id, content_hash=bundle.sha256, uri=bundle.uri, kind="compiled"
        )
    ]


def _lineage(order: Order, compiled: Compiled) -> provenance_pb2.Lineage:
    status = "complete" if compiled.status is Status.SUCCEEDED else "fail"
    return provenance_pb2.Lineage(
        was_derived_from=[order.revision_id], job_name=f"compile.{compiled.target}", status=status
    )


def _security(labels: tuple[str, ...]) -> provenance_pb2.Security:
    return provenance_pb2.Security(classification=labels[-1] if labels else _UNCLASSIFIED, abac_labels=labels)


def _risk_flags(compiled: Compiled) -> list[str]:
    """Codes alone: the first word of each warning, and that of the failure."""
    codes = [warning.partition(":")[0] for warning in compiled.warnings]
    return [*codes, compiled.error_code] if compiled.error_code else codes
