"""Which results of a run hang on a step: what a restart from there must do again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import Pipeline
from lace_runs.domain.runs import Checkpoint

# What decides on a node decides on all that is made below it.
SPLITTER = "strategy"


def dependents(
    pipeline: Pipeline,
    step_ids: Iterable[str],
    from_step_id: str,
    children: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Of these steps the one named, and all of later kinds; of steps for nodes only those of the same node.

    `children` are the nodes that a node was split into: a restart from a node's strategy takes them with it, to the
    last level. An empty name means all. Raises LaceError STEP_UNKNOWN for a kind that the pipeline does not have.
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
    below = _below(key, children or {}) if kind == SPLITTER else set()
    found = []
    for step_id in known:
        name, _, own = step_id.partition(":")
        if name == kind:
            hangs = not key or own == key
        else:
            hangs = name in later and not (key and name in per_node and own != key)
        if hangs or (name in per_node and own in below):
            found.append(step_id)
    return found


def _below(node_id: str, children: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    left = list(children.get(node_id, ()))
    while left:
        child = left.pop()
        if child not in found:
            found.add(child)
            left.extend(children.get(child, ()))
    return found


class _Child(msgspec.Struct):
    node_id: str


class _Split(msgspec.Struct):
    children: tuple[_Child, ...] = ()


def children_of(checkpoints: Mapping[str, Checkpoint]) -> dict[str, Sequence[str]]:
    """The nodes that each node was split into, as the checkpoints of the splitting steps have them."""
    found: dict[str, Sequence[str]] = {}
    for step_id, checkpoint in checkpoints.items():
        kind, _, node_id = step_id.partition(":")
        if kind == SPLITTER and checkpoint.data:
            with contextlib.suppress(ValueError):
                split = msgspec.json.decode(checkpoint.data, type=_Split)
                found[node_id] = [child.node_id for child in split.children]
        if kind == SPLITTER and node_id not in found:
            # Too large for the row, or damaged: done again is all that it may have made.
            found[node_id] = [other for _, _, other in (name.partition(":") for name in checkpoints) if other]
    return found
