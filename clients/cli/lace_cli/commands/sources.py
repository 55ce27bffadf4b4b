"""`lace ingest` and `lace sources`: giving it documents, and seeing what it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("ingest")(ingest)
    app.command("sources")(sources)


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Documents, or folders of them: md, txt, json, docx, pdf.")],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Security label that readers need; may be repeated.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until they are read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give it documents and wait until they are read.

    Examples:  lace ingest reports/   ·   lace ingest minutes.docx budget.pdf
    """
    from lace_cli.connection import connect
    from lace_cli.ingestion import ingest_paths

    with connect() as api:
        done = ingest_paths(api, paths, labels=label or (), wait=not detach, quiet=as_json)
    if as_json:
        print_json({"run_ids": done.run_ids, "sources": done.sources, "rejected": done.rejected})
        return
    _show(done.sources)
    if detach:
        for run_id in done.run_ids:
            typer.echo(f"Being read; see it: lace watch {run_id}")


def sources(as_json: AsJson = False) -> None:
    """List the documents that it has, newest first."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.list_sources())
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: Sequence[ingest_pb2.Source]) -> None:
    from lace_proto.json import to_python

    rows = []
    for source in found:
        plain = to_python(source)
        problem = f"{source.error_message} [{source.error_code}]" if source.error_code else "; ".join(source.warnings)
        figures = (str(source.page_count or ""), str(source.word_count or ""))
        rows.append((source.source_id, source.filename, plain["format"], plain["state"], *figures, problem))
    headings = ("id", "file", "format", "state", "pages", "words", "remark")
    print_table(headings, rows, empty="There are no sources yet: lace ingest FOLDER")
