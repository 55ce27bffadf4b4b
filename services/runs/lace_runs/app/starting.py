"""Starts that need no look at anything: made together with others, and given to a worker that has nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from lace_core.ids import derive
from lace_core.pipeline import PIPELINES, Pipeline
from lace_runs.app.ports import Caller, Fresh, Resolved, Starts
from lace_runs.app.runs import Start, asked_of, new_run, run_id_of
from lace_runs.domain.runs import Run


def needs_no_look(start: Start, pipeline: Pipeline, resolved: Resolved) -> bool:
    """Whether nothing that is kept decides about the start: no artifact, no quota, no registered pipeline."""
    return not start.artifact_id and resolved.limits.version == 0 and PIPELINES.get(start.pipeline_id) == pipeline


async def start_at_once(
    starts: Starts,
    caller: Caller,
    start: Start,
    pipeline: Pipeline,
    resolved: Resolved,
    now: datetime,
    request: tuple[str, bytes],
    encode: Callable[[Run], bytes],
) -> bytes | None:
    """The answer of a start that needs no look; None where it was not made, and is to be made in a transaction.

    `request` is its route and canonical JSON, `encode` gives the answer. Raises LaceError IDEMPOTENCY_*.
    """
    artifact_id = derive("art", run_id_of(caller, start)) if pipeline.writes else ""
    run = new_run(caller, start, artifact_id, pipeline, resolved, now)
    answer = encode(run)
    return answer if await starts.add(Fresh(run, asked_of(run, now), *request, answer)) else None
