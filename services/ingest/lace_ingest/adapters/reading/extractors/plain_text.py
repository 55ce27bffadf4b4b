"""Reads plain text: paragraphs by blank lines; headings, lists, tables and named fields by how people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lace_ingest.adapters.reading.extractors.encodings import decode
from lace_ingest.adapters.reading.extractors.joining import Joiner
from lace_ingest.adapters.reading.extractors.restructured import NOTE, Marks, is_restructured
from lace_ingest.adapters.reading.extractors.text_tables import read_table
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.reading.capitals import is_shouted
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose, Reading

_RULE = re.compile(r"^([=\-~^*#+\"'`.:_])\1{2,}\s*$")
_NUMBERED = re.compile(r"^(?P<number>(?:\d+|[A-Z])(?:\.\d+)*)(?P<stop>[.)]?)\s+(?P<title>\S.*)$")
_ROMAN = re.compile(r"^[IVXLC]+\.\s+\S")
_BULLET = re.compile(
    r"^(?P<indent>\s*)(?P<marker>[-*+\u2022\u2013\u25cf\u25aa\u25e6]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?P<text>\S.*)$"
)
_FIELD = re.compile(r"^(?P<name>[A-Z][\w /-]{0,38}?)\s*:(?:\s+(?P<value>\S.*))?$")
_SPEAKER = re.compile(r"^(?:\[?\d{1,2}[:.h]\d{2}(?::\d{2})?\]?\b|[A-Z][\w .'\u2019-]{1,38}:\s|\[[^\]]{1,30}\]\s)")
_FENCE = re.compile(r"^(```+|~~~+)\s*(?P<language>\S*)")
_HEADING_CHARS = 90
_UNWRAPPED_CHARS = 130
_MIN_FIELDS = 3


@dataclass(frozen=True)
class _Block:
    """Lines between blank lines; `line` is the number of the first, `after_colons` says that code was announced."""

    lines: tuple[str, ...]
    line: int
    after_colons: bool = False

    @property
    def only(self) -> str:
        return self.lines[0].strip() if len(self.lines) == 1 else ""

    @property
    def is_indented(self) -> bool:
        return all(line.startswith(("  ", "\t")) for line in self.lines)


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a text file. Raises SOURCE_UNREADABLE where it is no text."""
    decoded = decode(data)
    refuse_beyond("characters", len(decoded.text), limits.chars)
    text = decoded.text
    reader = _Reader(Joiner(text.splitlines()))
    reader.read(_blocks(text))
    pieces = reader.pieces
    if is_restructured(text):
        pieces = [*map(Marks().read, pieces)]
    return Reading(
        pieces=tuple(pieces),
        title=dict(reader.fields).get("title", "") or reader.title,
        warnings=decoded.warnings,
        metadata=tuple(reader.fields),
        extractability=decoded.extractability,
    )


def _blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    lines: list[str] = []
    fence = ""
    for number, line in enumerate([*text.expandtabs(8).replace("\f", "\n").splitlines(), ""], start=1):
        mark = _FENCE.match(line)
        if mark and not fence and not lines:
            fence = mark[1]
        elif fence and line.startswith(fence):
            fence = ""
        if line.strip() or fence:
            lines.append(line.rstrip())
        elif lines:
            announced = bool(blocks) and blocks[-1].lines[-1].endswith("::")
            continued = bool(blocks) and blocks[-1].after_colons and blocks[-1].is_indented
            block = _Block(tuple(lines), number - len(lines), False)
            blocks.append(_Block(block.lines, block.line, (announced or continued) and block.is_indented))
            lines = []
    return blocks


class _Reader:
    """Turns blocks into pieces; keeps the order in which underlining styles came up, which gives their levels."""

    def __init__(self, joiner: Joiner) -> None:
        self._joiner = joiner
        self.pieces: list[Piece] = []
        self.fields: list[tuple[str, str]] = []
        self.title = ""
        self._styles: list[str] = []
        self._code_indent = 0

    def read(self, blocks: Sequence[_Block]) -> None:
        """Reads all blocks in order."""
        for at, block in enumerate(blocks):
            following = blocks[at + 1] if at + 1 < len(blocks) else None
            if block.after_colons:
                self._add_code(block)
                continue
            self._code_indent = 0
            if at == 0 and 2 <= len(block.lines) <= 3 and all(map(is_shouted, block.lines)):
                self.title = ": ".join(line.strip() for line in block.lines)
            elif not self._add_heading(block, following):
                self._add_body(block, first=at == 0)

    def _add_code(self, block: _Block) -> None:
        """Announced code; blocks after the first keep their indentation beside it."""
        last = self.pieces[-1] if self.pieces else None
        goes_on = isinstance(last, Program) and self._code_indent > 0
        if not goes_on:
            self._code_indent = min(len(line) - len(line.lstrip()) for line in block.lines)
        text = "\n".join(line.removeprefix(" " * self._code_indent) for line in block.lines)
        if goes_on and isinstance(last, Program):
            self.pieces[-1] = Program(f"{last.text}\n\n{text}", line=last.line)
        else:
            self.pieces.append(Program(text, line=block.line))

    def _add_heading(self, block: _Block, following: _Block | None) -> bool:
        lines = list(block.lines)
        if len(lines) >= 3 and _RULE.match(lines[0]) and _RULE.match(lines[2]) and lines[0][0] == lines[2][0]:
            return self._underlined(block, lines[1], lines[0][0] * 2, 3)
        if len(lines) >= 2 and _RULE.match(lines[1]) and _underlines(lines[1], lines[0]):
            return self._underlined(block, lines[0], lines[1][0], 2)
        style, depth = _plain_heading(block, following)
        if not style:
            return False
        self.pieces.append(Heading(self._level(style) + depth, block.only.rstrip(":"), line=block.line))
        return True

    def _level(self, style: str) -> int:
        """The level of a style of headings: styles nest in the order in which they come up."""
        if style not in self._styles:
            self._styles.append(style)
        return self._styles.index(style) + 1

    def _underlined(self, block: _Block, title: str, style: str, used: int) -> bool:
        self.pieces.append(Heading(self._level(style), title, line=block.line))
        if len(block.lines) > used:
            self._add_body(_Block(block.lines[used:], block.line + used), first=False)
        return True

    def _add_body(self, block: _Block, *, first: bool) -> None:
        fence = _FENCE.match(block.lines[0])
        if fence:
            end = -1 if len(block.lines) > 1 and block.lines[-1].startswith(fence[1]) else None
            self.pieces.append(Program("\n".join(block.lines[1:end]), fence["language"], line=block.line))
            return
        fields = _fields(block)
        if fields:
            if first:
                self.fields = [(name.lower(), value) for name, value in fields]
            self.pieces.append(Grid(("Field", "Value"), tuple(fields), line=block.line))
            return
        table = read_table(block.lines)
        if table:
            self.pieces.append(Grid(table[0], tuple(table[1:]), line=block.line))
            return
        self.pieces.extend(self._prose_and_lists(block))

    def _prose_and_lists(self, block: _Block) -> Iterator[Piece]:
        """Paragraphs and lists of a block: a list may follow its introduction without a blank line."""
        first = next((at for at, line in enumerate(block.lines) if _BULLET.match(line)), None)
        if first is None or _is_wrapped_mark(block.lines, first):
            yield from self._paragraphs(block.lines, block.line)
            return
        if first:
            yield from self._paragraphs(block.lines[:first], block.line)
        yield Listing(tuple(self._items(block.lines[first:])), line=block.line + first)

    def _items(self, lines: Sequence[str]) -> Iterator[Item]:
        found: list[tuple[re.Match[str], list[str]]] = []
        for line in lines:
            mark = _BULLET.match(line)
            if mark:
                found.append((mark, [mark["text"]]))
            else:
                found[-1][1].append(line)
        indents: list[int] = []
        for mark, parts in found:
            indent = len(mark["indent"])
            while indents and indents[-1] > indent:
                indents.pop()
            if not indents or indents[-1] < indent:
                indents.append(indent)
            marker = mark["marker"] if mark["marker"][-1] in ".)" else "-"
            yield Item(self._joiner.join(parts), len(indents) - 1, marker)

    def _paragraphs(self, lines: Sequence[str], line: int) -> Iterator[Prose]:
        """One paragraph, or one for each line where lines are entries of a record or were never wrapped."""
        starts = [at for at, text in enumerate(lines) if _SPEAKER.match(text) or NOTE.match(text)]
        unwrapped = len(lines) > 1 and any(len(text) > _UNWRAPPED_CHARS for text in lines)
        if unwrapped:
            starts = list(range(len(lines)))
        elif len(starts) < 2 or starts[0] != 0:
            starts = [0]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield Prose(self._joined(lines[start:end]), line=line + start)

    def _joined(self, lines: Sequence[str]) -> str:
        """Wrapped lines as one text; a term above its indented definition is told from it by a colon."""
        parts = [line.strip() for line in lines]
        if _is_term(lines):
            parts[0] += ":"
        text = self._joiner.join(parts)
        return text[:-1] if text.endswith("::") else text


def _underlines(rule: str, title: str) -> bool:
    """Whether a rule is the underline of a title: about as long, and the title no sentence of a paragraph."""
    return bool(title.strip()) and not _RULE.match(title) and len(rule.strip()) >= min(len(title.strip()) - 2, 60)


def _plain_heading(block: _Block, following: _Block | None) -> tuple[str, int]:
    """The style of a line that stands alone as a heading does, and its depth in that style; ("", 0) if it is none."""
    text = block.only
    if not text or len(text) > _HEADING_CHARS or text[-1] in ".,;!?" or not following:
        return "", 0
    if block.lines[0].startswith("    "):
        return "", 0
    numbered = _NUMBERED.match(text)
    if numbered and (numbered["title"][0].isupper() or numbered["title"][0].isdigit()):
        depth = numbered["number"].count(".")
        is_item = depth == 0 and bool(_BULLET.match(following.only))
        return ("", 0) if is_item else ("numbered", depth)
    if _ROMAN.match(text):
        return "roman", 0
    return ("capitals", 0) if is_shouted(text) else ("", 0)


def _fields(block: _Block) -> list[tuple[str, str]]:
    """Name and value of every line of a block of named fields (`Date: 3 March`), continuation lines joined."""
    fields: list[tuple[str, str]] = []
    for line in block.lines:
        found = _FIELD.match(line)
        if found:
            fields.append((found["name"], found["value"] or ""))
        elif fields and line.startswith((" ", "\t")):
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}".strip())
        else:
            return []
    short = sum(1 for _, value in fields if len(value) <= 160)
    names = {name for name, _ in fields}
    return fields if len(fields) >= _MIN_FIELDS and short >= 0.8 * len(fields) and len(names) == len(fields) else []


def _is_wrapped_mark(lines: Sequence[str], first: int) -> bool:
    """Whether a single mark inside a paragraph is a dash or number that the wrapping moved to a line's start."""
    marks = sum(1 for line in lines if _BULLET.match(line))
    return first > 0 and marks == 1 and not lines[first - 1].rstrip().endswith((":", ".", ";"))


def _is_term(lines: Sequence[str]) -> bool:
    first = lines[0].strip()
    return (
        len(lines) > 1
        and not lines[0].startswith(" ")
        and all(line.startswith("  ") for line in lines[1:])
        and len(first) <= 60
        and first[-1] not in ".,:;!?"
        and not first.startswith("..")
    )
