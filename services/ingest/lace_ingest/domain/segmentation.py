"""Cuts what an extractor found into units: headings kept for each, spans exact, ids the same for the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lace_core.canonical import sha256_hex
from lace_core.ids import derive
from lace_ingest.domain.capitals import calm_headings
from lace_ingest.domain.captions import with_captions
from lace_ingest.domain.documents import (
    UNIT_CHARACTERS,
    ExtractedDocument,
    Span,
    Unit,
    UnitKind,
    UnitTable,
    extraction_name,
)
from lace_ingest.domain.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose, Reading
from lace_ingest.domain.sentences import sentence_spans
from lace_ingest.domain.text import count_words, normalise, normalise_code
from lace_ingest.domain.titles import take_title, title_from_header

SENTENCE_CHARS = 4000
LIST_CHARS = 2400
TABLE_CHARS = 6000
ROW_CHARS = 20_000
CODE_CHARS = 6000
HEADING_CHARS = 300
CELL_SEPARATOR = " | "


@dataclass(frozen=True)
class _Draft:
    """A unit before it has its place and id."""

    kind: UnitKind
    text: str
    spans: tuple[Span, ...]
    page: int
    line: int
    table: UnitTable | None = None
    language: str = ""


def assemble(
    reading: Reading, *, sha256: str, filename: str, unit_characters: int = UNIT_CHARACTERS
) -> ExtractedDocument:
    """The document of a reading.

    Unit ids derive from the raw bytes' hash, the file name, the extraction version, the unit's place and its text:
    reading the same file again gives the same ids, and no two sources of a tenant share one.
    """
    units: list[Unit] = []
    path: list[tuple[int, str]] = []
    extraction = extraction_name(unit_characters)
    title, pieces = take_title(calm_headings(reading))
    for piece in with_captions(pieces):
        if isinstance(piece, Heading):
            _enter(path, piece)
            continue
        for draft in _drafts(piece, unit_characters):
            units.append(_place(draft, len(units), tuple(text for _, text in path), (sha256, filename, extraction)))
    return ExtractedDocument(
        title=title[:HEADING_CHARS] or _title_of_first(units),
        units=tuple(units),
        page_count=reading.page_count,
        word_count=sum(count_words(unit.text) for unit in units),
        extraction=extraction,
        warnings=reading.warnings,
        metadata=dict(reading.metadata),
    )


def _title_of_first(units: list[Unit]) -> str:
    return title_from_header(units[0].text) if units else ""


def _enter(path: list[tuple[int, str]], heading: Heading) -> None:
    text = normalise(heading.text)[:HEADING_CHARS]
    if not text:
        return
    while path and path[-1][0] >= heading.level:
        path.pop()
    path.append((heading.level, text))


def _place(draft: _Draft, order: int, path: tuple[str, ...], origin: tuple[str, str, str]) -> Unit:
    text_hash = sha256_hex(draft.text.encode())
    return Unit(
        unit_id=derive("unt", *origin, str(order), text_hash),
        order=order,
        kind=draft.kind,
        text=draft.text,
        text_hash=text_hash,
        spans=draft.spans,
        heading_path=path,
        page=draft.page,
        line=draft.line,
        table=draft.table,
        language=draft.language,
    )


def _drafts(piece: Piece, unit_characters: int) -> Iterable[_Draft]:
    match piece:
        case Prose():
            return _prose(piece, unit_characters)
        case Listing():
            return _listing(piece, unit_characters)
        case Grid():
            return _grid(piece, unit_characters)
        case Program():
            return _program(piece)
        case Heading():
            return ()


def _prose(piece: Prose, limit: int) -> Iterator[_Draft]:
    text = normalise(piece.text)
    if not any(map(str.isalnum, text)):
        return  # ornaments and stray marks say nothing
    spans = tuple(part for span in sentence_spans(text) for part in _bounded(text, span, SENTENCE_CHARS))
    for group in _grouped(spans, limit):
        start, end = group[0].start, group[-1].end
        moved = tuple(Span(span.start - start, span.end - start) for span in group)
        yield _Draft(piece.kind, text[start:end], moved, piece.page, piece.line)


def _bounded(text: str, span: Span, limit: int) -> Iterator[Span]:
    """A stretch in parts of at most `limit`, cut at white space where there is some."""
    start = span.start
    while span.end - start > limit:
        space = text.rfind(" ", start + limit // 2, start + limit)
        cut = space if space > 0 else start + limit
        yield Span(start, cut)
        start = cut + 1 if space > 0 else cut
    yield Span(start, span.end)


def _grouped(spans: tuple[Span, ...], limit: int) -> list[list[Span]]:
    """Runs of sentences of about equal length, each within the limit where its sentences allow it."""
    total = spans[-1].end - spans[0].start
    target = total / -(-total // limit)
    groups: list[list[Span]] = [[]]
    for span in spans:
        current = groups[-1]
        if current:
            length = span.end - current[0].start
            reached = current[-1].end - current[0].start >= target
            if length > limit or (reached and total > limit):
                groups.append([])
        groups[-1].append(span)
    return groups


def _listing(piece: Listing, limit: int) -> Iterator[_Draft]:
    lines: list[str] = []
    spans: list[Span] = []
    length = 0
    for item in piece.items:
        lead, text = _item_line(item)
        if not text:
            continue
        too_long = len(text) > SENTENCE_CHARS
        if lines and (too_long or length + len(text) > LIST_CHARS):
            yield _Draft(UnitKind.LIST, "\n".join(lines), tuple(spans), piece.page, piece.line)
            lines, spans, length = [], [], 0
        if too_long:
            yield from _prose(Prose(text, page=piece.page, line=piece.line), limit)
            continue
        spans.append(Span(length + len(lead), length + len(lead) + len(text)))
        lines.append(lead + text)
        length += len(lead) + len(text) + 1
    if lines:
        yield _Draft(UnitKind.LIST, "\n".join(lines), tuple(spans), piece.page, piece.line)


def _item_line(item: Item) -> tuple[str, str]:
    return "  " * min(item.level, 8) + normalise(item.marker) + " ", normalise(item.text)


def _grid(piece: Grid, limit: int) -> Iterator[_Draft]:
    table = regular_table(piece)
    if table is None:
        return
    head = CELL_SEPARATOR.join(table.header)
    if not any(table.header):
        head = ""
    rows: list[tuple[str, ...]] = []
    size = len(head)
    for row in table.rows:
        cost = sum(map(len, row)) + len(CELL_SEPARATOR) * len(row)
        if cost > ROW_CHARS:
            yield from _long_row(piece, row, limit)
            continue
        if rows and size + cost > TABLE_CHARS:
            yield _table_draft(piece, head, replace(table, rows=tuple(rows)))
            rows, size = [], len(head)
        rows.append(row)
        size += cost
    if rows:
        yield _table_draft(piece, head, replace(table, rows=tuple(rows)))


def _long_row(piece: Grid, row: tuple[str, ...], limit: int) -> Iterator[_Draft]:
    """A row whose cells hold whole texts, as those texts."""
    for cell in row:
        yield from _prose(Prose(cell, page=piece.page, line=piece.line), limit)


def _table_draft(piece: Grid, head: str, table: UnitTable) -> _Draft:
    lines = [head] if head else []
    length = len(head) + 1 if head else 0
    spans: list[Span] = []
    for row in table.rows:
        line = CELL_SEPARATOR.join(row)
        spans.append(Span(length, length + len(line)))
        lines.append(line)
        length += len(line) + 1
    return _Draft(UnitKind.TABLE, "\n".join(lines), tuple(spans), piece.page, piece.line, table)


def regular_table(piece: Grid) -> UnitTable | None:
    """The table with normalised cells and rows of equal length; empty rows and columns left out, None where all is."""
    header = tuple(normalise(cell) for cell in piece.header)
    rows = [tuple(normalise(cell) for cell in row) for row in piece.rows]
    rows = [row for row in rows if any(row)]
    width = max([len(header), *map(len, rows)], default=0)
    padded = [row + ("",) * (width - len(row)) for row in (header, *rows)]
    used = [at for at in range(width) if any(row[at] for row in padded)]
    if not rows or not used:
        return None
    head, *body = [tuple(row[at] for at in used) for row in padded]
    return UnitTable(header=head, rows=tuple(body), caption=normalise(piece.caption))


def _program(piece: Program) -> Iterator[_Draft]:
    text = normalise_code(piece.text)
    language = normalise(piece.language)
    start = 0
    while start < len(text):
        end = _code_cut(text, start)
        part = text[start:end].rstrip("\n")
        if part.strip():
            line = piece.line + text.count("\n", 0, start) if piece.line else 0
            yield _Draft(UnitKind.CODE, part, (Span(0, len(part)),), piece.page, line, None, language)
        start = end


def _code_cut(text: str, start: int) -> int:
    """Where the part of a program that begins at `start` ends: at a blank line, else a line, else anywhere."""
    limit = start + CODE_CHARS
    if limit >= len(text):
        return len(text)
    blank = text.rfind("\n\n", start + CODE_CHARS // 2, limit)
    if blank > 0:
        return blank + 2
    line = text.rfind("\n", start + 1, limit)
    return line + 1 if line > 0 else limit
