"""The document as the JSON value that the PDF template reads; what depends on lengths of text is decided here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lace_compiler.adapters.table_layout import breadth, columns_of, narrow_parts, table_layout
from lace_compiler.domain import wording
from lace_compiler.domain.document import (
    BlockView,
    CalloutView,
    CitedSource,
    CodeView,
    Document,
    EquationView,
    FigureView,
    ListView,
    OpaqueView,
    ParagraphView,
    Passage,
    QuoteView,
    Section,
    TableView,
    VerificationView,
)
from lace_compiler.domain.settings import CompileSettings, PageSize

Json = dict[str, Any]

FONTS = ("Libertinus Serif", "New Computer Modern", "DejaVu Sans Mono", "New Computer Modern Math")
MONOSPACED = ("DejaVu Sans Mono", "Libertinus Serif", "New Computer Modern Math")

_DEEPEST = 6
_CONTENTS_FROM = 3
_ALONE_FROM = 14
_DENSE_FROM = 34
_RUNNING_LENGTH = 58
# Letters that a line surely holds even where all are wide: of prose, of a heading, of the title, of a running head.
_LONG_WORD = 40
_LONG_IN_HEADING = 26
_LONG_IN_TITLE = 18
_LONG_IN_RUNNING_HEAD = 20
_LONG_IN_DETAIL = 80
_PIECE = 6
_LONGEST_REPEATED = 300
# A link within the file costs typst some 60 kB of memory while it works: very long lists do without the way back.
_MOST_LINKED_BACK = 1500
# Scripts that are broken between any two letters need no help, so only words without them count as long.
_LONG = re.compile(r"[!-\u0dff\u2010-\u2027\u2030-\u205e\u2070-\u2bff]+")
_PAPERS = {PageSize.A4: "a4", PageSize.US_LETTER: "us-letter"}


def typst_data(document: Document, settings: CompileSettings, mend: Callable[[str], str] = str) -> Json:
    """Everything that the template shows, in plain JSON values; `mend` replaces what the fonts cannot show."""
    linked_back = document.statistics.references <= _MOST_LINKED_BACK
    return _TemplateData(settings, mend, linked_back).document(document)


class _TemplateData:
    """Views to JSON. The first mark of each reference is flagged, as its list entry links back to it."""

    def __init__(self, settings: CompileSettings, mend: Callable[[str], str], linked_back: bool) -> None:
        self._settings = settings
        self._mend = mend
        self._linked_back = linked_back
        self._seen: set[int] = set()

    def document(self, document: Document) -> Json:
        lang, region = _language(document.language)
        depth = self._settings.toc_depth
        listed = sum(heading.level <= depth for heading in document.headings)
        title = self._mend(document.title)
        return {
            "title": title,
            "title_words": self._words(title, _LONG_IN_TITLE),
            "running": self._running_head(title),
            "chapters": [self._running_head(chapter) for chapter in _chapters(document)],
            "summary": self._mend(document.summary),
            "keywords": [self._mend(keyword) for keyword in _keywords(document)],
            "lang": lang,
            "region": region,
            "fonts": FONTS,
            "mono": MONOSPACED,
            "paper": _PAPERS[self._settings.page_size],
            "contents": wording.CONTENTS,
            "toc_depth": depth if listed >= _CONTENTS_FROM else 0,
            "toc_alone": listed > _ALONE_FROM,
            "toc_dense": listed > _DENSE_FROM,
            "linked_back": self._linked_back,
            "empty": document.is_empty,
            "empty_note": wording.EMPTY_DOCUMENT,
            "sections": [self._section(section) for section in document.sections],
            "sources_title": wording.SOURCES_AND_EVIDENCE,
            "sources": [self._source(source) for source in document.sources],
            "uncited_title": wording.NOT_CITED,
            "uncited": [self._words(name) for name in document.uncited],
            "verification": document.verification and self._verification(document.verification),
        }

    def _running_head(self, text: str) -> str | list[str]:
        return self._words(_shortened(text), _LONG_IN_RUNNING_HEAD)

    def _section(self, section: Section) -> Json:
        shown = section.heading
        heading = shown and {
            "level": min(shown.level, _DEEPEST),
            "number": shown.number,
            "title": self._words(shown.title, _LONG_IN_HEADING),
        }
        return {"heading": heading, "blocks": [data for block in section.blocks for data in self._blocks(block)]}

    def _blocks(self, block: BlockView) -> list[Json]:
        parts = narrow_parts(block) if isinstance(block, TableView) else [block]
        return [self._block(part) for part in parts]

    def _block(self, block: BlockView) -> Json:
        match block:
            case ParagraphView():
                return {"kind": "paragraph", "passages": self._passages(block.passages)}
            case QuoteView():
                return {"kind": "quote", "passages": self._passages(block.passages)}
            case CalloutView():
                label, passages = self._mend(block.label), self._passages(block.passages)
                return {"kind": "callout", "tone": block.tone, "label": label, "passages": passages}
            case ListView():
                return {"kind": "list", "ordered": block.ordered, "items": self._passages(block.items)}
            case TableView():
                return self._table(block)
            case CodeView():
                return {"kind": "code", **self._listing(block.text), "marks": self._marks(block.citations)}
            case EquationView():
                return {"kind": "code", **self._listing(block.tex), "marks": self._marks(block.citations)}
            case FigureView():
                return self._figure(block)
            case OpaqueView():
                return {"kind": "opaque", "note": wording.OPAQUE_NOTE, **self._listing(block.raw), "marks": []}

    def _listing(self, text: str) -> Json:
        """Code as it is, and by their numbers the pieces of lines with words that do not fit."""
        lines = enumerate(text.split("\n"), 1)
        broken = {str(number): self._words(line) for number, line in lines if len(line) > _LONG_WORD}
        return {"text": self._mend(text), "broken": broken}

    def _passages(self, passages: Sequence[Passage]) -> list[Json]:
        return [{"text": self._words(p.text), "marks": self._marks(p.citations)} for p in passages]

    def _marks(self, citations: Iterable[int]) -> list[Json]:
        marks = []
        for number in citations:
            marks.append({"number": number, "first": self._linked_back and number not in self._seen})
            self._seen.add(number)
        return marks

    def _figure(self, block: FigureView) -> Json:
        return {
            "kind": "figure",
            "label": f"{wording.FIGURE} {block.number}",
            "caption": self._words(block.caption),
            "alt": self._words(block.alt),
            "uri": self._words(block.uri),
            "marks": self._marks(block.citations),
        }

    def _table(self, block: TableView) -> Json:
        # The caption is set above the rows, so its citations come first.
        marks = self._marks(block.citations)
        layout = table_layout(columns_of(block))
        rows = [{"cells": self._cells(r.cells, layout.room), "marks": self._marks(r.citations)} for r in block.rows]
        return {
            "kind": "table",
            "label": f"{wording.TABLE} {block.number}",
            "caption": self._words(block.caption),
            "size": layout.size,
            "whole": layout.whole,
            "weights": layout.weights,
            "numeric": layout.numeric,
            "header": self._cells(block.header, layout.room),
            # A header that fills the page would leave no room for what it heads.
            "repeat": max(map(len, block.header), default=0) <= _LONGEST_REPEATED,
            "rows": rows,
            "marks": marks,
        }

    def _cells(self, cells: Sequence[str], room: Sequence[int]) -> list[str | list[str]]:
        return [self._words(cell, room[x], breadth) for x, cell in enumerate(cells)]

    def _source(self, source: CitedSource) -> Json:
        pages = wording.counted(source.source.page_count, "page") + " · " if source.source.page_count else ""
        return {
            "filename": self._words(source.filename, _LONG_IN_HEADING),
            "title": self._words(source.title),
            "detail": self._words(f"{pages}SHA-256 {source.source.version}", _LONG_IN_DETAIL),
            "references": [
                {"number": r.number, "place": self._words(r.place), "quote": self._words(r.quote)}
                for r in source.references
            ],
        }

    def _verification(self, view: VerificationView) -> Json:
        return {
            "title": wording.VERIFICATION,
            "summary": self._words(view.summary),
            "facts": [self._words(fact) for fact in view.facts],
            "accepted_title": wording.ACCEPTED,
            "accepted": [{"text": self._words(part.text), "told": self._words(part.told)} for part in view.accepted],
            "withheld_title": wording.WITHHELD,
            "withheld_summary": self._words(view.withheld_summary),
            "withheld": [self._words(line) for line in view.withheld],
        }

    def _words(self, text: str, longest: int = _LONG_WORD, measured: Callable[[str], int] = len) -> str | list[str]:
        """The text, or where a word is longer than a line its pieces, between which the template may break."""
        mended = self._mend(text)
        if not any(measured(word) > longest for word in _LONG.findall(mended)):
            return mended
        pieces: list[str] = []
        end = 0
        for match in _LONG.finditer(mended):
            if measured(match[0]) > longest:
                first, *others = _pieces(match[0])
                pieces += [mended[end : match.start()] + first, *others]
                end = match.end()
        return [*pieces, mended[end:]]


def _keywords(document: Document) -> tuple[str, ...]:
    names = (source.filename for source in document.sources)
    return tuple(filter(None, (document.artifact.artifact_id, document.revision_id, *names)))


def _chapters(document: Document) -> list[str]:
    """Titles of the level-1 headings in the order of the pages."""
    titles = [heading.text for heading in document.headings if heading.level == 1]
    if document.sources:
        titles.append(wording.SOURCES_AND_EVIDENCE)
    elif document.uncited:
        titles.append(wording.NOT_CITED)
    return [*titles, wording.VERIFICATION] if document.verification is not None else titles


def _shortened(text: str) -> str:
    """A running head: decoration beside the full title, so it may be cut at a word."""
    if len(text) <= _RUNNING_LENGTH:
        return text
    return text[: _RUNNING_LENGTH - 1].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"


def _language(tag: str) -> tuple[str, str | None]:
    """Language and region of a BCP 47 tag as typst takes them."""
    language, *others = tag.split("-")
    return language.lower(), next((part.upper() for part in others if len(part) == 2 and part.isalpha()), None)


def _pieces(word: str) -> list[str]:
    """A long word in pieces of some six letters, never between a letter and its accent.

    Between letters and digits the template's seam is a place to break. Before and after marks such as / or ( the
    rules of line breaking forbid one in spite of it; only a zero-width space overrules them, which is used where
    nothing else comes for long, as it stays behind when the text is copied.
    """
    pieces = [""]
    for before, char in zip(" " + word, word, strict=False):
        length = len(pieces[-1])
        if length >= _PIECE and before.isalnum() and char.isalnum():
            pieces.append("")
        elif length >= 2 * _PIECE and not unicodedata.category(char).startswith("M"):
            pieces.append("\u200b")
        pieces[-1] += char
    return pieces
