"""`lace ingest` and `lace sources`: giving it documents, and seeing what it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.commands import source_content
from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2
    from lace_cli.ingestion import Ingested

_SHOWN = 50  # more than a screen is a number

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the source, as `lace sources` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("ingest")(ingest)
    group = typer.Typer(help="The documents that it has: all of them, or the versions of one.", no_args_is_help=False)
    group.callback(invoke_without_command=True)(sources)
    source_content.add_to(group)
    group.command("versions")(versions)
    group.command("extractions")(extractions)
    group.command("inbox")(inbox)
    app.add_typer(group, name="sources")


def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Documents, or folders of them: md, txt, json, docx, pdf.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Of folders only these files, by name or path; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Of folders not these files; repeatable.")
    ] = None,
    from_store: Annotated[
        str | None,
        typer.Option("--from-store", metavar="PREFIX", help="Take in what lies in the store's inbox under PREFIX."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Security label that readers need; may be repeated.")
    ] = None,
    version_of: Annotated[
        str, typer.Option("--version-of", metavar="SOURCE", help="The document is a newer version of this source.")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="For you alone.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also those that are there already.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until they are read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give it documents and wait until they are read.

    Folders are read with all below them, without hidden files and without following links. What is there already is
    passed over: after Ctrl-C the same command goes on.

    Examples:  lace ingest reports/   ·   lace ingest minutes.docx budget.pdf
    ·   lace ingest archive/ --include '*.pdf' --exclude 'drafts/*'   ·   lace ingest --from-store 2026/
    ·   lace ingest budget.pdf --version-of src_…
    """
    from lace_cli.connection import connect
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_cli.files import Globs
    from lace_cli.ingestion import Given, ingest_paths

    if (from_store is None) == (not paths):
        raise CommandError("Name documents or folders, or --from-store PREFIX.", code="WRONG_USE", exit_code=WRONG_USE)
    if from_store is not None:
        _from_store(from_store, label or (), detach, as_json)
        return
    given = Given(tuple(label or ()), version_of, private, again)
    globs = Globs(tuple(include or ()), tuple(exclude or ()))
    with connect() as api:
        done = ingest_paths(api, paths or [], given=given, globs=globs, wait=not detach, quiet=as_json)
    if as_json:
        print_json({"run_ids": done.run_ids, "sources": done.sources, "rejected": done.rejected, "there": done.there})
    else:
        _tell(done, detach)


def _tell(done: Ingested, detach: bool) -> None:
    if len(done.sources) <= _SHOWN:
        _show(done.sources)
    unreadable = sum(bool(source.error_code) for source in done.sources)
    documents = "1 document" if len(done.sources) == 1 else f"{len(done.sources)} documents"
    typer.echo(
        f"{documents}: {len(done.readable)} can be used, {unreadable} could not be read, "
        f"{len(done.rejected)} were not taken; {done.there} were there before.",
        err=True,
    )
    if detach:
        for run_id in done.run_ids:
            typer.echo(f"Being read; see it: lace watch {run_id}")


def _from_store(prefix: str, labels: Sequence[str], detach: bool, as_json: bool) -> None:
    from lace_cli.connection import connect
    from lace_cli.ingestion import import_prefix
    from lace_proto.json import to_python

    with connect() as api:
        run_id, files = import_prefix(api, prefix, labels=labels, wait=not detach, quiet=as_json)
    if as_json:
        print_json({"run_id": run_id, "files": files})
    elif detach:
        typer.echo(f"Being read; see it: lace watch {run_id}")
    elif len(files) <= _SHOWN:
        rows = [(f.source_id, f.filename, to_python(f)["state"], str(f.units or ""), f.error_code) for f in files]
        print_table(("id", "object", "state", "units", "remark"), rows, empty="There are none.")
    else:
        typer.echo(f"{sum(not file.error_code for file in files)} of {len(files)} objects were read.")


def inbox(
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Only objects whose names begin with it.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what lies in the store's inbox: objects below TENANT/inbox/ in the bucket lace-sources.

    Examples:  lace sources inbox   ·   lace sources inbox 2026/   ·   lace ingest --from-store 2026/
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.intake.inbox(prefix))
    if as_json:
        print_json(found)
        return
    rows = [
        (one.name, str(one.size_bytes), one.modified_at.ToDatetime().strftime("%Y-%m-%d %H:%M"), one.source_id)
        for one in found
    ]
    print_table(("object", "bytes", "put there", "source"), rows, empty="Nothing lies there.")


def sources(context: typer.Context, as_json: AsJson = False) -> None:
    """List the documents that it has, newest first; or see the versions of one.

    Examples:  lace sources   ·   lace sources show src_…   ·   lace sources units src_…
    ·   lace sources versions src_…   ·   lace sources extractions src_…
    """
    from lace_cli.connection import connect

    if context.invoked_subcommand is not None:
        return
    with connect() as api:
        found = list(api.list_sources())
    if as_json:
        print_json(found)
    else:
        _show(found)


def versions(source: Source, as_json: AsJson = False) -> None:
    """List the versions of the document that a source belongs to, newest first.

    Example:  lace sources versions src_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.readings.versions(source))
    if as_json:
        print_json(found)
        return
    rows = []
    for one in found:
        given_at = one.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        rows.append((str(one.version), one.source_id, one.filename, given_at, one.sha256))
    print_table(("version", "id", "file", "given", "sha256"), rows, empty="It has no versions.")


def extractions(source: Source, as_json: AsJson = False) -> None:
    """List how a source was read so far, newest first: what was cited of an old reading stays readable.

    Example:  lace sources extractions src_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.readings.extractions(source))
    if as_json:
        print_json(found)
        return
    rows = [
        (one.extraction, "present" if one.present else "", str(one.unit_count), str(one.word_count), one.run_id)
        for one in found
    ]
    print_table(("extraction", "", "units", "words", "run"), rows, empty="It was not read yet; see: lace sources")


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
