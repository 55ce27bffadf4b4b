"""A batch: one template run for every locale, mode and replicate, held to one version and fingerprint of the model.

States and what moves them; every other move is refused:

    queued ──▶ running ──▶ completed        the end of every run
      │          │  │
      │          │  └──▶ failed             no lock could be had, or drift under the policy fail
      │          ├─────▶ pausing ──▶ paused a pause was asked for; runs under way are let end
      │          └─────▶ paused             drift under the policy pause
      └──▶ paused ──▶ queued                resumed
    completed ──▶ queued                    resumed for the runs that failed
    queued, running, pausing, paused ──▶ cancelled

The order of the runs is a function of the batch alone (locales, then modes, then replicates, each in the order given),
so that a run that is tried again, in whatever process, has the same indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_llm_gateway.domain.stored_templates import GroundingMode


class BatchState(StrEnum):
    """Where a batch is."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def live(self) -> bool:
        """Whether some process has work to do for it."""
        return self in (BatchState.QUEUED, BatchState.RUNNING, BatchState.PAUSING)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be made; only a completed batch can be taken up again, for runs that failed."""
        return self in (BatchState.COMPLETED, BatchState.FAILED, BatchState.CANCELLED)


class DriftPolicy(StrEnum):
    """What happens where a run is answered by another version or fingerprint than the lock's."""

    PAUSE = "pause"
    FAIL = "fail"
    CONTINUE = "continue"


class ExecutionMode(StrEnum):
    """Where batches are executed."""

    SYNC = "sync"
    QUEUE = "queue"


_S = BatchState
_MOVES: Mapping[BatchState, frozenset[BatchState]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.PAUSED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.PAUSING, _S.PAUSED, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.COMPLETED: frozenset({_S.QUEUED}),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}


def can_move(state: BatchState, to: BatchState) -> bool:
    """Whether the move is one of the table's."""
    return to in _MOVES[state]


@dataclass(frozen=True)
class ModelLock:
    """The version and the fingerprint of the model that a batch is held to; the fingerprint may be empty."""

    version: str
    fingerprint: str

    def differs(self, version: str, fingerprint: str) -> bool:
        """Whether an answer comes from something else.

        Fingerprints are compared where both sides tell one: the same provider tells it in one of its APIs (chat
        completions) and not in another (responses, where the search tool is).
        """
        told = bool(fingerprint and self.fingerprint)
        return version != self.version or (told and fingerprint != self.fingerprint)


@dataclass(frozen=True)
class Cell:
    """One run of a batch: its place, and what is different about it."""

    batch_run_index: int
    locale: str
    mode: GroundingMode
    replicate_index: int


@dataclass(frozen=True)
class Progress:
    """The runs of a batch by where they are, and what they used; cost in millionths of a US dollar."""

    succeeded: int = 0
    failed: int = 0
    running: int = 0
    drifted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0


@dataclass(frozen=True)
class Batch:
    """A batch. `locks` counts its preflights, `dispatch` how often it was sent on its way; times are in UTC."""

    tenant_id: str
    batch_id: str
    template_id: str
    template_sha256: str
    state: BatchState
    locales: tuple[str, ...]
    modes: tuple[GroundingMode, ...]
    replicates: int
    drift_policy: DriftPolicy
    execution_mode: ExecutionMode
    provider: str
    model: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    variables: Mapping[str, Any] = field(default_factory=dict)
    lock: ModelLock | None = None
    locks: int = 0
    dispatch: int = 1
    error_code: str = ""
    error_message: str = ""

    @property
    def total(self) -> int:
        """How many runs there are in all."""
        return len(self.locales) * len(self.modes) * self.replicates

    def cells(self) -> Iterator[Cell]:
        """The runs in their order."""
        index = 0
        for locale in self.locales:
            for mode in self.modes:
                for replicate in range(self.replicates):
                    yield Cell(index, locale, mode, replicate)
                    index += 1

    def run_id(self, batch_run_index: int) -> str:
        """The id of a run: the same however often it is tried, in whatever process."""
        return derive("trn", self.tenant_id, self.batch_id, str(batch_run_index))


def refuse_move(batch: Batch, to: BatchState) -> LaceError:
    """What to say where the table has no such move."""
    return LaceError(
        Reason.BATCH_TRANSITION_ILLEGAL, f"{batch.batch_id} is {batch.state.value} and cannot become {to.value}."
    )


def not_found(batch_id: str) -> LaceError:
    """What to say where there is no such batch in the tenant."""
    return LaceError(Reason.BATCH_NOT_FOUND, f"No batch {batch_id}.")


def drift_of(lock: ModelLock, version: str, fingerprint: str) -> LaceError:
    """What to say where another version or fingerprint answered."""
    return LaceError(
        Reason.BATCH_DRIFTED,
        f"The model answered as {_named(version, fingerprint)}, and the batch is held to "
        f"{_named(lock.version, lock.fingerprint)}.",
    )


def _named(version: str, fingerprint: str) -> str:
    return f"{version or '(no version)'} with {fingerprint or 'no fingerprint'}"
