"""`lace templates batches` and `lace templates batch run|show|watch|pause|resume|cancel`: a template run many times."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.llm_gateway.v1 import templates_pb2
    from lace_client import LaceClient

_EVERY_S = 0.5
_GROUP = "templates"


class Mode(StrEnum):
    """Whether the model searches."""

    NONE = "none"
    PREFERRED = "preferred"
    REQUIRED = "required"


class Drift(StrEnum):
    """What happens where the model changes."""

    PAUSE = "pause"
    FAIL = "fail"
    CONTINUE = "continue"


Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="As `lace templates list` shows it.")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="Id of the batch, as `lace templates batches` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the group of templates, which is made where it is not there."""
    known = {info.name: info.typer_instance for info in app.registered_groups}
    group = known.get(_GROUP)
    if group is None:
        group = typer.Typer(help="Templates that are written once, and what their runs gave.", no_args_is_help=True)
        app.add_typer(group, name=_GROUP)
    group.command("batches")(list_batches)
    batch = typer.Typer(help="Batches: a template run for every locale, mode and replicate.", no_args_is_help=True)
    for name, command in (
        ("run", run), ("show", show), ("watch", watch), ("pause", pause), ("resume", resume), ("cancel", cancel),
    ):  # fmt: skip
        batch.command(name)(command)
    group.add_typer(batch, name="batch")


def run(
    template: Template,
    var: Annotated[
        list[str] | None, typer.Option("--var", help="A value: NAME=TEXT, or NAME:=JSON for numbers and lists.")
    ] = None,
    locale: Annotated[
        list[str] | None, typer.Option("--locale", help="A locale; the template's where left out.")
    ] = None,
    mode: Annotated[
        list[Mode] | None, typer.Option("--mode", help="A grounding; the template's where left out.")
    ] = None,
    replicates: Annotated[int, typer.Option("--replicates", min=1, help="Runs for each locale and mode.")] = 1,
    drift: Annotated[Drift, typer.Option("--drift", help="What happens where the model changes.")] = Drift.PAUSE,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a template for every locale, mode and replicate, in this order, and follow it to its end.

    Before the first run the batch is held to one version and fingerprint of the model. Ctrl-C stops the watching, not
    the batch.

    Example:  lace templates batch run tpl_… --var city=Graz --locale de-AT --locale en-GB --replicates 3
    """
    from lace_cli.connection import connect
    from lace_cli.variables import values_of

    variables = values_of(var or ())
    with connect() as api:
        batch = api.run_batch(
            template,
            variables=variables,
            locales=locale or (),
            modes=[each.value for each in mode or ()],
            replicates=replicates,
            drift_policy=drift.value,
        )
        _tell(batch if detach else _follow(api, batch.batch_id, quiet=as_json), as_json)


def list_batches(
    template: Template,
    state: Annotated[str, typer.Option("--state", help="Only those in this state, for instance paused.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the batches of a template, newest first."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.list_batches(template, state=state))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.batch_id,
            each.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            _state(each),
            f"{each.succeeded}/{each.total}",
            str(each.failed),
            str(each.drifted),
            each.locked_version,
            f"{each.cost_micro_usd / 1_000_000:.4f}",
        )
        for each in found
    ]
    headings = ("batch", "asked (UTC)", "state", "succeeded", "failed", "drifted", "held to", "USD")
    print_table(headings, rows, empty="There are no such batches.")


def show(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Show how far a batch is, and what it is held to."""
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.get_batch(batch_id), as_json)


def watch(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Follow a batch until it has ended or stands still; Ctrl-C stops the watching, not the batch."""
    from lace_cli.connection import connect

    with connect() as api:
        _tell(_follow(api, batch_id, quiet=as_json), as_json)


def pause(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Begin no further run; those under way are let end."""
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.pause_batch(batch_id), as_json)


def resume(
    batch_id: BatchId,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Hold it to the version and fingerprint that the model has now.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Make the runs that failed again.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a paused batch, or make the failed runs of a completed one again; all keep their places.

    Example:  lace templates batch resume bat_… --accept-drift
    """
    from lace_cli.connection import connect

    with connect() as api:
        batch = api.resume_batch(batch_id, accept_drift=accept_drift, retry_failed=retry_failed)
        _tell(batch if detach else _follow(api, batch.batch_id, quiet=as_json), as_json)


def cancel(batch_id: BatchId, as_json: AsJson = False) -> None:
    """End a batch; runs that are under way are cancelled."""
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.cancel_batch(batch_id), as_json)


def _follow(api: LaceClient, batch_id: str, *, quiet: bool) -> templates_pb2.Batch:
    """The batch when it has come to rest, with a bar on a terminal and a line at each change elsewhere."""
    states = _states(api, batch_id)
    with _watched(batch_id):
        if quiet:
            return list(states)[-1]
        return _bar(states) if sys.stdout.isatty() else _lines(states)


@contextmanager
def _watched(batch_id: str) -> Iterator[None]:
    """Ctrl-C within the block ends the watching alone, and says so. Raises CommandError INTERRUPTED."""
    from lace_cli.failures import INTERRUPTED, CommandError

    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            "No longer watched; the batch goes on.",
            code="INTERRUPTED",
            advice=f"Watch it again: lace templates batch watch {batch_id}   "
            f"Stop it: lace templates batch pause {batch_id} (or cancel)",
            exit_code=INTERRUPTED,
        ) from None


def _states(api: LaceClient, batch_id: str) -> Iterator[templates_pb2.Batch]:
    while True:
        batch = api.get_batch(batch_id)
        yield batch
        if _state(batch) in ("paused", "completed", "failed", "cancelled"):
            return
        time.sleep(_EVERY_S)


def _bar(states: Iterator[templates_pb2.Batch]) -> templates_pb2.Batch:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console()) as progress:
        first = next(states)
        task = progress.add_task("Runs", total=first.total, told="")
        for batch in chain((first,), states):
            progress.update(task, completed=batch.succeeded + batch.failed, told=_told(batch))
    return batch


def _lines(states: Iterator[templates_pb2.Batch]) -> templates_pb2.Batch:
    shown = ""
    for batch in states:
        line = f"Runs  {batch.succeeded + batch.failed}/{batch.total}  {_told(batch)}"
        if line != shown:
            shown = line
            typer.echo(line)
    return batch


def _told(batch: templates_pb2.Batch) -> str:
    parts = [_state(batch)]
    if batch.failed:
        parts.append(f"{batch.failed} failed")
    if batch.drifted:
        parts.append(f"{batch.drifted} drifted")
    return ", ".join(parts)


def _tell(batch: templates_pb2.Batch, as_json: bool) -> None:
    if as_json:
        print_json(batch)
    else:
        for name, value in _facts(batch).items():
            if value:
                typer.echo(f"{name:>11}  {value}")
    if _state(batch) == "failed":
        raise typer.Exit(1)


def _facts(batch: templates_pb2.Batch) -> dict[str, str]:
    held = " ".join(filter(None, (batch.locked_version, batch.locked_fingerprint)))
    return {
        "batch": batch.batch_id,
        "template": batch.template_id,
        "state": _state(batch),
        "model": f"{batch.provider}/{batch.model}",
        "held to": held,
        "runs": f"{batch.succeeded} of {batch.total} succeeded, {batch.failed} failed, {batch.drifted} drifted",
        "tokens": f"{batch.input_tokens} in, {batch.output_tokens} out",
        "cost": f"{batch.cost_micro_usd / 1_000_000:.4f} USD",
        "code": batch.error_code,
        "error": batch.error_message,
        "go on with": _advice(batch),
    }


def _advice(batch: templates_pb2.Batch) -> str:
    from lace_cli.failures import advice_for

    if _state(batch) == "paused":
        accept = " --accept-drift" if batch.error_code == "BATCH_DRIFTED" else ""
        return f"lace templates batch resume {batch.batch_id}{accept}"
    if _state(batch) == "completed" and batch.failed:
        return f"lace templates batch resume {batch.batch_id} --retry-failed"
    return advice_for(batch.error_code) if _state(batch) == "failed" else ""


def _state(batch: templates_pb2.Batch) -> str:
    from lace.llm_gateway.v1 import templates_pb2

    return templates_pb2.BatchState.Name(batch.state).removeprefix("BATCH_STATE_").lower()
