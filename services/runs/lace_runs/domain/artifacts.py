"""Artifacts and their revisions: what is kept beside the document itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class WantedArtifacts:
    """Which documents: with these words in their title, made by a principal, citing a source; any where empty."""

    title: str = ""
    created_by: str = ""
    source_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The row of a revision. status: staged, validated, committed. `second_parent_revision_id` is set where it was
    merged, `message` where a person said why it was made.
    """

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
    second_parent_revision_id: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Staging:
    """All that apply made, to be kept as one staged revision.

    The verdicts of the revision `verdicts_of` still hold but for the nodes in `judged_anew`, and for the sentences of
    `let_in`, which were kept out there and of which something else is known now. `actions` has the digest of each
    action that was applied, by its key.
    """

    revision: Revision
    document: Artifact
    changes: tuple[Change, ...]
    verdicts: tuple[tuple[str, SentenceVerdict], ...] = ()  # (node id, verdict)
    verdicts_of: str = ""
    judged_anew: tuple[str, ...] = ()
    let_in: tuple[str, ...] = ()
    actions: Mapping[str, str] = field(default_factory=dict)


def snapshot_key(tenant_id: str, artifact_id: str, revision_id: str) -> str:
    """Where a revision's snapshot stands in the bucket lace-artifacts."""
    return f"{tenant_id}/{artifact_id}/{revision_id}/ir.json"
