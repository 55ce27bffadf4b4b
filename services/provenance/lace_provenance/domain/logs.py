"""The transformation log: what was made of what, by whom, how, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lace_core.errors import Detail, LaceError, Reason


@dataclass(frozen=True)
class EntityRef:
    """One content of an entity: SHA-256 of its bytes in hexadecimal, where they are, and what it is."""

    entity_id: str
    content_hash: str = ""
    uri: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Lineage:
    """How the outputs hang on the inputs: ids of entities, and the job in the sense of OpenLineage."""

    was_derived_from: tuple[str, ...] = ()
    job_name: str = ""
    status: str = ""


@dataclass(frozen=True)
class Provenance:
    """Where the material comes from."""

    sources: tuple[str, ...] = ()
    collection_context: str = ""


@dataclass(frozen=True)
class Pedigree:
    """How far the outputs can be trusted; `final_confidence` is a decimal number, empty where not measured."""

    final_confidence: str = ""
    validation: str = ""
    evals: Mapping[str, Any] = field(default_factory=dict)
    risk_flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Security:
    """Who may see the log: whoever holds all of its `abac_labels`."""

    classification: str = ""
    caveats: tuple[str, ...] = ()
    releasability: tuple[str, ...] = ()
    abac_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retention:
    """How long the log is kept; for good where `not_after` is None."""

    policy_id: str = ""
    not_after: datetime | None = None


@dataclass(frozen=True)
class Governance:
    """Links to governance documents; empty where there is none."""

    dataset_card: str = ""
    model_card: str = ""
    factsheet_id: str = ""


@dataclass(frozen=True)
class CallContent:
    """Where one call's prompt and answer are kept whole, and until when; `not_after` is None where for ever."""

    call_id: str
    prompt_hash: str = ""
    prompt_uri: str = ""
    output_hash: str = ""
    output_uri: str = ""
    not_after: datetime | None = None


@dataclass(frozen=True)
class GenAi:
    """The model that took part; parameters and usage are JSON values by name."""

    model_id: str = ""
    model_provider: str = ""
    model_version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    tool_calls: tuple[str, ...] = ()
    call_ids: tuple[str, ...] = ()
    contents: tuple[CallContent, ...] = ()


@dataclass(frozen=True)
class TransformationLog:
    """One transformation; times are aware UTC, `run_id` is empty outside runs, `genai` None without a model."""

    id: str
    tenant_id: str
    run_id: str
    stage: str
    activity_name: str
    started_at: datetime
    ended_at: datetime
    agent: str
    on_behalf_of: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    inputs: tuple[EntityRef, ...] = ()
    outputs: tuple[EntityRef, ...] = ()
    lineage: Lineage = Lineage()
    provenance: Provenance = Provenance()
    pedigree: Pedigree = Pedigree()
    security: Security = Security()
    retention: Retention = Retention()
    genai: GenAi | None = None
    correlation_id: str = ""
    schema_version: int = 1
    governance: Governance = Governance()


def check_log(log: TransformationLog, tenant_id: str) -> None:
    """Raises INVALID_ARGUMENT for a log that cannot be kept or told again: no id, another tenant's, no time zone."""
    problems = [Detail(f"/{name}", "may not be empty") for name in ("id", "stage", "agent") if not getattr(log, name)]
    if log.tenant_id != tenant_id:
        problems.append(Detail("/tenant_id", "is not the tenant of the message"))
    times = {"/started_at": log.started_at, "/ended_at": log.ended_at, "/retention/not_after": log.retention.not_after}
    problems += [Detail(at, "needs a time zone") for at, time in times.items() if time and time.tzinfo is None]
    if not 0 <= log.schema_version < 1 << 31:
        problems.append(Detail("/schema_version", "is not a number of 31 bits"))
    for side, entities in (("inputs", log.inputs), ("outputs", log.outputs)):
        nameless = [number for number, entity in enumerate(entities) if not entity.entity_id]
        problems += [Detail(f"/{side}/{number}/entity_id", "may not be empty") for number in nameless]
    if problems:
        raise LaceError(Reason.INVALID_ARGUMENT, f"{problems[0].field} {problems[0].description}.", details=problems)
