"""What the use cases need of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from lace_core.pipeline import Pipeline
from lace_core.policies.in_force import Link
from lace_runs.app.artifact_ports import ArtifactRepository
from lace_runs.app.evaluations.ports import EvaluationRepository
from lace_runs.app.history.ports import HistoryRepository
from lace_runs.app.paragraphs.ports import ParagraphRepository
from lace_runs.app.policies.ports import PolicyRepository
from lace_runs.app.publications.ports import PublicationRepository
from lace_runs.app.reviews.ports import ReviewRepository
from lace_runs.app.suites.ports import SuiteRepository
from lace_runs.domain.citations import Citation, Cursor, Wanted
from lace_runs.domain.events import Event, EventDraft
from lace_runs.domain.pipelines import Registered
from lace_runs.domain.quotas import UNLIMITED, Limits
from lace_runs.domain.runs import Checkpoint, Command, Job, Run, RunState, StepRecord


@dataclass(frozen=True)
class Caller:
    """On whose behalf a use case acts."""

    tenant_id: str
    principal_id: str
    roles: frozenset[str]
    scopes: frozenset[str]
    labels: frozenset[str]
    request_id: str
    correlation_id: str
    idempotency_key: str
    traceparent: str


class Delivered(Protocol):
    """A message as the bus delivers it."""

    @property
    def id(self) -> str:
        """The same at every delivery."""

    @property
    def tenant_id(self) -> str:
        """The tenant that it is about."""


# Topic of a message that stands for events of the run that is its key, from `first` to `last` of its payload; they are
# published in its place, each on the topic of its type.
EVENT_REFERENCE = "run.events"


@dataclass(frozen=True)
class Message:
    """A message for the outbox: `payload` is JSON, its id makes a second sending change nothing."""

    message_id: str
    topic: str
    key: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """All that one step boundary of one run writes, in one statement; None and empty leave things as they are.

    `again` says that rows of its steps or checkpoints may be there, which it then replaces.
    """

    tenant_id: str
    run_id: str
    epoch: int
    state: RunState | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int | None = None
    revision_id: str | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    result: Mapping[str, Any] | None = None
    warnings: Sequence[Mapping[str, str]] | None = None
    steps: Sequence[StepRecord] = ()
    checkpoints: Sequence[Checkpoint] = ()
    forget_checkpoints: Sequence[str] = ()
    jobs: Sequence[Job] = ()
    events: Sequence[EventDraft] = ()
    messages: Sequence[Message] = ()
    applied: Mapping[str, str] = field(default_factory=dict)  # command id → outcome
    again: bool = False


@dataclass(frozen=True)
class Attempts:
    """How often a step was begun, and of how many of these nobody knows what they did outside of the run."""

    begun: int = 0
    in_doubt: int = 0


@dataclass(frozen=True)
class Claimed:
    """A run that a worker took, with what it has done so far."""

    run: Run
    checkpoints: Mapping[str, Checkpoint]
    attempts: Mapping[str, Attempts]  # by step id
    jobs: Mapping[str, Job]
    commands: Sequence[Command]
    unlogged: Sequence[StepRecord] = ()  # steps that are done, of which provenance may not have been told
    pipeline: Pipeline | None = None  # where it is a registered one


@dataclass(frozen=True)
class Fresh:
    """A run to be started for the call under way, without a look at anything, and the answer to that.

    It begins the artifact that it names. `body` is the canonical JSON of the request.
    """

    run: Run
    event: EventDraft
    route: str
    body: bytes
    answer: bytes


class Starts(Protocol):
    """Starts runs, many at once."""

    async def add(self, fresh: Fresh) -> bool:
        """Start a run durably; False where nothing was written, as the key or the run was there before.

        Raises LaceError IDEMPOTENCY_IN_PROGRESS.
        """


class Hands(Protocol):
    """A worker's room for runs that need not wait for it to claim them."""

    def open(self, wanted: int) -> AbstractAsyncContextManager[int]:
        """How many of so many runs it may be given within the block; nothing is claimed meanwhile."""

    def begin(self, work: Claimed) -> None:
        """Begin with a run that is already the worker's by its row."""


class RunLog(Protocol):
    """Where the worker that holds a run writes; every write compares the epoch."""

    async def commit(self, boundary: Boundary) -> Sequence[Command]:
        """Write a boundary durably; answers with the commands not taken up yet. Raises LaceError RUN_FENCED."""

    async def open_commands(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[Command]]:
        """The commands of these runs not taken up yet, oldest first; runs without any are left out."""

    async def results(self, tenant_id: str, run_id: str, job_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What came of these jobs of a run, by id; those that are still out are left out."""


NewsOfJobs = Callable[[float], Awaitable[bool]]
"""Waits for news of jobs, at most so many seconds; False where none came."""


class RunRepository(Protocol):
    """Runs for everyone else, within one transaction and tenant."""

    async def insert(self, tenant_id: str, run: Run, event: EventDraft) -> None:
        """Add a run in its first state, with its first event."""

    async def get(self, tenant_id: str, run_id: str) -> Run:
        """A run; raises LaceError RUN_NOT_FOUND."""

    async def list(self, tenant_id: str, state: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[Run]:
        """Runs, newest first, after the cursor (created_at, run_id)."""

    async def steps(self, tenant_id: str, run_id: str, after: int, limit: int) -> Sequence[tuple[int, StepRecord]]:
        """Attempts of steps with their positions, in the order in which they began."""

    async def add_command(self, tenant_id: str, run_id: str, command: Command, outcome: str = "") -> None:
        """Leave a command for the run's worker, or with an outcome note one that was carried out by itself."""

    async def lock_commands(self, tenant_id: str, run_id: str) -> None:
        """Until the transaction ends, nobody else adds a command to this run."""

    async def waiting_commands(self, tenant_id: str, run_id: str) -> Sequence[Command]:
        """The commands that are not taken up yet, oldest first."""

    async def restarted_as(self, tenant_id: str, run_id: str, from_step_id: str) -> tuple[str, str] | None:
        """The newest restart of a finished run from that step: its command and the run that it made."""

    async def has_step(self, tenant_id: str, run_id: str, step_id: str) -> bool:
        """Whether the run has begun that step, or taken its result over."""

    async def newest_attempts(self, tenant_id: str, run_id: str, step: str) -> Mapping[str, StepRecord]:
        """Of each step of that kind its newest attempt, by step id."""

    async def checkpoints(self, tenant_id: str, run_id: str) -> Mapping[str, Checkpoint]:
        """The results of a run's steps."""

    async def checkpoint(self, tenant_id: str, run_id: str, step_id: str) -> Checkpoint | None:
        """The result of one step of a run; None where there is none."""

    async def copy_checkpoints(self, tenant_id: str, from_run_id: str, to_run_id: str, keep: Sequence[str]) -> None:
        """Give a new run the results of an old one's steps."""

    async def finish_job(self, tenant_id: str, run_id: str, job_id: str, result: Mapping[str, Any]) -> None:
        """Record what came of a job; unknown jobs are left alone."""


@dataclass(frozen=True)
class EventPage:
    """Events in order, whether the run had ended when they were read, and the sequence of its last event."""

    events: Sequence[Event]
    run_is_final: bool
    last_sequence: int


RunKey = tuple[str, str]  # tenant id, run id


class EventRepository(Protocol):
    """Events within one transaction and tenant."""

    async def page(self, tenant_id: str, run_id: str, after: int, limit: int) -> EventPage:
        """At most `limit` events after a sequence; raises LaceError RUN_NOT_FOUND."""


class EventNews(Protocol):
    """What is new in many runs at once, of whatever tenants: for what reads on behalf of all who watch."""

    async def after(self, places: Mapping[RunKey, int], limit: int) -> Mapping[RunKey, Sequence[Event]]:
        """Of each run at most `limit` events after a sequence, in order; runs without any are left out.

        `places` is not empty. Raises LaceError SERVICE_UNAVAILABLE.
        """


class CitationRepository(Protocol):
    """What documents cite, within one transaction and tenant."""

    async def page(self, tenant_id: str, wanted: Wanted, after: Cursor | None, limit: int) -> Sequence[Citation]:
        """Citations by artifact, revision, place and evidence, those behind the cursor."""


class QuotaRepository(Protocol):
    """What tenants may use at once, within one transaction and tenant."""

    async def get(self, tenant_id: str) -> Limits:
        """What was told of the tenant; no limits where nothing was."""

    async def put(self, tenant_id: str, limits: Limits) -> None:
        """Keep what was told, unless something newer was."""

    async def one_at_a_time(self, tenant_id: str) -> None:
        """Until the transaction ends, nobody else counts for this tenant."""

    async def started_at(self, tenant_id: str, nth: int, since: datetime) -> datetime | None:
        """When the n-th newest run was asked for; None where there are fewer since that moment."""

    async def has_waiting(self, tenant_id: str, count: int) -> bool:
        """Whether so many runs wait for a worker."""


class PipelineRepository(Protocol):
    """Registered pipelines, within one transaction and tenant."""

    async def lock(self, tenant_id: str, pipeline_id: str) -> None:
        """Until the transaction ends nobody else registers a version of this pipeline."""

    async def add(self, tenant_id: str, registered: Registered) -> None:
        """Keep a version."""

    async def find(self, tenant_id: str, pipeline_id: str, version: int = 0) -> Registered | None:
        """A version, the newest where 0; None where there is none."""

    async def list(self, tenant_id: str) -> Sequence[Registered]:
        """The newest version of each, sorted by id."""


class UnitOfWork(Protocol):
    """One transaction in one tenant; leaving it without `commit` undoes everything."""

    @property
    def runs(self) -> RunRepository:
        """Runs."""

    @property
    def events(self) -> EventRepository:
        """Events."""

    @property
    def artifacts(self) -> ArtifactRepository:
        """Artifacts and revisions."""

    @property
    def citations(self) -> CitationRepository:
        """What documents cite."""

    @property
    def history(self) -> HistoryRepository:
        """Branches, tags, and which revision changed what."""

    @property
    def quotas(self) -> QuotaRepository:
        """What tenants may use at once."""

    @property
    def paragraphs(self) -> ParagraphRepository:
        """Paragraphs by specification."""

    @property
    def pipelines(self) -> PipelineRepository:
        """Registered pipelines."""

    @property
    def evaluations(self) -> EvaluationRepository:
        """Kept reports."""

    @property
    def policies(self) -> PolicyRepository:
        """Rules of the organisation."""

    @property
    def suites(self) -> SuiteRepository:
        """Tests of documents."""

    @property
    def publications(self) -> PublicationRepository:
        """What is out."""

    @property
    def reviews(self) -> ReviewRepository:
        """What could not be decided."""

    async def once(self, route: str, request: bytes, effect: Callable[[], Awaitable[bytes]]) -> tuple[bytes, bool]:
        """The answer to a mutation, and whether it is that of an earlier time; raises LaceError IDEMPOTENCY_*."""

    async def is_first_delivery(self, envelope: Delivered, handler: str, version: int) -> bool:
        """Whether the message was not handled before; recorded with the commit."""

    async def commit(self) -> None:
        """Make it all durable, and wake who waits for it."""

    def send(self, message: Message) -> None:
        """Put a message into the outbox with the commit."""

    def wake_workers(self) -> None:
        """After the commit, wake the workers: there is a run or a command for them."""


class OpenUnitOfWork(Protocol):
    """Opens units of work."""

    def __call__(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work in that tenant."""


@dataclass(frozen=True)
class Resolved:
    """Pinned settings: values, their hash, where the snapshot is; what the tenant may use at once; the policy."""

    values: Mapping[str, Any]
    settings_hash: str
    uri: str
    limits: Limits = UNLIMITED
    policy: Link | None = None


class Settings(Protocol):
    """Resolves settings for the caller of the call under way."""

    async def resolve(self, overrides: Mapping[str, Any], policy: str = "") -> Resolved:
        """Under the policy that is named, else the tenant's. Raises LaceError SETTING_*, POLICY_*."""


class Snapshots(Protocol):
    """Large results and document snapshots in the blob store."""

    async def put_snapshot(self, tenant_id: str, artifact_id: str, revision_id: str, data: bytes) -> tuple[str, str]:
        """Keep a revision's snapshot; (uri, SHA-256 of its bytes)."""

    async def put_result(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        """Keep a large step result under its hash; its uri."""

    async def get(self, uri: str, sha256: str) -> bytes:
        """What is kept there; raises LaceError BLOB_NOT_FOUND or BLOB_CORRUPT."""


class Acting(Protocol):
    """Lets work be done under a run's own grant."""

    def __call__(self, run: Run, timeout_s: float) -> AbstractAsyncContextManager[None]:
        """Within the block, calls to other services carry the run's identity, request, trace and remaining time."""


@dataclass(frozen=True)
class Span:
    """W3C ids of the trace that a step's work belongs to; empty where nothing is traced."""

    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""


class Spans(Protocol):
    """Opens a span below the run's trace."""

    def __call__(self, run: Run, name: str) -> AbstractContextManager[Span]:
        """Within the block, calls to other services continue the span's trace."""


class Wakeups(Protocol):
    """Wakes who waits for events of whatever run; carries no data and may wake for nothing."""

    def open(self) -> AbstractContextManager[Wakeup]:
        """A waiter."""


class Wakeup(Protocol):
    """One waiter."""

    def wake(self) -> None:
        """Wake the waiter from within the process."""

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - a wait that times out is no error
        """True when woken, False after `timeout` seconds."""


class Audit(Protocol):
    """Records who did what."""

    async def record(self, caller: Caller, action: str, subject: str, details: Mapping[str, Any]) -> None:
        """Recording the same again changes nothing."""
