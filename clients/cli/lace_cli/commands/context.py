"""`lace context`: the units that go into a prompt of bounded size, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json
from lace_cli.printable import printable, visible

if TYPE_CHECKING:
    from lace.ingest.v1 import context_pb2, retrieval_pb2

_MOST_LEFT_OUT = 20
_WHY = {"budget": "no room", "duplicate": "says what another says", "below_threshold": "matches too little"}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("context")(context)


def context(
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="Questions or topics to cover.")],
    tokens: Annotated[int, typer.Option("--tokens", "-t", min=1, max=1_000_000, help="Tokens at most.")] = 4000,
    model: Annotated[
        str, typer.Option("--model", "-m", help="provider/model whose tokens are counted; the settings' else.")
    ] = "",
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="SOURCE", help="Only units of this source; may be repeated.")
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="auto, lexical, hybrid or dense.")] = "",
    least: Annotated[
        int | None,
        typer.Option("--min-relevance", min=0, max=1000, help="In thousandths of a topic's best unit."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pick what of the sources goes into a prompt: whole passages, every topic before any topic twice.

    Prints Markdown with numbered passages, then how far each topic is covered and what was left out.

    Examples:  lace context "cost of the bridge" "safety" --tokens 2000   ·   lace context cost -m openai/gpt-4o --json
    """
    from lace_cli.connection import connect

    provider, _, name = model.rpartition("/")
    filters = {"source_ids": list(source)} if source else None
    with connect() as api:
        built = api.contexts.build(
            topics, tokens, provider=provider, model=name, filters=filters, mode=mode, min_relevance=least
        )
    if as_json:
        print_json(built)
    else:
        typer.echo("\n".join(_lines(built, topics)))


def _lines(built: retrieval_pb2.BuildContextResponse, topics: list[str]) -> list[str]:
    files = {source.source_id: source.filename for source in built.sources}
    lines: list[str] = []
    for unit in built.units:
        lines += _passage(unit, files)
    lines += ["## Topics", ""]
    for topic, covered in zip(topics, built.coverage, strict=True):
        found = f"{covered.units} of {covered.candidates} units" if covered.units else covered.reason
        lines.append(f"- {covered.key}. {printable(topic)}: {found}")
    lines += ["", f"{built.tokens_used} tokens ({built.count_method}), {built.tokens_left} left."]
    if built.mode_reason:
        lines.append(built.mode_reason)
    return [*lines, *_left_out(built, files)]


def _passage(unit: context_pb2.ContextUnit, files: dict[str, str]) -> list[str]:
    own = unit.unit
    place = " › ".join((files.get(own.source_id, own.source_id), *own.heading_path))
    page = f", page {own.page}" if own.page else ""
    why = f"*{own.unit_id}: {unit.rank}. for topic {printable(unit.topic)}, {unit.tokens} tokens*"
    return [f"## [{unit.number}] {printable(place)}{page}", "", *map(visible, own.text.splitlines()), "", why, ""]


def _left_out(built: retrieval_pb2.BuildContextResponse, files: dict[str, str]) -> list[str]:
    from lace_proto.json import to_python

    if not built.left_out:
        return []
    lines = ["", "## Left out", ""]
    for left in built.left_out[:_MOST_LEFT_OUT]:
        why = _WHY.get(to_python(left)["why"], "left out")
        other = f" ({left.duplicate_of})" if left.duplicate_of else ""
        place = printable(files.get(left.source_id, left.source_id))
        lines.append(f"- {left.unit_id} of {place}: {why}{other}; {left.tokens} tokens for topic {left.topic}")
    more = len(built.left_out) - _MOST_LEFT_OUT
    return [*lines, f"- and {more} more: --json has them all"] if more > 0 else lines
