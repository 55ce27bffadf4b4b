"""A document out of a run: asked for, followed, told of, and saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lace_cli.failures import INTERRUPTED, CommandError, advice_for
from lace_cli.files import slug
from lace_cli.output import warn
from lace_cli.progress import RunView

if TYPE_CHECKING:
    from lace.common.v1 import event_pb2
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
