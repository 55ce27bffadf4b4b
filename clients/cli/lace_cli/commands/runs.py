"""`lace runs|watch|pause|resume|restart|cancel`: seeing and steering what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.runs.v1 import runs_pb2
    from lace_client import LaceClient

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, as `lace runs` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("runs")(runs)
    app.command("watch")(watch)
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("restart")(restart)
    app.command("cancel")(cancel)


def runs(
    state: Annotated[str, typer.Option("--state", help="Only these: queued, running, paused, failed, …")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from itertools import islice

    from lace_cli.connection import connect
    from lace_proto.json import to_python

    with connect() as api:
        found = list(islice(api.list_runs(state=state), limit))
    if as_json:
        print_json(found)
        return
    rows = []
    for run in found:
        plain = to_python(run)
        remark = f"{run.error_message} [{run.error_code}]" if run.error_code else run.title
        times = (run.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M"), f"{run.progress_pct:.0f} %")
        rows.append((run.run_id, run.pipeline_id, plain["state"], *times, run.artifact_id, remark))
    headings = ("run", "pipeline", "state", "asked for (UTC)", "done", "artifact", "document")
    print_table(headings, rows, empty="There are no runs yet: lace generate --title …")


def watch(
    run_id: RunId,
    after: Annotated[str, typer.Option("--after", help="Begin behind this event.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """Follow a run to its end; Ctrl-C stops the watching, not the run."""
    from lace_cli.connection import connect
    from lace_cli.display import follow
    from lace_cli.writing import told_end, watched

    with connect() as api:
        with watched(run_id):
            if as_json:
                _print_events(api, run_id, after)
                return
            run = api.get_run(run_id)
            view = follow(run.title or run.pipeline_id, api.watch_run(run_id, after_event_id=after))
    told_end(view)


def _print_events(api: LaceClient, run_id: str, after: str) -> None:
    from lace_proto.json import to_json

    for event in api.watch_run(run_id, after_event_id=after):
        typer.echo(to_json(event).decode())


def pause(run_id: RunId, reason: Reason = "", as_json: AsJson = False) -> None:
    """Pause a run at its next step."""
    from lace_cli.connection import connect

    with connect() as api:
        _taken(api.pause_run(run_id, reason=reason), f"Pausing. Go on with: lace resume {run_id}", as_json)


def resume(run_id: RunId, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let a paused run go on."""
    from lace_cli.connection import connect

    with connect() as api:
        _taken(api.resume_run(run_id, reason=reason), f"Going on. See it: lace watch {run_id}", as_json)


def restart(
    run_id: RunId,
    from_step: Annotated[str, typer.Option("--from", help="Step to go back to; the first where left out.")] = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Take a run back to a step, or start a finished one anew."""
    from lace_cli.connection import connect

    with connect() as api:
        answer = api.restart_run(run_id, from_step_id=from_step, reason=reason)
    _taken(answer, f"Restarted. See it: lace watch {answer.run_id}", as_json)


def cancel(run_id: RunId, reason: Reason = "", as_json: AsJson = False) -> None:
    """Cancel a run; a model call under way is given up at once."""
    from lace_cli.connection import connect

    with connect() as api:
        _taken(api.cancel_run(run_id, reason=reason), "Cancelling.", as_json)


def _taken(answer: runs_pb2.ControlRunResponse, message: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        typer.echo(message)
