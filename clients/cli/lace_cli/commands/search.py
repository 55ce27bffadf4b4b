"""`lace search`: the passages of the sources that answer a question, each with where it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json
from lace_cli.printable import printable, visible

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2, retrieval_pb2
    from lace_client import LaceClient

_MODES = ("auto", "lexical", "hybrid", "dense")
_STAGES = ("lexical", "dense", "fused", "rerank")

Several = list[str] | None


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("search")(search)


def search(
    questions: Annotated[
        list[str],
        typer.Argument(metavar="QUESTION...", help="Words to look for; any may match. Several questions: quote each."),
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Hits for each question at most.")] = 5,
    mode: Annotated[str, typer.Option("--mode", help="auto, lexical (by words alone), hybrid or dense.")] = "auto",
    source: Annotated[
        Several, typer.Option("--source", metavar="SOURCE", help="Only in this source, of any version; repeatable.")
    ] = None,
    file: Annotated[
        Several, typer.Option("--file", metavar="NAME", help="Only in sources of this file name; repeatable.")
    ] = None,
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="BUNDLE[@VERSION]", help="Only in the sources of this bundle.")
    ] = "",
    label: Annotated[Several, typer.Option("--label", help="Only in sources with all of these labels.")] = None,
    metadata: Annotated[
        Several, typer.Option("--meta", metavar="KEY=VALUE", help="Only where the metadata say so; repeatable.")
    ] = None,
    kind: Annotated[
        Several, typer.Option("--kind", help="Only units of this kind: paragraph, list, table, code, …; repeatable.")
    ] = None,
    language: Annotated[Several, typer.Option("--language", help="Only in this language, as en; repeatable.")] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Show the score of each stage.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the passages that answer a question; each stands under its file, page and headings.

    Quotes are exact; the words that match are marked. Of each document its newest version is searched.

    Examples:  lace search "what did the bridge cost"   ·   lace search PEP-0703 --file pep-0703.pdf --scores

    lace search budget --bundle board@3 --kind table   ·   lace search "heat pump" --meta author=Ada --mode lexical
    """
    from lace_cli.connection import connect

    _check(mode, metadata or ())
    questions = _asked(questions)
    filters = {
        "source_ids": source, "filenames": file, "labels": label, "kinds": kind, "languages": language,
        "metadata": dict(pair.split("=", 1) for pair in metadata or ()), **_bundle(bundle),
    }  # fmt: skip
    with connect() as api:
        found = api.retrieval.search(
            questions, limit=limit, mode=mode, filters={name: value for name, value in filters.items() if value}
        )
        advice = "" if as_json or not _is_without_vectors(found) else _advice(api)
    if as_json:
        print_json(found)
        return
    for question, result in zip(questions, found.results, strict=True):
        if len(questions) > 1:
            typer.secho(printable(question), bold=True)
        typer.echo("\n".join(_lines(result, found, scores)) or "Nothing was found; fewer or other words may do.")
    _tell_mode(found, advice)


def _asked(given: list[str]) -> list[str]:
    """Three words and more that nobody quoted are one question: what did it cost."""
    return [" ".join(given)] if len(given) > 2 and not any(" " in one for one in given) else given


def _check(mode: str, metadata: Sequence[str]) -> None:
    from lace_cli.failures import WRONG_USE, CommandError

    if mode not in _MODES:
        told = f"There is no mode {mode!r}: {', '.join(_MODES)}."
        raise CommandError(told, code="WRONG_USE", exit_code=WRONG_USE)
    for pair in metadata:
        if "=" not in pair:
            told = f"--meta takes KEY=VALUE, not {pair!r}: --meta author=Ada"
            raise CommandError(told, code="WRONG_USE", exit_code=WRONG_USE)


def _bundle(named: str) -> Mapping[str, Any]:
    """The bundle's part of the filters; what follows the last @ is its version, where it is a number."""
    name, at, version = named.rpartition("@")
    if at and version.isdecimal():
        return {"bundle": name, "bundle_version": int(version)}
    return {"bundle": named}


def _lines(result: retrieval_pb2.QueryResult, found: retrieval_pb2.SearchResponse, scores: bool) -> Iterator[str]:
    units = {unit.unit_id: unit for unit in found.units}
    files = {source.source_id: source.filename for source in found.sources}
    for correction in {(one.word, one.taken_for): one for hit in result.hits for one in hit.corrections}.values():
        yield f"“{printable(correction.word)}” stands nowhere; searched for “{printable(correction.taken_for)}…”."
    for rank, hit in enumerate(result.hits, 1):
        unit = units[hit.unit_id]
        yield f"{rank}. {typer.style(_place(unit, files), bold=True)}"
        yield f"   {_marked(hit)}"
        if scores:
            yield typer.style(f"   {_told_scores(hit)} · {hit.unit_id}", dim=True)


def _place(unit: ingest_pb2.Unit, files: Mapping[str, str]) -> str:
    page = [f"page {unit.page}"] if unit.page else []
    parts = [files.get(unit.source_id, unit.source_id), *page, *unit.heading_path]
    return " › ".join(printable(part) for part in parts)


def _marked(hit: retrieval_pb2.Hit) -> str:
    """The quote with what matches in it marked: in colour on a terminal, else between asterisks."""
    parts: list[str] = []
    last = 0
    for match in hit.matches:
        parts += [visible(hit.quote[last : match.start]), _mark(visible(hit.quote[match.start : match.end]))]
        last = match.end
    return "".join([*parts, visible(hit.quote[last:])])


def _mark(word: str) -> str:
    return typer.style(word, bold=True, fg="yellow") if sys.stdout.isatty() else f"*{word}*"


def _told_scores(hit: retrieval_pb2.Hit) -> str:
    stages = [f"{name} {value}" for name in _STAGES if (value := getattr(hit.scores, name))]
    return " · ".join([f"score {hit.score} by {hit.method}", *stages])


def _is_without_vectors(found: retrieval_pb2.SearchResponse) -> bool:
    return bool(found.mode_reason) and not found.vectors and not found.units_without_vector


def _advice(api: LaceClient) -> str:
    """What to do where no vector will ever come, as no model can make one; empty where one can, or nobody can tell."""
    from lace.llm_gateway.v1 import llm_gateway_pb2
    from lace_core.errors import LaceError

    try:
        models = [model for provider in api.list_providers() for model in provider.measuring_models]
    except LaceError:
        return ""
    if any(model.configured and model.kind == llm_gateway_pb2.MEASURING_KIND_EMBEDDING for model in models):
        return ""
    return "No model that makes vectors can be used here; make embedder installs one that needs no network."


def _tell_mode(found: retrieval_pb2.SearchResponse, advice: str) -> None:
    told = [found.mode_reason, advice]
    if found.units_without_vector:
        told.append(f"{found.units_without_vector} units have no vector yet.")
    for line in filter(None, told):
        typer.secho(line, err=True, dim=True)
