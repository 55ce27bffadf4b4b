"""Cuts what an extractor found into units: headings kept for each, spans exact, ids the same for the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lace_core.canonical import sha256_hex
from lace_core.ids import derive
from lace_ingest.domain.documents import UNIT_CHARACTERS, Box, ExtractedDocument, Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.metadata import named_metadata
from lace_ingest.domain.reading.anchors import take_anchors, without_anchors
from lace_ingest.domain.reading.boxes import BOX_KEY, joined_boxes, keys_within
from lace_ingest.domain.reading.capitals import calm_headings
from lace_ingest.domain.reading.captions import with_captions
from lace_ingest.domain.reading.notes import linked, unreferred, with_notes_in_place
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose, Reading
from lace_ingest.domain.reading.sentences import sentence_spans
from lace_ingest.domain.reading.tables import TablePart, table_parts, told_table
from lace_ingest.domain.reading.text import count_words, normalise, normalise_code
from lace_ingest.domain.reading.titles import take_title, title_from_header
from lace_ingest.domain.reading.whole_text import placed

SENTENCE_CHARS = 4000
LIST_CHARS = 2400
CODE_CHARS = 6000
HEADING_CHARS = 300
_NAMED_NOTES = 12


@dataclass(frozen=True)
class _Draft:
    """A unit before it has its place and id; `keys` are those of its anchors, `note` is the note that it tells."""

    kind: UnitKind
    text: str
    spans: tuple[Span, ...]
    page: int
    line: int
    table: UnitTable | None = None
    language: str = ""
    keys: tuple[str, ...] = ()
    note: Note | None = None


def assemble(
    reading: Reading, *, sha256: str, filename: str, extraction: str, unit_characters: int = UNIT_CHARACTERS
) -> ExtractedDocument:
    """The document of a reading.

    Unit ids derive from the raw bytes' hash, the file name, the name of the extraction, the unit's place and its
    text: reading the same file again gives the same ids, and no two sources of a tenant share one.
    """
    title, pieces = take_title(calm_headings(reading))
    drafts = _drafts_of(with_notes_in_place(with_captions(pieces)), unit_characters)
    units = _units(drafts, reading.boxes, (sha256, filename, extraction))
    return ExtractedDocument(
        title=title[:HEADING_CHARS] or _title_of_first(units),
        units=units,
        page_count=reading.page_count,
        word_count=sum(count_words(unit.text) for unit in units),
        extraction=extraction,
        warnings=reading.warnings + _stray_notes(reading),
        metadata=named_metadata(reading.metadata),
        extractability=reading.extractability,
    )


def _stray_notes(reading: Reading) -> tuple[ExtractionWarning, ...]:
    stray = unreferred(reading.pieces)
    if not stray:
        return ()
    marks = ", ".join(note.mark or "?" for note in stray[:_NAMED_NOTES])
    message = f"Notes to which no text refers: {marks}{', …' if len(stray) > _NAMED_NOTES else ''}."
    return (ExtractionWarning(WarningCode.NOTES_NOT_REFERRED_TO, message, count=len(stray)),)


def _drafts_of(pieces: Iterable[Piece], unit_characters: int) -> Iterator[tuple[_Draft, tuple[str, ...]]]:
    """Drafts with the headings above them."""
    path: list[tuple[int, str]] = []
    for piece in pieces:
        if isinstance(piece, Heading):
            _enter(path, piece)
            continue
        above = tuple(text for _, text in path)
        yield from ((draft, above) for draft in _drafts(piece, unit_characters))


def _units(
    drafts: Iterable[tuple[_Draft, tuple[str, ...]]], boxes: Sequence[Box], origin: tuple[str, str, str]
) -> tuple[Unit, ...]:
    units: list[Unit] = []
    own: dict[str, str] = {}
    referred: dict[str, tuple[str, ...]] = {}
    for draft, path in drafts:
        unit = _place(draft, len(units), path, origin)
        units.append(replace(unit, boxes=joined_boxes(boxes, draft.keys)))
        referred[unit.unit_id] = draft.keys
        if draft.note is not None:
            own[unit.unit_id] = draft.note.key
    return placed(linked(units, own, referred))


def _title_of_first(units: Sequence[Unit]) -> str:
    return title_from_header(units[0].text) if units else ""


def _enter(path: list[tuple[int, str]], heading: Heading) -> None:
    text = without_anchors(normalise(heading.text))[:HEADING_CHARS]
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
        note_mark=normalise(draft.note.mark) if draft.note else "",
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
        case Note():
            told = Prose(piece.text, piece.kind, piece.page, piece.line)
            return (replace(draft, note=piece) for draft in _prose(told, unit_characters))
        case Heading():
            return ()


def _prose(piece: Prose, limit: int) -> Iterator[_Draft]:
    text, anchors = take_anchors(normalise(piece.text))
    if not any(map(str.isalnum, text)):
        return  # ornaments and stray marks say nothing
    spans = tuple(part for span in sentence_spans(text) for part in _bounded(text, span, SENTENCE_CHARS))
    for group in _grouped(spans, limit):
        start, end = group[0].start, group[-1].end
        moved = tuple(Span(span.start - start, span.end - start) for span in group)
        yield _Draft(piece.kind, text[start:end], moved, piece.page, piece.line, keys=keys_within(anchors, start, end))


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
    keys: list[str] = []
    length = 0

    def draft() -> _Draft:
        return _Draft(UnitKind.LIST, "\n".join(lines), tuple(spans), piece.page, piece.line, keys=tuple(keys))

    for item in piece.items:
        lead, (text, anchors) = _item_lead(item), take_anchors(normalise(item.text))
        if not text:
            continue
        too_long = len(text) > SENTENCE_CHARS
        if lines and (too_long or length + len(text) > LIST_CHARS):
            yield draft()
            lines, spans, keys, length = [], [], [], 0
        if too_long:
            yield from _prose(Prose(item.text, page=piece.page, line=piece.line), limit)
            continue
        spans.append(Span(length + len(lead), length + len(lead) + len(text)))
        lines.append(lead + text)
        keys.extend(key for _, key in anchors)
        length += len(lead) + len(text) + 1
    if lines:
        yield draft()


def _item_lead(item: Item) -> str:
    return "  " * min(item.level, 8) + normalise(item.marker) + " "


def _grid(piece: Grid, limit: int) -> Iterator[_Draft]:
    for part in table_parts(piece):
        if isinstance(part, TablePart):
            text, spans = told_table(part.table)
            yield _Draft(UnitKind.TABLE, text, spans, piece.page, piece.line, part.table, keys=part.keys)
        else:
            yield from _prose(Prose(part, page=piece.page, line=piece.line), limit)


def _program(piece: Program) -> Iterator[_Draft]:
    text = normalise_code(piece.text)
    language = normalise(piece.language)
    keys = tuple(f"{BOX_KEY}{box}" for box in piece.boxes)
    start = 0
    while start < len(text):
        end = _code_cut(text, start)
        part = text[start:end].rstrip("\n")
        if part.strip():
            line = piece.line + text.count("\n", 0, start) if piece.line else 0
            yield _Draft(UnitKind.CODE, part, (Span(0, len(part)),), piece.page, line, None, language, keys)
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
