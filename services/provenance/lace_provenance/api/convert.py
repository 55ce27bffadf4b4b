"""The one converter between the wire messages of lace.provenance.v1 and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from lace.provenance.v1 import provenance_pb2 as wire
from lace_core.errors import Detail, LaceError, Reason
from lace_platform.auth import require_identity
from lace_platform.rpc import CallContext
from lace_proto.json import from_python, to_python
from lace_proto.times import to_datetime, to_timestamp
from lace_provenance.domain.logs import (
    CallContent,
    EntityRef,
    GenAi,
    Governance,
    Lineage,
    Pedigree,
    Provenance,
    Retention,
    Security,
    TransformationLog,
)
from lace_provenance.domain.neighbourhood import Neighbourhood, Reader


def reader_of(call: CallContext) -> Reader:
    """Who reads. Raises TOKEN_MISSING, and PERMISSION_DENIED for a service, which has no tenant."""
    identity = require_identity(call.identity)
    if not identity.tenant_id:
        raise LaceError(Reason.PERMISSION_DENIED, "Provenance is read within a tenant.")
    return Reader(identity.tenant_id, call.labels)


def log_to_wire(log: TransformationLog) -> wire.TransformationLog:
    """A transformation log."""
    return wire.TransformationLog(
        id=log.id,
        tenant_id=log.tenant_id,
        run_id=log.run_id,
        stage=log.stage,
        activity_name=log.activity_name,
        started_at=to_timestamp(log.started_at),
        ended_at=to_timestamp(log.ended_at),
        agent=log.agent,
        on_behalf_of=log.on_behalf_of,
        trace_id=log.trace_id,
        span_id=log.span_id,
        parent_span_id=log.parent_span_id,
        inputs=map(entity_to_wire, log.inputs),
        outputs=map(entity_to_wire, log.outputs),
        lineage=_lineage_to_wire(log.lineage),
        provenance=_provenance_to_wire(log.provenance),
        pedigree=_pedigree_to_wire(log.pedigree),
        security=_security_to_wire(log.security),
        retention=_retention_to_wire(log.retention),
        genai=None if log.genai is None else _genai_to_wire(log.genai),
        correlation_id=log.correlation_id,
        schema_version=log.schema_version,
        governance=_governance_to_wire(log.governance),
    )


def log_of_wire(message: wire.TransformationLog) -> TransformationLog:
    """A transformation log. Raises INVALID_ARGUMENT where it does not say when it began and ended."""
    for name in ("started_at", "ended_at"):
        if not message.HasField(name):
            raise LaceError(
                Reason.INVALID_ARGUMENT, f"/{name} is required.", details=[Detail(f"/{name}", "is required")]
            )
    return TransformationLog(
        id=message.id,
        tenant_id=message.tenant_id,
        run_id=message.run_id,
        stage=message.stage,
        activity_name=message.activity_name,
        started_at=to_datetime(message.started_at),
        ended_at=to_datetime(message.ended_at),
        agent=message.agent,
        on_behalf_of=message.on_behalf_of,
        trace_id=message.trace_id,
        span_id=message.span_id,
        parent_span_id=message.parent_span_id,
        inputs=tuple(map(entity_of_wire, message.inputs)),
        outputs=tuple(map(entity_of_wire, message.outputs)),
        lineage=_lineage_of_wire(message.lineage),
        provenance=_provenance_of_wire(message.provenance),
        pedigree=_pedigree_of_wire(message.pedigree),
        security=_security_of_wire(message.security),
        retention=_retention_of_wire(message.retention),
        genai=_genai_of_wire(message.genai) if message.HasField("genai") else None,
        correlation_id=message.correlation_id,
        schema_version=message.schema_version,
        governance=_governance_of_wire(message.governance),
    )


# What proto3 JSON leaves out where it is empty.
_LEFT_OUT = dict.fromkeys(("id", "tenant_id", "run_id", "stage", "activity_name", "agent"), "")


def logs_of_segment(segment: Mapping[str, Any]) -> list[TransformationLog]:
    """The logs of a TransformationLogSegment in JSON's terms, each with what all of them have in common.

    Segments are most of what comes, and come from us: they are read without a message in between. Raises
    INVALID_ARGUMENT for a log that is not whole.
    """
    try:
        common = _LEFT_OUT | segment.get("common", {})
        merged = [_merged(common, own) for own in segment["logs"]]
        return msgspec.convert(merged, list[TransformationLog])
    except (msgspec.ValidationError, AttributeError, KeyError, TypeError) as error:
        raise LaceError(Reason.INVALID_ARGUMENT, f"A log of the segment cannot be read: {error}.") from error


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One log's members over those of all, its lists behind theirs, as protobuf merges messages."""
    log = dict(common)
    for name, value in own.items():
        if isinstance(value, dict) and name in log:
            log[name] = _merged(log[name], value)
        elif isinstance(value, list) and name in log:
            log[name] = [*log[name], *value]
        else:
            log[name] = value
    if "inputs" in log and not log.get("lineage", {}).get("was_derived_from"):
        origins = sorted({entity["entity_id"] for entity in log["inputs"]})
        log["lineage"] = {**log.get("lineage", {}), "was_derived_from": origins}
    return log


def entity_to_wire(entity: EntityRef) -> wire.EntityRef:
    """One content of an entity."""
    return wire.EntityRef(
        entity_id=entity.entity_id, content_hash=entity.content_hash, uri=entity.uri, kind=entity.kind
    )


def entity_of_wire(message: wire.EntityRef) -> EntityRef:
    """One content of an entity."""
    return EntityRef(message.entity_id, message.content_hash, message.uri, message.kind)


def neighbourhood_to_wire(found: Neighbourhood) -> wire.GetEntityProvenanceResponse:
    """An entity and its neighbours."""
    return wire.GetEntityProvenanceResponse(
        entity=map(entity_to_wire, found.contents),
        generated_by=map(log_to_wire, found.generated_by),
        used_by=map(log_to_wire, found.used_by),
        derived_from=map(entity_to_wire, found.derived_from),
    )


def _lineage_to_wire(lineage: Lineage) -> wire.Lineage:
    return wire.Lineage(was_derived_from=lineage.was_derived_from, job_name=lineage.job_name, status=lineage.status)


def _lineage_of_wire(message: wire.Lineage) -> Lineage:
    return Lineage(tuple(message.was_derived_from), message.job_name, message.status)


def _provenance_to_wire(provenance: Provenance) -> wire.Provenance:
    return wire.Provenance(sources=provenance.sources, collection_context=provenance.collection_context)


def _provenance_of_wire(message: wire.Provenance) -> Provenance:
    return Provenance(tuple(message.sources), message.collection_context)


def _pedigree_to_wire(pedigree: Pedigree) -> wire.Pedigree:
    return wire.Pedigree(
        final_confidence=pedigree.final_confidence,
        validation=pedigree.validation,
        evals=_struct(pedigree.evals),
        risk_flags=pedigree.risk_flags,
    )


def _pedigree_of_wire(message: wire.Pedigree) -> Pedigree:
    return Pedigree(message.final_confidence, message.validation, to_python(message.evals), tuple(message.risk_flags))


def _security_to_wire(security: Security) -> wire.Security:
    return wire.Security(
        classification=security.classification,
        caveats=security.caveats,
        releasability=security.releasability,
        abac_labels=security.abac_labels,
    )


def _security_of_wire(message: wire.Security) -> Security:
    return Security(
        classification=message.classification,
        caveats=tuple(message.caveats),
        releasability=tuple(message.releasability),
        abac_labels=tuple(message.abac_labels),
    )


def _retention_to_wire(retention: Retention) -> wire.Retention:
    not_after = retention.not_after
    return wire.Retention(
        policy_id=retention.policy_id, not_after=None if not_after is None else to_timestamp(not_after)
    )


def _retention_of_wire(message: wire.Retention) -> Retention:
    not_after = to_datetime(message.not_after) if message.HasField("not_after") else None
    return Retention(message.policy_id, not_after)


def _governance_to_wire(governance: Governance) -> wire.Governance:
    return wire.Governance(
        dataset_card=governance.dataset_card,
        model_card=governance.model_card,
        factsheet_id=governance.factsheet_id,
    )


def _governance_of_wire(message: wire.Governance) -> Governance:
    return Governance(message.dataset_card, message.model_card, message.factsheet_id)


def _genai_to_wire(genai: GenAi) -> wire.GenAi:
    return wire.GenAi(
        model_id=genai.model_id,
        model_provider=genai.model_provider,
        model_version=genai.model_version,
        parameters=_struct(genai.parameters),
        usage=_struct(genai.usage),
        tool_calls=genai.tool_calls,
        call_ids=genai.call_ids,
        contents=map(_content_to_wire, genai.contents),
    )


def _genai_of_wire(message: wire.GenAi) -> GenAi:
    return GenAi(
        model_id=message.model_id,
        model_provider=message.model_provider,
        model_version=message.model_version,
        parameters=to_python(message.parameters),
        usage=to_python(message.usage),
        tool_calls=tuple(message.tool_calls),
        call_ids=tuple(message.call_ids),
        contents=tuple(map(_content_of_wire, message.contents)),
    )


def _content_to_wire(content: CallContent) -> wire.CallContent:
    return wire.CallContent(
        call_id=content.call_id,
        prompt_hash=content.prompt_hash,
        prompt_uri=content.prompt_uri,
        output_hash=content.output_hash,
        output_uri=content.output_uri,
        not_after=None if content.not_after is None else to_timestamp(content.not_after),
    )


def _content_of_wire(message: wire.CallContent) -> CallContent:
    not_after = to_datetime(message.not_after) if message.HasField("not_after") else None
    return CallContent(
        message.call_id, message.prompt_hash, message.prompt_uri, message.output_hash, message.output_uri, not_after
    )


def _struct(values: Mapping[str, Any]) -> Struct:
    return from_python(Struct, dict(values))
