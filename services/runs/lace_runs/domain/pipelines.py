"""Registered pipelines as they are kept: versions of one id, the newest of which new runs follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.pipeline import Pipeline, Step


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One version of a registered pipeline; `versions` are the numbers of all that there are."""

    tenant_id: str
    pipeline: Pipeline
    definition_hash: str
    created_by: str
    created_at: datetime
    versions: tuple[int, ...] = ()


def kind_key(step: Step) -> str:
    """How a kind of step stands beside ids of pipelines in what a worker can run; ids have no colon."""
    return f"step:{step.kind}"
