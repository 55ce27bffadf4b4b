"""Transformation logs as rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Row

from lace_provenance.domain.logs import (
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

T = TypeVar("T")

_PLAIN = (
    "id",
    "tenant_id",
    "run_id",
    "stage",
    "activity_name",
    "started_at",
    "ended_at",
    "agent",
    "on_behalf_of",
    "trace_id",
    "span_id",
    "parent_span_id",
    "correlation_id",
    "schema_version",
)


def row_of(log: TransformationLog) -> dict[str, Any]:
    """The members of a log's row, all of them things that orjson writes."""
    return {
        **{name: getattr(log, name) for name in _PLAIN},
        "inputs": log.inputs,
        "outputs": log.outputs,
        "lineage": _said(log.lineage),
        "provenance": _said(log.provenance),
        "pedigree": _said(log.pedigree),
        "security": _said(log.security),
        "abac_labels": log.security.abac_labels,
        "retention_policy_id": log.retention.policy_id,
        "retention_not_after": log.retention.not_after,
        "genai": log.genai,
        "governance": _said(log.governance),
    }


def log_of(row: Row[Any]) -> TransformationLog:
    """The log in a row."""
    return TransformationLog(
        **{name: getattr(row, name) for name in _PLAIN},
        inputs=tuple(EntityRef(**entity) for entity in row.inputs_json),
        outputs=tuple(EntityRef(**entity) for entity in row.outputs_json),
        lineage=_part(Lineage, row.lineage_json),
        provenance=_part(Provenance, row.provenance_json),
        pedigree=_part(Pedigree, row.pedigree_json),
        security=_part(Security, row.security_json),
        retention=Retention(row.retention_policy_id, row.retention_not_after),
        genai=None if row.genai_json is None else _part(GenAi, row.genai_json),
        governance=_part(Governance, row.governance_json),
    )


def _said(part: Any) -> dict[str, Any]:
    """The members of a nested part that say something; the others have their defaults again when it is read."""
    return {name: value for name, value in vars(part).items() if value}


def _part(kind: type[T], value: Mapping[str, Any]) -> T:
    """A nested part; JSON's arrays are the tuples that they were."""
    return kind(**{name: tuple(member) if isinstance(member, list) else member for name, member in value.items()})
