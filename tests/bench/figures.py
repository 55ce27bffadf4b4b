"""Figures as a table for people, on the terminal and in a page of documentation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_HEAD = ("Figure", "Median", "Rounds")


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, in every round; `digits` are those behind the decimal point."""

    what: str
    unit: str
    rounds: Sequence[float]
    digits: int = 2

    def row(self) -> tuple[str, str, str]:
        """Its line of the table."""
        rounds = " · ".join(f"{value:.{self.digits}f}" for value in self.rounds)
        return self.what, f"{median(self.rounds):.{self.digits}f} {self.unit}".strip(), rounds


def table(figures: Sequence[Figure]) -> str:
    """All figures as a Markdown table whose columns are aligned for the terminal as well."""
    rows = [_HEAD, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def begin(name: str) -> str:
    """The marker before a benchmark's figures."""
    return f"<!-- begin {name}: written by make bench -->"


def end(name: str) -> str:
    """The marker behind them."""
    return f"<!-- end {name} -->"


def write_section(page: Path, name: str, text: str) -> None:
    """Put the text between the benchmark's two markers, or at the page's end with markers of its own."""
    section = f"{begin(name)}\n\n{text}\n\n{end(name)}"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    new, found = re.subn(f"{re.escape(begin(name))}.*?{re.escape(end(name))}", lambda _: section, old, flags=re.DOTALL)
    page.write_text(new if found else f"{old.rstrip()}\n\n{section}\n".lstrip(), encoding="utf-8")
