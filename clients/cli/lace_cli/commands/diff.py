"""`lace diff|impact`: what is different between versions, and what that does to what was written from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json

if TYPE_CHECKING:
    from lace_cli.comparison import Asked, BundleComparison, SourceComparison
    from lace_client import LaceClient

ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where something is different, else 0.")]


class Level(StrEnum):
    """How close to look."""

    SUMMARY = "summary"
    DOCUMENT = "document"
    EXTRACTION = "extraction"
    IMPACT = "impact"
    ALL = "all"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("diff")(diff)
    app.command("impact")(impact)


def diff(
    first: Annotated[str, typer.Argument(metavar="SOURCE", help="A source (id or file name), or a bundle: NAME@1.")],
    second: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The later one; left out: the first and the version before it.")
    ] = "",
    level: Annotated[
        Level, typer.Option("--level", help="The counts, the text by words, the units, the citations touched, or all.")
    ] = Level.SUMMARY,
    context: Annotated[int, typer.Option("--context", min=0, max=100, help="Paragraphs around changed ones.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Show units and citations that did not change, too.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page that needs nothing else, to read or print.")
    ] = None,
    exit_code: ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Compare two sources, or two versions of a bundle.

    Examples:  lace diff src_1 src_2   ·   lace diff report.pdf --level document   ·
    lace diff dossier@1 dossier@2 --html changes.html
    """
    from lace_cli.comparison import LEVELS, Asked
    from lace_cli.connection import connect

    # A page for reading shows all there is, unless less is asked for.
    whole = level is Level.ALL or (html is not None and level is Level.SUMMARY)
    levels = LEVELS if whole else () if level is Level.SUMMARY else (level.value,)
    with connect() as api:
        found = _compared(api, first, second, Asked(levels, context, every))
        url = api.url
    if html is not None:
        from lace_cli.difference_page import page_of

        html.write_text(page_of(found, url), encoding="utf-8")
    if as_json:
        print_json(found.as_json())
    elif html is not None:
        typer.echo(f"Written: {html}")
    else:
        _print(found)
    if exit_code and found.differs:
        raise typer.Exit(1)


def impact(
    subject: Annotated[
        str, typer.Argument(metavar="ARTIFACT|SOURCE", help="A document (art_…), or a source that documents cite.")
    ],
    every: Annotated[bool, typer.Option("--all", help="Show citations that stand as they were, too.")] = False,
    exit_code: ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Show what newer versions of sources have made stale: of a document, or of all that cite a source.

    Examples:  lace impact art_…   ·   lace impact report.pdf --all
    """
    from lace_cli.comparison import source_named
    from lace_cli.connection import connect

    with connect() as api:
        asked: dict[str, Any] = {"unchanged": every}
        if subject.startswith("art_"):
            asked["artifact_id"] = subject
        else:
            asked["source_id"] = source_named(api, subject)
        pages = list(api.diffs.impact(**asked))
    citations = [citation for page in pages for citation in page.citations]
    stale = [citation for citation in citations if citation.standing != _stands()]
    if as_json:
        sources = {source.source_id: source for page in pages for source in page.sources}
        print_json({"citations": citations, "sources": list(sources.values())})
    else:
        from lace_cli.difference_text import impact_lines

        for line in impact_lines(citations):
            typer.echo(line)
        if not stale:
            typer.echo("Nothing is stale: every citation stands in the newest version of its source.")
    if exit_code and stale:
        raise typer.Exit(1)


def _stands() -> int:
    from lace.ingest.v1 import diffs_pb2

    return diffs_pb2.QUOTE_STANDING_STANDS


def _compared(api: LaceClient, first: str, second: str, asked: Asked) -> SourceComparison | BundleComparison:
    from lace_cli.bundle_names import bundle_of
    from lace_cli.comparison import compare_bundles, compare_sources, source_named
    from lace_cli.failures import WRONG_USE, CommandError

    if "@" not in first and "@" not in second:
        if not second:
            return compare_sources(api, source_named(api, first), "", asked)
        return compare_sources(api, source_named(api, second), source_named(api, first), asked)
    bundle, before = bundle_of(first)
    other, after = bundle_of(second) if second else (bundle, before)
    if other != bundle:
        raise CommandError(
            f"{bundle} and {other} are two bundles.",
            code="BUNDLE_NAME_INVALID",
            advice="Name two versions of one bundle: lace diff NAME@1 NAME@2",
            exit_code=WRONG_USE,
        )
    return compare_bundles(api, bundle, before if second else 0, after, asked)


def _print(found: SourceComparison | BundleComparison) -> None:
    from lace_cli.comparison import BundleComparison
    from lace_cli.difference_text import bundle_lines, lines_of

    lines = bundle_lines(found) if isinstance(found, BundleComparison) else lines_of(found)
    for line in lines:
        typer.echo(line)
