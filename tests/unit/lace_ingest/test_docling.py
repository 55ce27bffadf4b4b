"""The richer reader: pieces out of docling's tree (a double of what docling-core 2.104 builds), and its absence."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extraction_child import Order, name_of, read_document
from lace_ingest.adapters.reading.extractors import docling
from lace_ingest.domain.documents import Box
from lace_ingest.domain.extraction_warnings import WarningCode
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import without_anchors
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose, with_texts

LIMITS = ExtractionLimits(extractor="docling")


@dataclass(frozen=True)
class Corners:
    """BoundingBox, from the lower left."""

    l: float  # noqa: E741 - docling's name
    t: float
    r: float
    b: float

    def to_top_left_origin(self, page_height: float) -> Corners:
        return replace(self, t=page_height - self.t, b=page_height - self.b)


def item(label: str, text: str, top: float = 700, page: int = 1, **more: Any) -> SimpleNamespace:
    place = SimpleNamespace(page_no=page, bbox=Corners(72, top, 300, top - 10), charspan=(0, len(text)))
    return SimpleNamespace(label=SimpleNamespace(value=label), text=text, prov=[place], self_ref=f"#/{text}", **more)


def cell(
    text: str, row: int, column: int, *, width: int = 1, head: bool = False, name: bool = False
) -> SimpleNamespace:
    return SimpleNamespace(
        text=text, start_row_offset_idx=row, end_row_offset_idx=row + 1, start_col_offset_idx=column,
        end_col_offset_idx=column + width, column_header=head, row_header=name,
    )  # fmt: skip


@dataclass
class Tree:
    """DoclingDocument: its body with depths, its running heads, its pages."""

    body: list[tuple[Any, int]]
    running: list[Any] = field(default_factory=list)
    page_count: int = 1

    def iterate_items(self) -> Iterator[tuple[Any, int]]:
        return iter(self.body)

    @property
    def texts(self) -> list[Any]:
        return [one for one, _ in self.body if hasattr(one, "text")] + self.running

    @property
    def tables(self) -> list[Any]:
        return [one for one, _ in self.body if one.label.value == "table"]

    @property
    def pages(self) -> dict[int, Any]:
        return {at: SimpleNamespace(size=SimpleNamespace(height=800.0)) for at in range(1, self.page_count + 1)}


def tree() -> Tree:
    caption = item("caption", "Table 1: Yields")
    table = item("table", "")
    table.captions = [SimpleNamespace(cref=caption.self_ref)]
    table.caption_text = lambda document: "Table 1: Yields"
    table.data = SimpleNamespace(num_rows=3, num_cols=3, table_cells=[
        cell("Site", 0, 0, head=True), cell("Yield", 0, 1, width=2, head=True),
        cell("", 1, 0, head=True), cell("2023", 1, 1, head=True), cell("2024", 1, 2, head=True),
        cell("North", 2, 0, name=True), cell("3", 2, 1), cell("4", 2, 2),
    ])  # fmt: skip
    return Tree(
        [
            (item("title", "The  estuary"), 1),
            (item("section_header", "Methods", level=1), 1),
            (item("text", "Some prose\nof it."), 1),
            (item("list_item", "first", enumerated=True, marker="1."), 2),
            (item("list_item", "deep", enumerated=False, marker="•"), 4),
            (item("list_item", "second", enumerated=True, marker="2."), 2),
            (caption, 1),
            (table, 1),
            (item("picture", ""), 1),
            (item("code", "x = 1\ny = 2", code_language=SimpleNamespace(value="Python")), 1),
            (item("footnote", "1 A note."), 1),
        ],
        [item("page_header", "Journal"), item("page_header", "Journal", page=2)],
        page_count=2,
    )


def plain(pieces: tuple[Piece, ...]) -> list[Piece]:
    return [with_texts(piece, without_anchors) for piece in pieces]


def test_a_tree_becomes_pieces() -> None:
    reading = docling.read_tree(tree(), LIMITS)
    assert plain(reading.pieces) == [
        Heading(1, "The estuary", page=1),
        Heading(2, "Methods", page=1),
        Prose("Some prose of it.", page=1),
        Listing((Item("first", 0, "1."), Item("deep", 1, "-"), Item("second", 0, "2.")), page=1),
        Grid(("Site", "Yield 2023", "Yield 2024"), (("North", "3", "4"),), "Table 1: Yields", 1, head_columns=(0,)),
        Program("x = 1\ny = 2", "python", 1, boxes=(5,)),
        Note("docling 1", "1", "A note.", page=1),
    ]
    assert (reading.title, dict(reading.metadata)) == ("The estuary", {"running_text": "Journal"})


def test_boxes_and_silent_pages_are_told() -> None:
    reading = docling.read_tree(tree(), LIMITS)
    assert reading.boxes[0] == Box(1, 72, 100, 300, 110)
    assert reading.pieces[2].text.startswith("\ufdd0@0\ufdd1Some")  # type: ignore[union-attr]
    assert reading.extractability == 500
    [warning] = reading.warnings
    assert (warning.code, warning.page, warning.count) == (WarningCode.PAGES_WITHOUT_TEXT, 2, 1)


def test_more_characters_than_the_limit_are_refused() -> None:
    with pytest.raises(LaceError) as refused:
        docling.read_tree(tree(), ExtractionLimits(chars=20))
    assert refused.value.reason is Reason.SOURCE_LIMIT_EXCEEDED


def test_what_docling_makes_of_a_file_is_a_document(
    monkeypatch: pytest.MonkeyPatch, make_docx: Any, make_pdf: Any
) -> None:
    asked: list[tuple[str, int]] = []

    def convert(name: str, data: bytes, pages: int) -> Any:
        asked.append((name, pages))
        problem = SimpleNamespace(error_message="A table was too large.")
        return SimpleNamespace(status=SimpleNamespace(value="partial_success"), errors=[problem], document=tree())

    monkeypatch.setattr(docling, "_converter", lambda: convert)
    found = read_document(Order("a.docx", SourceFormat.DOCX, LIMITS), make_docx())
    assert found.title == "The estuary"
    assert [unit.kind.value for unit in found.units] == ["paragraph", "list", "table", "code", "footnote"]
    assert found.extraction.startswith("docx/docling")
    assert [warning.code for warning in found.warnings][1] is WarningCode.OTHER
    data = make_pdf(["BT /F1 11 Tf 72 700 Td (x) Tj ET"], trailer="/Info 6 0 R", extra=("<< /Author (Ann Other) >>",))
    assert read_document(Order("a.pdf", SourceFormat.PDF, LIMITS), data).metadata["author"] == "Ann Other"
    assert asked == [("document.docx", 2000), ("document.pdf", 2000)]


def test_a_conversion_that_failed_is_told(monkeypatch: pytest.MonkeyPatch, make_docx: Any) -> None:
    failed = SimpleNamespace(
        status=SimpleNamespace(value="failure"), errors=[SimpleNamespace(error_message="No model.")]
    )
    monkeypatch.setattr(docling, "_converter", lambda: lambda *asked: failed)
    with pytest.raises(LaceError) as refused:
        read_document(Order("a.docx", SourceFormat.DOCX, LIMITS), make_docx())
    assert refused.value.reason is Reason.SOURCE_UNREADABLE
    assert "No model." in refused.value.message


@pytest.mark.skipif(importlib.util.find_spec("docling") is not None, reason="docling is installed")
def test_without_docling_the_refusal_says_what_to_install(make_docx: Any) -> None:
    with pytest.raises(LaceError) as refused:
        read_document(Order("a.docx", SourceFormat.DOCX, LIMITS), make_docx())
    assert refused.value.reason is Reason.SOURCE_EXTRACTOR_MISSING
    assert "pip install 'lace-ingest[docling]'" in refused.value.message


def test_what_docling_does_not_read_is_read_as_ever() -> None:
    found = read_document(Order("a.md", SourceFormat.MD, LIMITS), b"# T\n\nText.\n")
    assert [unit.text for unit in found.units] == ["Text."]
    assert name_of(SourceFormat.MD, LIMITS) == name_of(SourceFormat.MD, ExtractionLimits())
    assert name_of(SourceFormat.PDF, LIMITS).startswith("pdf/docling")
