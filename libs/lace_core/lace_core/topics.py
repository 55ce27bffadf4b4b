"""The registry of every topic on the bus: what it carries, who publishes it and which groups of ours consume it.

Topics are keyed by run id, those of jobs and of what came of them by job id, so that the jobs of a run do not wait for
one another. A topic with groups has a dead-letter topic of the same name with ".dlq" behind it. Event topics are named
like the type of the event that they carry; the bus carries them where it publishes events to outside consumers (setting
bus_publish_events), and the dispatch of a run always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RUN_EVENT = "lace.common.v1.RunEvent"
OPENLINEAGE_RUN_EVENT = "OpenLineage RunEvent 2-0-2"


@dataclass(frozen=True)
class Topic:
    """One topic: the message in its JSON payload, its publisher, the groups that consume it, and when it is sent."""

    name: str
    payload: str
    publisher: str
    groups: tuple[str, ...]
    description: str

    @property
    def is_event(self) -> bool:
        """Whether it carries the events of runs."""
        return self.payload == RUN_EVENT


def _event(name: str, description: str, *groups: str) -> Topic:
    return Topic(name, RUN_EVENT, "runs", groups, description)


_DEFINITIONS: tuple[Topic, ...] = (
    _event("pipeline.run.requested", "A run was asked for; also the dispatch that wakes a worker.", "runs"),
    _event("pipeline.run.started", "A worker began the run, or took it over."),
    _event("pipeline.run.progress", "How far the run is."),
    _event("pipeline.run.pause.requested", "A pause was asked for."),
    _event("pipeline.run.paused", "The run stands still at a step boundary."),
    _event("pipeline.run.resume.requested", "Going on was asked for."),
    _event("pipeline.run.resumed", "The run goes on."),
    _event("pipeline.run.restart.requested", "The run went back to an earlier step."),
    _event("pipeline.run.completed", "The run succeeded."),
    _event("pipeline.run.failed", "The run failed."),
    _event("pipeline.run.cancelled", "The run was cancelled."),
    _event("pipeline.step.started", "A step began."),
    _event("pipeline.step.progress", "A step is under way."),
    _event("pipeline.step.completed", "A step is done."),
    _event("pipeline.step.failed", "An attempt of a step failed."),
    _event("pipeline.llm.prompt", "A prompt was sent to a model."),
    _event("pipeline.llm.response", "A model answered."),
    _event("pipeline.llm.usage", "What a call of a model used."),
    _event("pipeline.validation.result", "What a validation found."),
    _event("pipeline.apply.result", "Proposals were applied."),
    _event("pipeline.compile.result", "A target was compiled, or could not be."),
    _event("pipeline.context.cut", "Evidence that did not fit into the model's context was left out."),
    _event("pipeline.warning", "Something that a person should know."),
    _event("pipeline.error", "An error that a person should know."),
    Topic(
        "compile.requested",
        "lace.compiler.v1.CompileRequested",
        "runs",
        ("compiler",),
        "A committed revision is to be compiled to one target.",
    ),
    Topic(
        "compile.completed",
        "lace.compiler.v1.CompileCompleted",
        "compiler",
        ("runs",),
        "What came of compiling one target.",
    ),
    Topic(
        "source.ingest.requested",
        "lace.ingest.v1.SourceIngestRequested",
        "runs",
        ("ingest.read_source",),
        "A source is to be read.",
    ),
    Topic(
        "source.ingest.completed",
        "lace.ingest.v1.SourceIngestCompleted",
        "ingest",
        ("runs",),
        "What came of reading a source.",
    ),
    Topic(
        "source.ingest.cancelled",
        "lace.ingest.v1.SourceIngestCancelled",
        "runs",
        ("ingest.cancel_run",),
        "A run was cancelled while ingest had work of it.",
    ),
    Topic(
        "source.import.requested",
        "lace.ingest.v1.SourceImportRequested",
        "runs",
        ("ingest.import_objects",),
        "Objects of the inbox are to be registered as sources.",
    ),
    Topic(
        "source.import.completed",
        "lace.ingest.v1.SourceImportCompleted",
        "ingest",
        ("runs",),
        "What came of registering objects of the inbox.",
    ),
    Topic(
        "provenance.logged",
        "lace.provenance.v1.TransformationLog",
        "runs, ingest, compiler",
        ("provenance",),
        "What a step used and made, under whose name; of one step, or of several as a TransformationLogSegment.",
    ),
    Topic(
        "rollback.requested",
        "lace.runs.v1.RollbackRequested",
        "runs",
        ("runs",),
        "An artifact is to go back to an earlier revision; who publishes one starts a run.",
    ),
    Topic(
        "audit.recorded",
        "lace.control.v1.AuditEntry",
        "runs",
        ("control",),
        "What was done on somebody's behalf, for the audit log.",
    ),
    Topic(
        "llm.batch.requested",
        "lace.llm_gateway.v1.BatchRequested",
        "llm_gateway",
        ("llm_gateway",),
        "A batch of template runs, or a single one, is to be made; only where llm.execution_mode is queue.",
    ),
    Topic(
        "llm.batch.recorded",
        "lace.llm_gateway.v1.BatchRecorded",
        "llm_gateway",
        (),
        "A batch came to another state, for who analyses.",
    ),
    Topic(
        "llm.template_run.recorded",
        "lace.llm_gateway.v1.TemplateRunRecorded",
        "llm_gateway",
        (),
        "A run of a template ended: hashes, model, tokens and cost without the output, for who analyses.",
    ),
    Topic("openlineage.start", OPENLINEAGE_RUN_EVENT, "runs", (), "A run began, as OpenLineage START."),
    Topic(
        "openlineage.complete",
        OPENLINEAGE_RUN_EVENT,
        "runs",
        (),
        "A run ended, as OpenLineage COMPLETE, FAIL or ABORT.",
    ),
)

TOPICS: Mapping[str, Topic] = {topic.name: topic for topic in _DEFINITIONS}
