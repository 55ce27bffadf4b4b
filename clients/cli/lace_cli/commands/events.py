"""`lace events`: what happened in a run, event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.commands.runs import RunId
from lace_cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lace.common.v1 import event_pb2
    from lace_client import LaceClient

_WORDS = ("message", "summary", "sample", "title", "reason")
_LONGEST_REMARK = 80


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("events")(events)


def events(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with events as they come, to the end.")] = False,
    after: Annotated[str, typer.Option("--after", metavar="EVENT", help="Begin behind this event.")] = "",
    schema_version: Annotated[
        int, typer.Option("--schema-version", min=0, help="Event schema to ask for; the newest where left out.")
    ] = 0,
    content: Annotated[
        str, typer.Option("--content", metavar="EVENT", help="Print the whole content of one event instead.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """List the events of a run, from the first.

    Prompts, answers and findings are shown in part. --content prints one whole; that needs a token with the scope
    payloads:read, and is recorded in the audit log.
    """
    from lace_cli.connection import connect
    from lace_cli.writing import watched

    with connect() as api:
        if content:
            _print_content(api, run_id, content, as_json)
            return
        read = api.watch_run if follow else api.replay_events
        found = read(run_id, after_event_id=after, schema_version=schema_version)
        with watched(run_id):
            if as_json:
                _print_lines(found)
            elif follow:
                for event in found:
                    typer.echo("  ".join(_row(event)))
            else:
                headings = ("no.", "at (UTC)", "event", "step", "status", "done", "remark")
                print_table(headings, map(_row, found), empty="There are no events behind this one yet.")


def _print_content(api: LaceClient, run_id: str, event_id: str, as_json: bool) -> None:
    content = api.get_event_content(run_id, event_id)
    if as_json:
        print_json(content)
    else:
        typer.echo(content.content)


def _print_lines(found: Iterator[event_pb2.RunEvent]) -> None:
    from lace_proto.json import to_json

    for event in found:
        typer.echo(to_json(event).decode())


def _row(event: event_pb2.RunEvent) -> tuple[str, ...]:
    at = event.occurred_at.ToDatetime().strftime("%H:%M:%S.%f")[:-3]
    name = event.event_type.removeprefix("pipeline.")
    done = f"{event.progress_pct:.0f} %"
    return (str(event.sequence), at, name, event.step_id, event.status, done, _remark(event))


def _remark(event: event_pb2.RunEvent) -> str:
    """The words that the payload has for a person, on one line."""
    kind = event.payload.WhichOneof("kind")
    said = getattr(event.payload, kind) if kind else event.payload
    words = next((text for name in _WORDS if (text := getattr(said, name, ""))), "")
    line = " ".join(str(words).split())
    return line if len(line) <= _LONGEST_REMARK else line[: _LONGEST_REMARK - 1] + "…"
