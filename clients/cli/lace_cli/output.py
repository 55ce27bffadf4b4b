"""What commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """Messages and plain values, in lists and dicts as well, as indented JSON on stdout."""
    typer.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    from google.protobuf.message import Message

    from lace_proto.json import to_python

    if isinstance(value, Message):
        return to_python(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Rows under their headings; in a pipe tab-separated and without headings, for cut and awk."""
    found = [list(map(str, row)) for row in rows]
    if not sys.stdout.isatty():
        for row in found:
            typer.echo("\t".join(row))
        return
    if not found:
        typer.echo(empty)
        return
    from rich.console import Console

    from lace_cli.tables import columns_of, stacked, tabulated

    console = Console()
    columns = columns_of(headings, found)
    console.print(tabulated(columns, found) if columns.fit(console.width) else stacked(headings, found, console.width))


def warn(message: str) -> None:
    """A line on stderr that does not end the command."""
    typer.echo(f"warning: {message}", err=True)
