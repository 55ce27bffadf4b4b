"""The life of a run as one table, and the values that describe a run.

A run is queued until a worker claims it. Only the worker that holds it moves it; everyone else leaves a command,
which the worker takes up at the next step boundary (cancel at once). A finished run never changes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_runs.domain.events import Cause


class RunState(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to the run."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class Trigger(StrEnum):
    """What moves a run: the worker's own doings, and commands."""

    CLAIM = "claim"
    REACH_BOUNDARY = "reach_boundary"
    SUCCEED = "succeed"
    FAIL = "fail"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    CANCEL = "cancel"


# A step that failed with these may have done outside of the run what it was to do: nobody heard the answer.
IN_DOUBT = frozenset({Reason.SERVICE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.STEP_TIMEOUT, Reason.INTERNAL})

# With these a run is let go of by its boundary: nothing may be left to be told later.
LEAVES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.PAUSED})

COMMANDS = frozenset({Trigger.PAUSE, Trigger.RESUME, Trigger.RESTART, Trigger.CANCEL})

_Q, _R, _PG, _PD, _RS = RunState.QUEUED, RunState.RUNNING, RunState.PAUSING, RunState.PAUSED, RunState.RESUMING
_OK, _FAIL, _X = RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED

# Every transition there is; a pair that is not here is refused. The diagram in docs/run-lifecycle.md is made of it.
TRANSITIONS: Mapping[tuple[RunState, Trigger], RunState] = {
    (_Q, Trigger.CLAIM): _R,
    (_Q, Trigger.PAUSE): _PD,
    (_Q, Trigger.CANCEL): _X,
    (_R, Trigger.CLAIM): _R,  # another worker takes a dead one's run over
    (_R, Trigger.SUCCEED): _OK,
    (_R, Trigger.FAIL): _FAIL,
    (_R, Trigger.PAUSE): _PG,
    (_R, Trigger.RESTART): _R,
    (_R, Trigger.CANCEL): _X,
    (_PG, Trigger.CLAIM): _PG,
    (_PG, Trigger.REACH_BOUNDARY): _PD,
    (_PG, Trigger.SUCCEED): _OK,  # the boundary that was waited for was the last
    (_PG, Trigger.FAIL): _FAIL,
    (_PG, Trigger.RESUME): _R,
    (_PG, Trigger.CANCEL): _X,
    (_PD, Trigger.RESUME): _RS,
    (_PD, Trigger.RESTART): _RS,
    (_PD, Trigger.CANCEL): _X,
    (_RS, Trigger.CLAIM): _R,
    (_RS, Trigger.PAUSE): _PD,
    (_RS, Trigger.CANCEL): _X,
}


def transition(state: RunState, trigger: Trigger) -> RunState:
    """The state after the trigger; raises LaceError RUN_TRANSITION_ILLEGAL for a pair that is not in the table."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        verb = trigger.value.replace("_", " ")
        raise LaceError(Reason.RUN_TRANSITION_ILLEGAL, f"A run that is {state.value} cannot {verb}.") from None


DEFAULT_PRIORITY = 5


@dataclass(frozen=True)
class Request:
    """What a run was asked to do; pinned at its start. `revision_id` is what is compiled, brought back or changed;
    of a change, `node_id` (empty: the root) and `scope` (node or subtree) say how much. `asked_pipeline_id` is auto
    where the pipeline was chosen, and `chosen_because` says why it was. An import takes in the objects of the inbox
    whose names begin with `prefix`, and gives their sources these labels. `source_ids` may be those of a bundle's
    version, of which `bundle_hash` is the SHA-256. `paragraph_id` is what a paragraph's run writes or verifies.
    `policy` is the one that was named at the start; the one that holds is pinned by its name, version and SHA-256, and
    what it comes to with the settings.
    """

    title: str = ""
    instructions: str = ""
    source_ids: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    language: str = "en"
    revision_id: str = ""
    node_id: str = ""
    scope: str = ""
    asked_pipeline_id: str = ""
    chosen_because: str = ""
    head_revision_id: str = ""
    reason: str = ""
    prefix: str = ""
    labels: tuple[str, ...] = ()
    bundle_id: str = ""
    bundle_version: int = 0
    bundle_hash: str = ""
    paragraph_id: str = ""
    policy: str = ""
    policy_name: str = ""
    policy_version: int = 0
    policy_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its row has it. `epoch` fences workers: every claim counts it up, every write compares it.

    `priority` is 0 to 9; of a tenant's runs that wait those with the highest are claimed first. `paused_at` is None
    where it works or has not begun; `stood_ms` is how many milliseconds it stood paused before.
    """

    tenant_id: str
    run_id: str
    pipeline_id: str
    pipeline_version: int
    state: RunState
    request: Request
    artifact_id: str
    requested_by: str
    settings: Mapping[str, Any]
    settings_hash: str
    settings_uri: str
    scopes: tuple[str, ...]
    labels: tuple[str, ...]
    request_id: str
    correlation_id: str
    idempotency_key: str
    traceparent: str
    created_at: datetime
    epoch: int = 0
    attempt: int = 1
    revision_id: str = ""
    steps_done: int = 0
    steps_total: int = 0
    error_code: str = ""
    error_message: str = ""
    restarted_from_run_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    warnings: tuple[Mapping[str, str], ...] = ()
    priority: int = DEFAULT_PRIORITY
    paused_at: datetime | None = None
    stood_ms: int = 0

    @property
    def progress_pct(self) -> float:
        """Share of the run that is done, 0 to 100."""
        if self.state is RunState.SUCCEEDED:
            return 100.0
        return round(100 * self.steps_done / self.steps_total, 1) if self.steps_total else 0.0

    def spent_s(self, now: datetime) -> float:
        """Seconds from its first step on, whoever worked on it, without those that it stood paused."""
        if self.started_at is None:
            return 0.0
        return max(0.0, ((self.paused_at or now) - self.started_at).total_seconds() - self.stood_ms / 1000)


@dataclass(frozen=True)
class Command:
    """Something that was asked of a run, for its worker to take up."""

    command_id: str
    trigger: Trigger
    requested_by: str
    reason: str = ""
    from_step_id: str = ""
    cause: Cause | None = None


def outlook(state: RunState, waiting: Sequence[Command]) -> RunState:
    """The state once these commands are taken up in their order; those that come to nothing are passed over."""
    for command in waiting:
        state = TRANSITIONS.get((state, command.trigger), state)
    return state


@dataclass(frozen=True)
class StepRecord:
    """One attempt of a step as its row has it; `log` is what provenance is still to be told, None when it was told."""

    step_id: str
    step: str
    node_id: str
    attempt: int
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    output_hash: str = ""
    output_uri: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    summary: str = ""
    log: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A step's result: canonical JSON inline, or in a blob where it is large (`data` empty, `uri` set)."""

    step_id: str
    output_type: str
    output_hash: str
    data: str = ""
    uri: str = ""


@dataclass(frozen=True)
class Job:
    """Work that another service does for a step; `result` is JSON once it is done."""

    job_id: str
    step_id: str
    topic: str
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None = None
