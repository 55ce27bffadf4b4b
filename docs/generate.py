"""Writes the pages of docs/ that are made from the code: errors, events, run life cycle, settings.

`make docs` writes them, `--check` only says whether they are up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from google.protobuf.descriptor import Descriptor

from lace.common.v1 import error_reason_pb2, event_pb2
from lace_core.errors import REASONS
from lace_core.pipeline import PIPELINES
from lace_core.policies.model import policy_schema
from lace_core.settings import SETTINGS, Setting
from lace_core.topics import TOPICS
from lace_proto.comments import comment_of
from lace_runs.domain.event_types import EVENT_TYPES
from lace_runs.domain.event_versions import OLDEST_SERVED
from lace_runs.domain.events import SCHEMA_VERSION, payload_version
from lace_runs.domain.paragraphs import states
from lace_runs.domain.runs import COMMANDS, TRANSITIONS, RunState

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)

FOLDER = Path(__file__).parent
_ORIGIN = "<!-- Made by docs/generate.py from {source}; change that and run `make docs`. -->\n\n"

_ERRORS = """# Errors

Every failure has one code out of a closed set. REST answers with `application/problem+json` (RFC 9457):

| Member | What it holds |
| --- | --- |
| `error_code` | the code below; stable, for programs |
| `message` | what is wrong and what to do; for people, may change |
| `details` | one `{field, description}` for each violated rule; `field` is a JSON Pointer or a name |
| `retryable` | whether the same request may succeed later; then `Retry-After` says when, where it is known |
| `correlation_id` | ties the answer to the log lines and traces of all services |
| `type`, `title`, `status`, `detail`, `instance` | the members of RFC 9457 |

gRPC carries the same as `google.rpc.Status`: `ErrorInfo.reason` is the code, with the domain `lace`; violated rules
are `BadRequest`, waiting times `RetryInfo`. The enum is `lace.common.v1.ErrorReason`; codes are added, never renamed.
An HTTP status is chosen by the code and not by the gRPC code alone.

"""

_EVENTS = """# Events

What happens in a run is told by events: one envelope, and a payload of the type's own. They are written in the same
commit as what they tell of, numbered without gaps, never changed, and read from the table alone. How to read them is in
the [cookbook](api.md#watch-it).

## The envelope

"""

_EVENT_TYPES_HEAD = """
## Types

A run's last event is `pipeline.run.completed`, `pipeline.run.failed` or `pipeline.run.cancelled`.
`pipeline.step.failed` is said of every attempt; `pipeline.error` once of what ends a step for good, or the run.
`pipeline.llm.…` is said of calls that were answered; `GET /v1/runs/{run_id}/calls` has those that failed as well.

"""

_EVENT_VERSIONS = """
## Versions

`schema_version` is the version of all of this: of the envelope, and of each type's payload that goes with it. Members
may be added within a version; whatever breaks a reader makes a new one. Versions {newest} and {oldest} are served:
`schema_version` in the query of pages, replay and stream, and in the gRPC requests, says which one the reader
understands, the newest where it says nothing; others are refused with `EVENT_SCHEMA_UNSUPPORTED`. Events stay stored in
the version of the release that wrote them, and are cast when they are read.

"""

_EVENT_PAYLOADS = """
## Redaction

Prompts, answers and findings are shown as the setting `events.redaction` of the tenant says: `sample` some words with
what looks like a secret masked, `hash` nothing but the hash, `none` the text itself (at most 8,000 characters).
`redaction_level` tells which. The whole is kept in the bucket `lace-replay` under `content_uri`, and `content_hash` is
the SHA-256 of its bytes. `GET /v1/runs/{run_id}/events/{event_id}/content` gives it to those who have the scope
`payloads:read` and the run's labels, after it was compared with its hash (`BLOB_CORRUPT`) and the reading was recorded
in the audit log. `content_uri` is empty where the store did not take it in time: the paid answer is worth more than
its copy.

## Payloads

"""

_LIFECYCLE = """# The life of a run

A run is queued until a worker claims it. Only the worker that holds a run writes its row and its events. Everybody
else leaves a command, which the worker takes up at the next step boundary, or at once for cancel. A finished run never
changes again. A transition that is not in the table is refused with `RUN_TRANSITION_ILLEGAL`.

"""

_AFTER_DIAGRAM = """
Commands are `pause`, `resume`, `restart` and `cancel`; the other triggers are the worker's own. `claim` on a running
run means that another worker takes over a dead one's: the run's epoch counts up, and whatever the old worker still
writes is refused. `restart` of a live run goes back to a step within the same run, as its next attempt; `restart` of
a finished one makes a new run that names the old one in `restarted_from_run_id` and keeps the results of earlier steps.

"""

_PIPELINES = """
## Pipelines

A run follows one pipeline, pinned with its version. What a step gives is kept as a checkpoint: going on after a crash
is running the same pipeline again and passing over the steps that have one.

"""

_PARAGRAPHS = """# Life of a paragraph

A paragraph is prose to a specification; [governance.md](governance.md#paragraphs) says what moves it and what is shown.
The end of its run, with the cause where it failed or was cancelled, is written in the commit that ends the run.

"""

_SETTINGS = """# Settings

A value comes from the strongest layer that gives one. From weak to strong: default, `.env`, environment, system,
tenant, user, request. Every run pins the values it began with; `POST /v1/settings:resolve` and `lace settings get`
tell which layer gave each. `lace settings set KEY VALUE` changes one for the system, with `--tenant ID` for a tenant;
a request gives its own as `settings` (REST) or `--set KEY=VALUE` (command line).

"""


_TOPICS = """# Topics

What travels over the bus. The key is the run's id, or the source's where there is no run. Messages of one key are in
order within a topic, delivered at least once; across topics nothing is promised, so a reader of several puts the
events of a run in order by `sequence`.

On Kafka the value is the JSON of the payload, and the headers are those of CloudEvents 1.0 in binary mode: `ce_id`
(the event's or message's id), `ce_type` (the topic's name), `ce_source` (`/tenants/ID`), `ce_specversion`, `ce_time`,
`ce_subject` and `ce_partitionkey` (the key), `ce_dataschema` and `ce_schemaversion`, `ce_tenantid`, `ce_traceparent`,
`ce_correlationid`, and `content-type`. A record with the header `redrive-group` is an old message that an operator
had sent again to that group; others pass it over.

A topic with groups has a dead-letter topic of the same name with `.dlq` behind it.

"""


def pages() -> dict[str, str]:
    """The text of each page by file name."""
    makers: Mapping[str, tuple[str, Callable[[], str]]] = {
        "errors.md": ("lace_core.errors and lace.common.v1.ErrorReason", _errors),
        "events.md": ("lace.common.v1.RunEvent and lace_runs.domain.event_types", _events),
        "run-lifecycle.md": ("lace_runs.domain.runs and lace_core.pipeline", _lifecycle),
        "paragraph-lifecycle.md": ("lace_runs.domain.paragraphs.states", _paragraphs),
        "settings.md": ("lace_core.settings", _settings),
        "topics.md": ("lace_core.topics", _topics),
    }
    made = {name: _ORIGIN.format(source=source) + make() for name, (source, make) in makers.items()}
    return {**made, "policy.schema.json": json.dumps(policy_schema(), ensure_ascii=False, indent=2) + "\n"}


def _topics() -> str:
    rows = (
        (
            f"`{topic.name}`",
            topic.payload if " " in topic.payload else f"`{topic.payload}`",
            topic.publisher,
            ", ".join(f"`{group}`" for group in topic.groups),
            topic.description,
        )
        for topic in TOPICS.values()
    )
    return _TOPICS + _table(("Topic", "Payload", "From", "Groups", "When"), rows)


def _errors() -> str:
    numbers = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    rows = sorted(
        (numbers[f"ERROR_REASON_{reason.value}"].number, f"`{reason.value}`", str(spec.http_status), spec)
        for reason, spec in REASONS.items()
    )
    table = _table(
        ("No.", "Code", "HTTP", "gRPC", "For example"),
        [(str(number), code, status, spec.grpc_code, spec.example) for number, code, status, spec in rows],
    )
    return _ERRORS + table


def _events() -> str:
    rows = [
        (f"`{name}`", f"`{kind.member}`", str(payload_version(name)), kind.about, kind.when)
        for name, kind in EVENT_TYPES.items()
    ]
    versions = [
        (f"`{name}`", *(str(payload_version(name, version)) for version in range(OLDEST_SERVED, SCHEMA_VERSION + 1)))
        for name in EVENT_TYPES
        if payload_version(name, OLDEST_SERVED) != payload_version(name)
    ]
    heads = ("Payload that differs", *(f"in schema {v}" for v in range(OLDEST_SERVED, SCHEMA_VERSION + 1)))
    return (
        _EVENTS
        + _members(event_pb2.RunEvent.DESCRIPTOR)
        + _EVENT_TYPES_HEAD
        + _table(("Type", "Payload", "Version", "About", "When"), rows)
        + _EVENT_VERSIONS.format(newest=SCHEMA_VERSION, oldest=OLDEST_SERVED)
        + _table(heads, versions)
        + _EVENT_PAYLOADS
        + _payloads()
    )


def _payloads() -> str:
    """Each payload with its members, and behind it the messages that are only parts of payloads."""
    own = {
        field.message_type.full_name: field for field in event_pb2.EventPayload.DESCRIPTOR.fields if field.message_type
    }
    parts = [
        (part.name, part.message_type)
        for field in own.values()
        for part in (field.message_type.fields if field.message_type else ())
        if part.message_type and part.message_type.full_name not in own
    ]
    told = [(field.name, field.message_type) for field in own.values() if field.message_type] + parts
    return "\n".join(f"**`{name}`**: {comment_of(message.full_name)}\n\n{_members(message)}" for name, message in told)


def _members(message: Descriptor) -> str:
    rows = [(f"`{field.name}`", comment_of(field.full_name).replace("\n", " ")) for field in message.fields]
    return _table(("Member", "What it holds"), rows)


def _lifecycle() -> str:
    return _LIFECYCLE + _diagram() + _AFTER_DIAGRAM + _transitions() + _PIPELINES + _pipelines()


def _diagram() -> str:
    ends = [state for state in RunState if state.is_final]
    return _drawn(TRANSITIONS, "queued: start", ends)


def _paragraphs() -> str:
    rows = [(before, trigger, after) for (before, trigger), after in states.TRANSITIONS.items()]
    drawn = _drawn(states.TRANSITIONS, "draft: create", [states.ParagraphState.DELETED])
    return _PARAGRAPHS + drawn + "\n" + _table(("From", "Trigger", "To"), rows)


def _drawn(transitions: Mapping[tuple[S, T], S], start: str, ends: Sequence[S]) -> str:
    """A table of states as a diagram: one arrow for all that leads from one state to another."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, trigger), after in transitions.items():
        arrows.setdefault((state.value, after.value), []).append(trigger.value)
    lines = [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()]
    last = [f"    {state.value} --> [*]" for state in ends]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {start}", *lines, *last, "```", ""])


def _transitions() -> str:
    rows = [
        (before.value, trigger.value, "command" if trigger in COMMANDS else "worker", after.value)
        for (before, trigger), after in TRANSITIONS.items()
    ]
    return _table(("From", "Trigger", "Comes from", "To"), rows)


def _pipelines() -> str:
    rows = [
        (f"`{pipeline.pipeline_id}` {pipeline.version}", pipeline.description, " → ".join(step.name for step in steps))
        for pipeline in PIPELINES.values()
        for steps in [pipeline.steps]
    ]
    marks = [
        (
            f"`{step.name}`",
            f"per {step.per}",
            step.mode,
            "yes" if step.calls_model else "no",
            ", ".join(" or ".join(f"`{kind}`" for kind in taken.split("|")) for taken in step.takes),
            f"`{step.gives}`",
        )
        for step in {s.name: s for p in PIPELINES.values() for s in p.steps if not s.name.startswith("noop")}.values()
    ]
    names = ("Step", "Done", "Mode", "May call a model", "Takes", "Gives")
    return _table(("Pipeline", "What it does", "Steps"), rows) + "\n" + _table(names, marks)


def _settings() -> str:
    of_process = [setting for setting in SETTINGS.values() if setting.scopes == ("process",)]
    shared = [setting for setting in SETTINGS.values() if setting.scopes != ("process",)]
    return (
        _SETTINGS
        + "## Of one process\n\nRead from `.env` and the environment when a process starts. Secrets that are made on "
        + "first start are kept in `secrets.json` in the data folder.\n\n"
        + _table(("Variable", "Default", "Allowed", "What it does"), [_setting_row(s)[1:] for s in of_process])
        + "\n## Of the system, a tenant, a user or a request\n\nThe environment variable sets the value of the process "
        + "that reads it, below the stored layers.\n\n"
        + _table(
            ("Key", "Variable", "Default", "Allowed", "What it does", "Set for"),
            [(*_setting_row(s), ", ".join(s.scopes)) for s in shared],
        )
    )


def _setting_row(setting: Setting) -> tuple[str, ...]:
    default = "" if setting.secret or setting.default in ("", []) else f"`{json.dumps(setting.default)}`"
    return (
        f"`{setting.key}`",
        f"`{setting.environment_variable}`",
        default.replace('"', ""),
        _allowed(setting),
        setting.description,
    )


def _allowed(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(setting.choices)
    if setting.minimum is not None:
        return f"{setting.minimum} to {setting.maximum}"
    forms = {"bool": "true, false", "list": "comma separated", "map": "step=number, comma separated"}
    return forms.get(setting.kind, "secret" if setting.secret else "text")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Writes the pages, or with --check names those that differ; the exit code."""
    stale = [name for name, text in pages().items() if _read(FOLDER / name) != text]
    for name in stale:
        if "--check" not in arguments:
            (FOLDER / name).write_text(pages()[name], encoding="utf-8")
        sys.stdout.write(f"docs/{name}: {'differs; run make docs' if '--check' in arguments else 'written'}\n")
    return 1 if stale and "--check" in arguments else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
