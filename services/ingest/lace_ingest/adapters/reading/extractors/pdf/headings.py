"""Decides which blocks are headings, and of which level: by the bookmarks, else by their looks against the prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind
from lace_ingest.adapters.reading.extractors.pdf.layout import Looks
from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.page import Bookmark
from lace_ingest.domain.reading.captions import is_caption

_LETTERS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"^(\d{1,2}(?:\.\d{1,2})*)\.?\s+\S")
_LEADING_NUMBER = re.compile(r"^(?:(?:chapter|appendix|annex|part)\s+)?(?:\d+|[A-Z])(?:\.\d+)*[.:)]?\s+", re.IGNORECASE)
_CHARS = 160
_LARGER = 1.12
_TITLE_SIZE = 1.25  # of the prose
_ENOUGH_BLOCKS = 4
_OPENING = 5
_ENOUGH_BOOKMARKS = 2
_ENOUGH_GAPS = 3
_ENDS_SENTENCE = tuple(".,;:!")

Look = tuple[float, bool, bool]


def looks_of(lines: Iterable[Line]) -> Looks:
    """What is usual in a document's lines, in content order."""
    kept = list(lines)
    sizes: Counter[float] = Counter()
    for line in kept:
        sizes[line.size] += 0 if line.mono else len(line.text)
    gaps: dict[float, Counter[float]] = {}
    for a, b in pairwise(kept):
        gap = a.y - b.y
        if a.size == b.size and 0.8 * a.size < gap < 2.2 * a.size and abs(a.x0 - b.x0) < 40:
            gaps.setdefault(a.size, Counter())[round(gap * 2) / 2] += 1
    leading = {
        size: max(sorted(counts), key=lambda gap: counts[gap])
        for size, counts in gaps.items()
        if max(counts.values()) >= _ENOUGH_GAPS
    }
    return Looks(sizes.most_common(1)[0][0] if sizes else 10.0, leading)


def decide(blocks: Sequence[Block], looks: Looks, bookmarks: Sequence[Bookmark]) -> list[Block]:
    """The blocks, each `RUN` now a heading with its level or text."""
    levels = _Bookmarks(bookmarks)
    marked = {at: level for at, block in enumerate(blocks) if (level := levels.level_of(block))}
    known = _looks_by_level(blocks, marked)
    ranks = {} if len(marked) >= _ENOUGH_BOOKMARKS else _ranks(blocks, looks)
    result: list[Block] = []
    for at, block in enumerate(blocks):
        if block.kind is not BlockKind.RUN and at not in marked:
            result.append(block)
            continue
        level = marked.get(at, 0)
        if not level and _is_set_apart(block, looks):
            level = (known or ranks).get(_look(block), 0)
        result.append(replace(block, kind=BlockKind.HEADING if level else BlockKind.TEXT, level=level))
    return _numbered(result) if ranks else result


def title_of(blocks: Sequence[Block], looks: Looks) -> str:
    """The title of a document that names none: what stands among its first blocks, larger than all else in it."""
    sizes = sorted((max(line.size for line in block.lines) for block in blocks if block.lines), reverse=True)
    if len(sizes) < _ENOUGH_BLOCKS or sizes[0] < _TITLE_SIZE * looks.body_size or sizes[0] - sizes[1] < 0.5:
        return ""
    found = next((block for block in blocks[:_OPENING] if block.lines and block.lines[0].size == sizes[0]), None)
    text = " ".join(line.text for line in found.lines) if found else ""
    return text if len(text) <= 2 * _CHARS else ""


@dataclass
class _Bookmarks:
    """The outline's titles by page."""

    entries: Sequence[Bookmark]

    def __post_init__(self) -> None:
        self._by_title: dict[str, list[Bookmark]] = {}
        for entry in self.entries:
            self._by_title.setdefault(_plain(entry.title), []).append(entry)

    def level_of(self, block: Block) -> int:
        """The level of the bookmark that leads to this block, 0 where none does."""
        is_code_line = block.kind is BlockKind.CODE and len(block.lines) == 1
        if not (block.kind is BlockKind.RUN or is_code_line) or sum(map(_length, block.lines)) > 2 * _CHARS:
            return 0
        text = " ".join(line.text for line in block.lines)
        wordings = (_plain(text), _plain(_LEADING_NUMBER.sub("", text)))
        near = (
            entry
            for wording in wordings
            for entry in (self._by_title.get(wording, ()) if wording else ())
            if abs(entry.page - block.page) <= 1
        )
        return next((entry.level for entry in near), 0)


def _length(line: Line) -> int:
    return len(line.text)


def _plain(text: str) -> str:
    return _LETTERS.sub("", text).casefold()


def _look(block: Block) -> Look:
    first = block.lines[0]
    return first.size, first.bold, first.italic


def _looks_by_level(blocks: Sequence[Block], marked: dict[int, int]) -> dict[Look, int]:
    """Which look the marked headings of each level have; a look that prose has too tells nothing."""
    counts: dict[Look, Counter[int]] = {}
    for at, level in marked.items():
        counts.setdefault(_look(blocks[at]), Counter())[level] += 1
    plain = Counter(_look(block) for block in blocks if block.kind is BlockKind.RUN and not _could_be(block))
    return {look: found.most_common(1)[0][0] for look, found in counts.items() if plain[look] <= sum(found.values())}


def _could_be(block: Block) -> bool:
    text = " ".join(line.text for line in block.lines).strip()
    return (
        len(block.lines) <= 3
        and 0 < len(text) <= _CHARS
        and not is_caption(text)
        and (not text.endswith(_ENDS_SENTENCE) or bool(_NUMBER.match(text)))
    )


def _is_set_apart(block: Block, looks: Looks) -> bool:
    """Larger than prose, or bold throughout and at least as large."""
    size, bold, _ = _look(block)
    return _could_be(block) and (size >= _LARGER * looks.body_size or (bold and size >= 0.95 * looks.body_size))


def _ranks(blocks: Sequence[Block], looks: Looks) -> dict[Look, int]:
    """Levels of the looks that are set apart: the larger, then the bolder, the higher."""
    found = {_look(block) for block in blocks if block.kind is BlockKind.RUN and _is_set_apart(block, looks)}
    ordered = sorted(found, key=lambda look: (-look[0], not look[1], look[2]))
    return {look: min(rank, 6) for rank, look in enumerate(ordered, start=1)}


def _numbered(blocks: list[Block]) -> list[Block]:
    """Levels by section numbers where most headings have one: 2.1 stands below 2, whatever they look like."""
    headings = [at for at, block in enumerate(blocks) if block.kind is BlockKind.HEADING]
    depths = {at: found[1].count(".") for at in headings if (found := _NUMBER.match(blocks[at].lines[0].text))}
    if 2 * len(depths) < len(headings):
        return blocks
    base = min(blocks[at].level for at in depths)
    return [
        replace(block, level=min(base + depths[at], 6)) if at in depths else block for at, block in enumerate(blocks)
    ]
