"""Sentences on a terminal: broken between words and indented; a line each, whole, where a program reads."""

from __future__ import annotations

import shutil
import sys
import textwrap

import typer

_LEAST = 40  # columns: on less a sentence is left to the terminal


def tell(text: str, hang: int = 0) -> None:
    """Prints a line of text; what does not fit in the terminal's width goes on below it, indented by `hang`."""
    for line in broken(text, hang, shutil.get_terminal_size().columns if sys.stdout.isatty() else 0):
        typer.echo(line)


def broken(text: str, hang: int, width: int) -> list[str]:
    """The lines of a text of one line in a width in columns; 0 for one line."""
    if width < _LEAST or len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.lstrip(),
        width,
        initial_indent=indent,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
