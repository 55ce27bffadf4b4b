"""Artifacts and their revisions: what is kept beside the document itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.apply import Change
from lace_core.ir import Artifact
from lace_core.writing import SentenceVerdict


@dataclass(frozen=True, kw_only=True)
class ArtifactRecord:
    """The row of an artifact; `head_revision_id` is empty while nothing is committed."""

    tenant_id: str
    artifact_id: str
    title: str
    language: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    head_revision_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The row of a revision. status: staged, validated, committed."""

    tenant_id: str
    artifact_id: str
    revision_id: str
    parent_revision_id: str
    status: str
    ir_schema_version: int
    ir_hash: str
    content_hash: str
    ir_uri: str
    run_id: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Staging:
    """All that apply made, to be kept as one staged revision.

    The verdicts of the revision `verdicts_of` still hold but for the nodes in `judged_anew`.
    """

    revision: Revision
    document: Artifact
    changes: tuple[Change, ...]
    verdicts: tuple[tuple[str, SentenceVerdict], ...] = ()  # (node id, verdict)
    verdicts_of: str = ""
    judged_anew: tuple[str, ...] = ()


def snapshot_key(tenant_id: str, artifact_id: str, revision_id: str) -> str:
    """Where a revision's snapshot stands in the bucket lace-artifacts."""
    return f"{tenant_id}/{artifact_id}/{revision_id}/ir.json"
