"""Which results of a run hang on a step: what a restart from there must do again."""

from __future__ import annotations

from collections.abc import Iterable

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import Pipeline


def dependents(pipeline: Pipeline, step_ids: Iterable[str], from_step_id: str) -> list[str]:
    """Of these steps the one named, and all of later kinds; of steps for nodes only those of the same node.

    An empty name means all. Raises LaceError STEP_UNKNOWN for a kind that the pipeline does not have.
    """
    known = list(step_ids)
    if not from_step_id:
        return known
    kind, _, key = from_step_id.partition(":")
    names = [step.name for step in pipeline.steps]
    if kind not in names:
        raise LaceError(Reason.STEP_UNKNOWN, f"{pipeline.pipeline_id} has no step {kind}; it has {', '.join(names)}.")
    later = set(names[names.index(kind) + 1 :])
    per_node = {step.name for step in pipeline.steps if step.per == "node"}
    found = []
    for step_id in known:
        name, _, own = step_id.partition(":")
        if name == kind:
            hangs = not key or own == key
        else:
            hangs = name in later and not (key and name in per_node and own != key)
        if hangs:
            found.append(step_id)
    return found
