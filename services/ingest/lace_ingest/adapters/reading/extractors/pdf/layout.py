"""Reads a page without tags: its lines become paragraphs, lists, code and tables by their places and looks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind, Entry
from lace_ingest.adapters.reading.extractors.pdf.columns import regions
from lace_ingest.adapters.reading.extractors.pdf.furniture import PageLines
from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.tables import FoundTable, find_tables

_BULLETS = (
    "\u2022\u25e6\u25aa\u25ab\u25cf\u25cb\u25a0\u25a1\u2023\u00b7\u2043\u27a2\u2756\u2714\u2713"
    "\uf0b7\uf0a7\uf0d8\uf0fc\u2212\u2013\u2014-*o"  # the private ones are those of Word's symbol fonts
)
_BULLET = re.compile(rf"^(?P<marker>[{re.escape(_BULLETS)}])(?:\s+(?P<text>\S.*)|$)")
_NUMBER = re.compile(r"^(?P<marker>\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])(?:\s+(?P<text>\S.*)|$)")
_SECTION_NUMBER = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?|[A-Z]\.|[IVX]{1,5}\.|(?:Appendix|Annex)\s+[A-Z])$")
_LEADERS = re.compile(r"(?:\.\s?){5,}\s*\d{1,4}$|\u2026{2,}\s*\d{1,4}$")
_MARKER_REACH = 5.0  # of the font size: how far from its marker the text of an item may begin
_NEW_BLOCK_GAP = 1.18  # of the usual distance between baselines
_SAME_SIZE = 0.07


@dataclass(frozen=True)
class Looks:
    """What is usual in a document: the size of its prose in points, and the distance of its baselines by size."""

    body_size: float
    leading: dict[float, float]

    def leading_of(self, size: float) -> float:
        """The usual distance between two baselines of this size."""
        return self.leading.get(size, 1.25 * size)


def read_layout(page: PageLines, looks: Looks) -> list[Block]:
    """The blocks of a page in reading order; what is text comes as `RUN`, for its look to decide."""
    found: list[Block] = []
    for region in regions(_without_contents(_with_markers(page.lines)), page.strokes):
        tables = find_tables(region.lines, page.strokes, page.width)
        blocks = _blocks(page, region.lines, tables, looks)
        found.extend(replace(block, column=region.column) for block in blocks)
    return found


def contents_lines(lines: Sequence[Line]) -> int:
    """How many lines are those of a table of contents."""
    return len(lines) - len(_without_contents(list(lines)))


def _without_contents(lines: list[Line]) -> list[Line]:
    """Without the lines of a table of contents, known by their leaders."""
    return [line for line in lines if not _LEADERS.search(line.text)]


def _with_markers(lines: Sequence[Line]) -> list[Line]:
    """Bullets, item numbers and section numbers that stand apart put before the text to which they belong."""
    result: list[Line] = []
    for line in lines:
        last = result[-1] if result else None
        is_cell = len(result) > 1 and last is not None and _is_beside(result[-2], last, reach=1000.0)
        if last is not None and not is_cell and _is_lone_marker(last) and _is_beside(last, line):
            result[-1] = replace(
                line, text=f"{last.text} {line.text}", x0=last.x0, bold=line.bold, mono=line.mono and last.mono
            )
        else:
            result.append(line)
    return result


def _is_lone_marker(line: Line) -> bool:
    text = line.text.strip()
    bullet, numbered = _BULLET.match(text), _NUMBER.match(text)
    if (bullet and not bullet["text"]) or (numbered and not numbered["text"]):
        return True
    return bool(_SECTION_NUMBER.match(text)) and line.bold and len(text) <= 12


def _is_beside(a: Line, b: Line, reach: float = _MARKER_REACH) -> bool:
    return abs(a.y - b.y) <= 0.4 * b.size and 0 <= b.x0 - a.x1 <= reach * b.size


def _blocks(page: PageLines, lines: Sequence[Line], tables: Sequence[FoundTable], looks: Looks) -> Iterator[Block]:
    owner = {at: table for table in tables for at in table.lines}
    done: set[int] = set()
    free: list[Line] = []
    for at, line in enumerate(lines):
        table = owner.get(at)
        if table is None:
            free.append(line)
            continue
        if id(table) in done:
            continue
        done.add(id(table))
        yield from _text_blocks(page, free, looks)
        free = []
        yield Block(BlockKind.TABLE, page.number, rows=table.rows, heads=table.heads)
    yield from _text_blocks(page, free, looks)


def _text_blocks(page: PageLines, lines: Sequence[Line], looks: Looks) -> Iterator[Block]:
    """Groups lines to blocks, then items of one list to one block."""
    entries: list[Entry] = []
    bullets: list[float] = []
    mark = ""
    for group in _groups(_same_baseline_joined(lines), looks):
        item = _item_of(group)
        if item is not None and not group[0].mono:
            marker, first = item
            while bullets and group[0].x0 < bullets[-1] - 3:
                bullets.pop()
            if not bullets or group[0].x0 > bullets[-1] + 3:
                bullets.append(group[0].x0)
            entries.append(Entry((first, *group[1:]), len(bullets) - 1, marker))
            continue
        if entries and _goes_on_in_item(group, bullets):
            entries[-1] = replace(entries[-1], lines=(*entries[-1].lines, *group))
            continue
        yield from _list_block(page, entries)
        entries, bullets = [], []
        if _is_note_mark(group, looks):
            mark = group[0].text.strip()
            continue
        mark = group[0].note_mark or mark
        kind = BlockKind.CODE if all(line.mono for line in group) else BlockKind.NOTE if mark else BlockKind.RUN
        yield Block(kind, page.number, tuple(group), mark=mark)
        mark = ""
    yield from _list_block(page, entries)


def _is_note_mark(group: Sequence[Line], looks: Looks) -> bool:
    """The number of a footnote, set apart from its text."""
    return len(group) == 1 and group[0].text.strip().isdigit() and group[0].size < 0.85 * looks.body_size


def _goes_on_in_item(group: Sequence[Line], bullets: Sequence[float]) -> bool:
    """A paragraph that stands as deep as the text of the item before it."""
    first = group[0]
    return bool(bullets) and not (first.mono or first.bold or first.is_note) and group[0].x0 > bullets[-1] + 6


def _list_block(page: PageLines, entries: Sequence[Entry]) -> Iterator[Block]:
    if entries and (len(entries) > 1 or entries[0].marker in _BULLETS):
        yield Block(BlockKind.LIST, page.number, entries=tuple(entries))
    elif entries:
        # One number alone is no list: a numbered heading, or a paragraph with a number.
        [entry] = entries
        first = replace(entry.lines[0], text=f"{entry.marker} {entry.lines[0].text}")
        yield Block(BlockKind.RUN, page.number, (first, *entry.lines[1:]))


def _item_of(group: Sequence[Line]) -> tuple[str, Line] | None:
    """Marker and first line of an item; bold numbered lines are headings."""
    text = group[0].text.strip()
    found = _BULLET.match(text) or _NUMBER.match(text)
    if found is None or not found["text"] or (group[0].bold and _NUMBER.match(text)):
        return None
    return found["marker"], replace(group[0], text=found["text"])


def _same_baseline_joined(lines: Sequence[Line]) -> list[Line]:
    """Lines that a wide gap split though they are one, as in justified text."""
    result: list[Line] = []
    for line in lines:
        last = result[-1] if result else None
        if (
            last is not None
            and not line.mono
            and abs(last.y - line.y) < 0.15 * line.size
            and 0 <= line.x0 - last.x1 < 60
        ):
            merged = f"{last.text} {line.text}"
            result[-1] = replace(
                last,
                text=merged,
                x1=line.x1,
                bold=last.bold and line.bold,
                low=min(last.low, line.low),
                high=max(last.high, line.high),
                references=(*((at + len(line.text) + 1, mark) for at, mark in last.references), *line.references),
            )
        else:
            result.append(line)
    return result


def _groups(lines: Sequence[Line], looks: Looks) -> Iterator[list[Line]]:
    right_edges = _right_edges(lines)
    group: list[Line] = []
    for line in lines:
        if group and _begins_block(group, line, looks, right_edges):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _begins_block(group: Sequence[Line], line: Line, looks: Looks, right_edges: dict[int, float]) -> bool:
    last = group[-1]
    gap = last.y - line.y
    if line.mono and last.mono:
        return gap < -0.3 * line.size or gap > 3.2 * looks.leading_of(line.size)
    if line.mono != last.mono:
        return not _is_inline_code(group, line, gap, looks)
    if line.is_note or abs(line.size - last.size) > _SAME_SIZE * last.size or line.bold != last.bold:
        return True
    if gap < 0.3 * line.size or gap > _NEW_BLOCK_GAP * looks.leading_of(line.size):
        return True
    if _item_of([line]) is not None:
        return True
    if line.x1 < last.x0 or line.x0 > last.x1:
        return True
    return _is_forced_break(last, line, right_edges) or _is_indented_start(group, line)


def _is_inline_code(group: Sequence[Line], line: Line, gap: float, looks: Looks) -> bool:
    """Whether a line that changes to or from fixed width goes on a paragraph, whose words happen to break so."""
    last = group[-1]
    close = 0.3 * line.size < gap <= 1.15 * looks.leading_of(last.size)
    prose_before = any(not other.mono for other in group)
    return close and prose_before and last.text.rstrip()[-1:] not in ".!?:" and abs(line.x0 - last.x0) < line.size


def _is_indented_start(group: Sequence[Line], line: Line) -> bool:
    """A first line set in from the ones before it, after a line that ends a sentence."""
    indent = line.x0 - min(other.x0 for other in group)
    ended = group[-1].text.rstrip()[-1:] in '.!?:\u201d"'
    return (
        ended
        and len(group) > 1
        and 0.8 * line.size < indent < 4 * line.size
        and line.x0 > group[-1].x0 + 0.8 * line.size
    )


def _is_forced_break(last: Line, line: Line, right_edges: dict[int, float]) -> bool:
    """Whether the next line's first word would have fitted behind the last line: then a paragraph ended there."""
    if last.text.rstrip()[-1:] not in '.!?:\u201d"' or not line.text[:1].isupper():
        return False
    word = line.text.split(" ", 1)[0]
    needed = (len(word) + 1) * line.character_width
    edge = right_edges.get(round(last.x0 / 4), last.x1)
    return last.x1 + needed < edge - 0.06 * (edge - last.x0)


def _right_edges(lines: Sequence[Line]) -> dict[int, float]:
    """How far lines reach that begin at the same place, by that place in steps of 4 points."""
    edges: dict[int, float] = {}
    for line in lines:
        key = round(line.x0 / 4)
        edges[key] = max(edges.get(key, 0.0), line.x1)
    return edges
