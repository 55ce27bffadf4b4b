"""Reads PDF and DOCX by docling, where it is installed: layout and tables by models, for what rules cannot see."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.docling_tables import read_table
from lace_ingest.domain.documents import WHOLE, Box, UnitKind
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode, named_pages
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.reading.anchors import anchored, without_noncharacters
from lace_ingest.domain.reading.boxes import BOX_KEY
from lace_ingest.domain.reading.pieces import Heading, Item, Listing, Note, Piece, Program, Prose, Reading

MODELS = Path(sys.prefix) / "share" / "docling"
"""Where its models lie: a reader opens no file but those below its interpreter, and has no network."""
_MARK = re.compile(r"^\s*(?P<mark>\d{1,3}|[*\u2020\u2021\u00a7])[.)]?\s+(?=\S)")
_RUNNING = frozenset(("page_header", "page_footer"))
_KINDS = {"caption": UnitKind.CAPTION}
_SILENT = frozenset(("picture", "chart", "document_index", "empty_value"))
_DONE = frozenset(("success", "partial_success"))


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a PDF or DOCX.

    Raises SOURCE_EXTRACTOR_MISSING where docling is not installed, SOURCE_UNREADABLE, SOURCE_ENCRYPTED,
    SOURCE_LIMIT_EXCEEDED.
    """
    convert = _converter()
    is_pdf = not data.startswith(b"PK")
    metadata = _metadata_of_pdf(data, limits) if is_pdf else ()
    result = convert("document.pdf" if is_pdf else "document.docx", data, limits.pages)
    if _value(result.status) not in _DONE:
        raise _unreadable("; ".join(str(problem.error_message) for problem in result.errors))
    reading = read_tree(result.document, limits)
    told = tuple(ExtractionWarning(WarningCode.OTHER, str(problem.error_message)) for problem in result.errors)
    return Reading(
        reading.pieces,
        reading.title,
        reading.page_count,
        reading.warnings + told,
        (*metadata, *reading.metadata),
        reading.boxes,
        reading.extractability,
    )


def _converter() -> Any:
    """Converts (name, bytes, most pages) to a ConversionResult of docling."""
    try:
        from docling.datamodel.base_models import DocumentStream, InputFormat  # type: ignore[import-not-found]
        from docling.datamodel.pipeline_options import PdfPipelineOptions  # type: ignore[import-not-found]
        from docling.document_converter import DocumentConverter, PdfFormatOption  # type: ignore[import-not-found]
    except ImportError:
        raise LaceError(
            Reason.SOURCE_EXTRACTOR_MISSING,
            "The setting ingest.extractor asks for docling, which is not installed: pip install 'lace-ingest[docling]'",
        ) from None

    def convert(name: str, data: bytes, pages: int) -> Any:
        options = PdfPipelineOptions(artifacts_path=MODELS)
        converter = DocumentConverter(format_options={InputFormat.PDF: PdfFormatOption(pipeline_options=options)})
        stream = DocumentStream(name=name, stream=io.BytesIO(data))
        return converter.convert(stream, raises_on_error=False, max_num_pages=pages)

    return convert


def _metadata_of_pdf(data: bytes, limits: ExtractionLimits) -> tuple[tuple[str, str], ...]:
    """What the file says of itself, which docling does not tell; opening it also tells what is encrypted or broken."""
    from lace_ingest.adapters.reading.extractors.pdf.pdfium import Document

    return tuple(sorted(Document(data, limits).metadata.items()))


def _unreadable(why: str) -> LaceError:
    return LaceError(Reason.SOURCE_UNREADABLE, f"docling cannot read the document: {why or 'it does not say why'}.")


def read_tree(document: Any, limits: ExtractionLimits) -> Reading:
    """The pieces of a DoclingDocument."""
    reader = _Reader(document)
    for item, level in document.iterate_items():
        reader.read(item, level)
        refuse_beyond("characters", reader.chars, limits.chars)
    reader.end_list()
    silent = sorted(set(document.pages) - reader.told_pages)
    pages = len(document.pages)
    running = dict.fromkeys(_plain(item.text) for item in document.texts if _value(item.label) in _RUNNING)
    return Reading(
        tuple(reader.pieces),
        reader.title,
        pages,
        _silence(silent),
        (("running_text", "; ".join(running)),),
        tuple(reader.boxes),
        WHOLE * (pages - len(silent)) // pages if pages else WHOLE,
    )


def _silence(pages: Sequence[int]) -> tuple[ExtractionWarning, ...]:
    message = f"Pages without text: {named_pages(pages)}."
    return (ExtractionWarning(WarningCode.PAGES_WITHOUT_TEXT, message, pages[0], len(pages)),) if pages else ()


@dataclass
class _Reader:
    """Turns the items of a tree into pieces; `told_pages` are those that gave text."""

    document: Any
    pieces: list[Piece] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    title: str = ""
    chars: int = 0
    told_pages: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._items: list[tuple[int, Item]] = []
        self._list_page = 0
        tables = getattr(self.document, "tables", ())
        self._captions = {reference.cref for table in tables for reference in table.captions}
        self._notes = 0

    def read(self, item: Any, level: int) -> None:
        """Reads one item; `level` is its depth in the tree."""
        label = _value(item.label)
        if label in _SILENT or label in _RUNNING or getattr(item, "self_ref", "") in self._captions:
            return
        if label == "list_item":
            self._list_item(item, level)
            return
        self.end_list()
        self.pieces.extend(self._pieces(item, label))

    def _pieces(self, item: Any, label: str) -> Iterator[Piece]:
        page = _page(item)
        if label == "table":
            self._count(item, "".join(cell.text for cell in item.data.table_cells))
            yield read_table(item, self.document, lambda text: self._text(item, text), page)
            return
        text = _plain(getattr(item, "text", ""))
        if not text:
            return
        self._count(item, text)
        if label == "title":
            self.title = self.title or text
            yield Heading(1, text, page=page)
        elif label in ("section_header", "field_heading"):
            yield Heading(int(getattr(item, "level", 1)) + 1, text, page=page)
        elif label == "code":
            language = _value(getattr(item, "code_language", "")).lower()
            yield Program(item.text, "" if language == "unknown" else language, page, boxes=tuple(self._boxes(item)))
        elif label == "footnote":
            yield self._note(item, text, page)
        else:
            yield Prose(self._text(item, text), _KINDS.get(label, UnitKind.PARAGRAPH), page=page)

    def _note(self, item: Any, text: str, page: int) -> Note:
        """A note; docling does not tell what refers to it."""
        self._notes += 1
        mark = _MARK.match(text)
        rest = text[mark.end() :] if mark else text
        return Note(f"docling {self._notes}", mark["mark"] if mark else "", self._text(item, rest), page=page)

    def _list_item(self, item: Any, level: int) -> None:
        text = _plain(item.text)
        if not text:
            return
        self._count(item, text)
        self._list_page = self._list_page or _page(item)
        marker = str(getattr(item, "marker", "") or "-") if getattr(item, "enumerated", False) else "-"
        self._items.append((level, Item(self._text(item, text), 0, marker)))

    def end_list(self) -> None:
        """Ends the list under way: the shallowest of its items are its outermost."""
        if not self._items:
            return
        depths = sorted({level for level, _ in self._items})
        items = tuple(Item(item.text, depths.index(level), item.marker) for level, item in self._items)
        self.pieces.append(Listing(items, page=self._list_page))
        self._items, self._list_page = [], 0

    def _count(self, item: Any, text: str) -> None:
        self.chars += len(text)
        if text.strip():
            self.told_pages.update(place.page_no for place in item.prov)

    def _text(self, item: Any, text: str) -> str:
        """The text with an anchor where it enters each of its boxes."""
        starts = [int(place.charspan[0]) if at else 0 for at, place in enumerate(item.prov)]
        keys = [f"{BOX_KEY}{box}" for box in self._boxes(item)]
        return anchored(text, [(min(at, len(text)), key) for at, key in zip(starts, keys, strict=True)])

    def _boxes(self, item: Any) -> Sequence[int]:
        first = len(self.boxes)
        for place in item.prov:
            box = place.bbox.to_top_left_origin(page_height=self.document.pages[place.page_no].size.height)
            edges = (round(edge, 2) for edge in (box.l, box.t, box.r, box.b))
            self.boxes.append(Box(place.page_no, *edges))
        return range(first, len(self.boxes))


def _page(item: Any) -> int:
    return int(item.prov[0].page_no) if item.prov else 0


def _plain(text: str) -> str:
    return without_noncharacters(" ".join(text.split()))


def _value(name: Any) -> str:
    """The value of an enumeration's member, which docling's labels are."""
    return str(getattr(name, "value", name))
