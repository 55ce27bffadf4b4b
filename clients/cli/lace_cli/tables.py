"""Tables as wide as the terminal: ids stay whole, so that they can be copied, and prose alone is broken."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_PROSE = 24  # characters: what is longer and has spaces may be broken, and no narrower than this
_GAP = "  "
_INDENT = "    "


@dataclass(frozen=True)
class Columns:
    """Headings with the width in characters that each column needs, and which of them hold prose."""

    headings: tuple[str, ...]
    widths: tuple[int, ...]
    prose: tuple[bool, ...]

    def fit(self, width: int) -> bool:
        """Whether the rows fit beside each other into `width` characters without a broken id."""
        least = sum(
            min(needed, _PROSE) if prose else needed for needed, prose in zip(self.widths, self.prose, strict=True)
        )
        return least + len(_GAP) * (len(self.widths) - 1) <= width


def columns_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    """What the rows, at least one, need."""
    cells = list(zip(*rows, strict=True))
    widths = tuple(max(map(len, (heading, *column))) for heading, column in zip(headings, cells, strict=True))
    prose = tuple(any(len(cell) > _PROSE and " " in cell for cell in column) for column in cells)
    return Columns(tuple(headings), widths, prose)


def tabulated(columns: Columns, rows: Sequence[Sequence[str]]) -> Table:
    """Rows under their headings."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, prose in zip(columns.headings, columns.prose, strict=True):
        table.add_column(heading, no_wrap=not prose, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def stacked(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Text:
    """Each row over as many lines as it needs, those after the first indented; the headings' names stand above."""
    from rich.text import Text

    told = Text(no_wrap=True, end="")
    told.append(textwrap.fill(" · ".join(headings), width) + "\n", style="bold")
    for row in rows:
        told.append("\n".join(_lines([cell for cell in row if cell], width)) + "\n")
    return told


def _lines(cells: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for cell in cells:
        if lines and len(lines[-1]) + len(_GAP) + len(cell) <= width:
            lines[-1] += _GAP + cell
        else:
            indent = _INDENT if lines else ""
            room = max(width - len(indent), 1)
            lines += [indent + piece for piece in textwrap.wrap(cell, room, break_long_words=False) or [cell]]
    return lines
