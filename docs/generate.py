"""Writes the pages of docs/ that are made from the code: errors, run life cycle, settings.

`make docs` writes them, `--check` only says whether they are up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lace.common.v1 import error_reason_pb2
from lace_core.errors import REASONS
from lace_core.pipeline import PIPELINES
from lace_core.settings import SETTINGS, Setting
from lace_runs.domain.runs import COMMANDS, TRANSITIONS, RunState

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

_SETTINGS = """# Settings

A value comes from the strongest layer that gives one. From weak to strong: default, `.env`, environment, system,
tenant, user, request. Every run pins the values it began with; `POST /v1/settings:resolve` and `lace settings get`
tell which layer gave each. `lace settings set KEY VALUE` changes one for the system, with `--tenant ID` for a tenant;
a request gives its own as `settings` (REST) or `--set KEY=VALUE` (command line).

"""


def pages() -> dict[str, str]:
    """The text of each page by file name."""
    makers: Mapping[str, tuple[str, Callable[[], str]]] = {
        "errors.md": ("lace_core.errors and lace.common.v1.ErrorReason", _errors),
        "run-lifecycle.md": ("lace_runs.domain.runs and lace_core.pipeline", _lifecycle),
        "settings.md": ("lace_core.settings", _settings),
    }
    return {name: _ORIGIN.format(source=source) + make() for name, (source, make) in makers.items()}


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


def _lifecycle() -> str:
    return _LIFECYCLE + _diagram() + _AFTER_DIAGRAM + _transitions() + _PIPELINES + _pipelines()


def _diagram() -> str:
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, trigger), after in TRANSITIONS.items():
        arrows.setdefault((state.value, after.value), []).append(trigger.value)
    lines = [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()]
    ends = [f"    {state.value} --> [*]" for state in RunState if state.is_final]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> queued: start", *lines, *ends, "```", ""])


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
        (f"`{step.name}`", f"per {step.per}", step.mode, "yes" if step.calls_model else "no", f"`{step.gives}`")
        for step in {s.name: s for p in PIPELINES.values() for s in p.steps if not s.name.startswith("noop")}.values()
    ]
    names = ("Step", "Done", "Mode", "May call a model", "Gives")
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
    return {"bool": "true, false", "list": "comma separated"}.get(setting.kind, "secret" if setting.secret else "text")


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
