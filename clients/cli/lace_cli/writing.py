"""A document out of a run: asked for, followed, told of, and saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lace_cli.failures import INTERRUPTED, CommandError, advice_for
from lace_cli.files import slug
from lace_cli.output import print_json, warn
from lace_cli.progress import RunView

if TYPE_CHECKING:
    from lace.common.v1 import event_pb2
    from lace.runs.v1 import runs_pb2
    from lace_client import LaceClient

ENDINGS = {"md": ".md", "docx": ".docx", "pdf": ".pdf", "owl": ".ttl"}


def told_end(view: RunView) -> event_pb2.RunCompleted:
    """Tells of the warnings and of what was written. Raises CommandError where the run did not succeed."""
    for warning in view.warnings:
        about = f" ({warning.subject})" if warning.subject else ""
        warn(f"{warning.message}{about} [{warning.code}]")
    if view.failed is not None:
        raise CommandError(view.failed.message, code=view.failed.error_code, advice=advice_for(view.failed.error_code))
    if view.completed is None:
        raise CommandError(
            f"The run was {view.state}." if view.is_over else "The stream ended early.", code=_code(view)
        )
    return view.completed


def follow_to_end(api: LaceClient, run_id: str, title: str, *, quiet: bool = False) -> event_pb2.RunCompleted:
    """Shows the run until it has succeeded. Raises CommandError where it did not."""
    from lace_cli.display import follow

    if not quiet:
        return told_end(follow(title, api.watch_run(run_id)))
    view = RunView()
    for event in api.watch_run(run_id):
        view.take(event)
    return told_end(view)


@contextmanager
def watched(run_id: str) -> Iterator[None]:
    """Ctrl-C within the block ends the watching alone, and says so. Raises CommandError INTERRUPTED."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            "No longer watched; the run goes on.",
            code="INTERRUPTED",
            advice=f"Watch it again: lace watch {run_id}   End it: lace cancel {run_id}",
            exit_code=INTERRUPTED,
        ) from None


def finish(api: LaceClient, run_id: str, doing: str, out: Path, as_json: bool, *, title: str | None = None) -> None:
    """Follows a run to its end, saves the files that it made, and tells what came of it.

    With the title of its document given, a run must have made files; else they are named after its artifact. Raises
    CommandError where the run did not succeed, or made no file that it must have made.
    """
    with watched(run_id):
        done = follow_to_end(api, run_id, doing, quiet=as_json)
    if title is not None:
        saved = save_compiled(api, done, title, out)
    else:
        saved = save_compiled(api, done, api.get_artifact(done.artifact_id).title, out) if done.compiled else []
    if as_json:
        print_json({"run_id": run_id, "result": done, "files": [str(path) for path in saved]})
        return
    if done.artifact_id:
        typer.echo(f"{done.artifact_id}: go on with lace revisions, expand, patch or verify")
    for path in saved:
        typer.echo(path)
    if done.dropped_citations:
        typer.echo(f"{done.dropped_citations} citations were dropped; see them: lace runs --json")
    if done.review_items:
        wait = "sentence waits" if done.review_items == 1 else "sentences wait"
        typer.echo(f"{done.review_items} {wait} for review: lace review --run {run_id}")
    if done.sentences:
        typer.echo(citation_line(done))


def tell_detached(started: runs_pb2.StartRunResponse, as_json: bool) -> None:
    """Tells of a run that nobody waits for."""
    if as_json:
        print_json(started)
    else:
        typer.echo(f"{started.run_id} is under way; see it: lace watch {started.run_id}")


def citation_line(done: event_pb2.RunCompleted) -> str:
    """`124 of 124 sentences cited to 11 sources`."""
    return f"{done.cited_sentences} of {done.sentences} sentences cited to {done.cited_sources} sources"


def save_compiled(api: LaceClient, done: event_pb2.RunCompleted, title: str, folder: Path) -> list[Path]:
    """Saves the files that the run made, under the title's name; their paths, in the order of ENDINGS.

    Raises CommandError where it made none.
    """
    made = {compiled.compiled_id for compiled in done.compiled if compiled.ok}
    listed = api.list_compiled(done.artifact_id, revision_id=done.revision_id)
    files = {each.target: each for each in listed if each.compiled_id in made}
    if not files:
        raise CommandError("The run made no file.", code="COMPILED_NOT_FOUND")
    folder.mkdir(parents=True, exist_ok=True)
    return [
        api.download(files[target], folder / (slug(title) + ending))
        for target, ending in ENDINGS.items()
        if target in files
    ]


def _code(view: RunView) -> str:
    return "RUN_CANCELLED" if view.state == "cancelled" else "STREAM_ENDED"
