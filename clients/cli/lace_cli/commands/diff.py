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
    NODE = "node"
    BLOCK = "block"
    SENTENCE = "sentence"


_OF_DOCUMENTS = (Level.NODE, Level.BLOCK, Level.SENTENCE)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("diff")(diff)
    app.command("impact")(impact)


def diff(
    first: Annotated[
        str,
        typer.Argument(metavar="THING", help="A document (art_…), a source (id or file name), or a bundle: NAME@1."),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="BEFORE", help="Of a document the earlier revision, branch or tag; else the later source or bundle."
        ),
    ] = "",
    third: Annotated[
        str, typer.Argument(metavar="AFTER", help="Of a document the later revision, branch or tag; main if left out.")
    ] = "",
    level: Annotated[
        Level | None,
        typer.Option(
            "--level",
            help="Sources: summary, document (by words), extraction, impact, all. Documents: summary, node, block, "
            "sentence.",
        ),
    ] = None,
    context: Annotated[int, typer.Option("--context", min=0, max=100, help="Paragraphs around changed ones.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Show units and citations that did not change, too.")] = False,
    node: Annotated[str, typer.Option("--node", help="Of a document only this section and what is below it.")] = "",
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page that needs nothing else, to read or print.")
    ] = None,
    exit_code: ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Compare two sources, two versions of a bundle, or two revisions of a document.

    Examples:  lace diff src_1 src_2   ·   lace diff report.pdf --level document   ·
    lace diff dossier@1 dossier@2 --html changes.html   ·   lace diff art_…   ·   lace diff art_… as-sent main
    """
    if first.startswith("art_"):
        _refuse_level(level, level is not None and level is not Level.SUMMARY and level not in _OF_DOCUMENTS, first)
        differs = _of_document(first, second, third, level, node, html, as_json)
    else:
        _refuse_level(level, level in _OF_DOCUMENTS or bool(third or node), first)
        differs = _of_sources(first, second, level or Level.SUMMARY, context, every, html, as_json)
    if exit_code and differs:
        raise typer.Exit(1)


def _of_sources(
    first: str, second: str, level: Level, context: int, every: bool, html: Path | None, as_json: bool
) -> bool:
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
    return found.differs


def _of_document(
    artifact: str, before: str, after: str, level: Level | None, node: str, html: Path | None, as_json: bool
) -> bool:
    from lace_cli.connection import connect
    from lace_cli.history_text import difference_lines

    close = "" if level in (None, Level.SUMMARY) else str(level)
    asked = {"before": before, "after": after, "node_id": node, "level": close}
    with connect() as api:
        pages = list(api.history.diff(artifact, **asked))
        if html is not None:
            html.write_text(api.history.diff_page(artifact, "html", **asked), encoding="utf-8")
    if as_json:
        differences = [difference for page in pages for difference in page.differences]
        first = pages[0]
        ends = {"from_revision_id": first.from_revision_id, "to_revision_id": first.to_revision_id}
        print_json({**ends, "counts": dict(first.counts), "differences": differences})
    elif html is not None:
        typer.echo(f"Written: {html}")
    else:
        for line in difference_lines(pages, counts_only=level is Level.SUMMARY):
            typer.echo(line)
    return pages[0].total > 0


def _refuse_level(level: Level | None, wrong: bool, first: str) -> None:
    from lace_cli.failures import WRONG_USE, CommandError

    if wrong:
        kind = "a document" if first.startswith("art_") else "a source or bundle"
        raise CommandError(
            f"{first} is {kind}; what you ask for is of the other kind.",
            code="WRONG_USE",
            advice="Documents: lace diff art_… BEFORE AFTER [--node NODE] [--level node|block|sentence]. "
            "Sources: lace diff SOURCE SOURCE [--level document|extraction|impact|all].",
            exit_code=WRONG_USE,
        )


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
