"""`lace sources show` and `lace sources units`: what a document says of itself, its sections, and what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2

_LEAD_CHARS = 80

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the source, as `lace sources` shows it.")]


def add_to(group: typer.Typer) -> None:
    """Adds the commands to the group `sources`."""
    group.command("show")(show)
    group.command("units")(units)


def show(source: Source, as_json: AsJson = False) -> None:
    """Show one source: what it says of itself, what its reading left out, and its sections.

    Example:  lace sources show src_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        outline = api.get_outline(source)
    if as_json:
        print_json(outline)
        return
    for name, value in _facts(outline.source):
        typer.echo(f"{name:<14} {value}")
    for warning in outline.source.extraction_warnings:
        typer.echo(f"{'warning':<14} {warning.message} [{warning.code}]")
    typer.echo("")
    rows = [
        ("  " * max(len(section.heading_path) - 1, 0) + (section.heading_path[-1] if section.heading_path else "(top)"),
         str(section.words), str(section.tables or ""), section.lead[:_LEAD_CHARS])
        for section in outline.sections
    ]  # fmt: skip
    print_table(("section", "words", "tables", "begins"), rows, empty="It was not read yet; see: lace sources")


def _facts(source: ingest_pb2.Source) -> Iterator[tuple[str, str]]:
    """What is worth a line, by name; what is not said has none."""
    from lace_proto.json import to_python

    plain = to_python(source)
    figures = ((source.page_count, "pages"), (source.word_count, "words"), (source.unit_count, "units"))
    size = ", ".join(f"{count:,} {what}" for count, what in figures if count)
    read = f"{source.extractability / 10:g} % of its content" if plain["state"] == "ready" else ""
    lines = {
        "id": source.source_id,
        "title": source.title,
        "file": f"{source.filename} ({plain['format']}, {source.size_bytes:,} bytes)",
        "state": plain["state"],
        "problem": f"{source.error_message} [{source.error_code}]" if source.error_code else "",
        "size": size,
        "language": source.language,
        "read": read,
        "extraction": source.extraction,
        "labels": ", ".join(source.labels),
    }
    yield from ((name, value) for name, value in lines.items() if value)
    yield from ((name, value) for name, value in sorted(source.metadata.items()) if name not in lines)


def units(
    source: Source,
    extraction: Annotated[
        str, typer.Option("--extraction", help="An earlier reading, as `lace sources extractions` names it.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Print what was read out of a source, unit by unit: where each stands, and what it says.

    Examples:  lace sources units src_…   ·   lace sources units src_… --json | jq '.[] | select(.kind == "table")'
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.readings.units(source, extraction=extraction)
        if as_json:
            print_json(list(found))
            return
        for line in _told(found):
            typer.echo(line)


def _told(units: Iterable[ingest_pb2.Unit]) -> Iterator[str]:
    """Units for a reader: headings where they change, then each with its place; a table's rows with their heads."""
    from lace_proto.json import to_python

    above: list[str] = []
    for unit in units:
        path = list(unit.heading_path)
        if path != above:
            above = path
            yield f"\n== {' > '.join(path) or '(top)'}"
        yield f"\n[{unit.order}] {to_python(unit)['kind']}{_place(unit)}  {unit.unit_id}"
        if unit.HasField("table"):
            if unit.table.caption:
                yield unit.table.caption
            yield from (f"  {row.told}" for row in unit.table.rows)
        else:
            yield unit.text
        if unit.referred_from:
            yield f"  (note {unit.note_mark}, of {', '.join(unit.referred_from)})"


def _place(unit: ingest_pb2.Unit) -> str:
    where = f", page {unit.page}" if unit.page else f", line {unit.line}" if unit.line else ""
    return f"{where}, characters {unit.start_offset}-{unit.end_offset}"
