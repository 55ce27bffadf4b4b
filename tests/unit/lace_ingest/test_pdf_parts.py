"""The parts of reading an untagged PDF, each on values: lines, hyphens, margins, tables, headings, page breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lace_ingest.adapters.reading.extractors.joining import Joiner
from lace_ingest.adapters.reading.extractors.pdf.assembly import Assembler, join_pages
from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind, Entry
from lace_ingest.adapters.reading.extractors.pdf.code import lay_out
from lace_ingest.adapters.reading.extractors.pdf.furniture import PageLines, without_furniture
from lace_ingest.adapters.reading.extractors.pdf.headings import decide, looks_of
from lace_ingest.adapters.reading.extractors.pdf.layout import Looks, read_layout
from lace_ingest.adapters.reading.extractors.pdf.lines import Line, read_lines
from lace_ingest.adapters.reading.extractors.pdf.page import UNTAGGED, Bookmark, Element, Font, Glyph, Page, Stroke
from lace_ingest.adapters.reading.extractors.pdf.structure import covers, read_structure
from lace_ingest.adapters.reading.extractors.pdf.tables import Cell, cell_text, find_tables
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose

PLAIN = Font(bold=False, italic=False, mono=False)
WIDTH = 5.0


def glyphs(
    text: str, x: float = 72, y: float = 700, size: float = 10, *, run: int = 0, mark: int = UNTAGGED
) -> list[Glyph]:
    return [
        Glyph(char, x + at * WIDTH, x + (at + 1) * WIDTH, y, size, PLAIN, mark, run) for at, char in enumerate(text)
    ]


def line(text: str, x: float = 72, y: float = 700, size: float = 10, **flags: bool) -> Line:
    known: dict[str, Any] = {"bold": False, "italic": False, "mono": False, **flags}
    return Line(text, x, x + len(text) * size / 2, y, size, **known)


def page(*lines: Line, number: int = 1, strokes: tuple[Stroke, ...] = ()) -> PageLines:
    return PageLines(number, 612, 792, list(lines), list(strokes))


def told(rows: tuple[tuple[Cell, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(cell_text, row)) for row in rows)


def assembled(blocks: list[Block]) -> list[Piece]:
    return Assembler(Joiner([]), {}, 10.0).pieces(blocks)


# --- lines


def test_words_are_parted_by_gaps_and_lines_by_baselines() -> None:
    found = read_lines([*glyphs("one"), *glyphs("two", x=90), *glyphs("three", y=688)])
    assert [one.text for one in found] == ["one two", "three"]


def test_a_new_run_behind_a_wide_gap_is_another_line() -> None:
    found = read_lines([*glyphs("Name", run=1), *glyphs("12", x=110, run=2)])
    assert [one.text for one in found] == ["Name", "12"]


def test_justified_text_of_one_run_stays_one_line() -> None:
    assert [one.text for one in read_lines([*glyphs("far"), *glyphs("apart", x=100)])] == ["far apart"]


def test_letters_of_a_ligature_share_a_box_and_stay_together() -> None:
    shared = [replace_char(char) for char in "ffi"]
    assert read_lines([*glyphs("e", x=67), *shared, *glyphs("cient", x=77)])[0].text == "efficient"


def replace_char(char: str) -> Glyph:
    return Glyph(char, 72, 77, 700, 10, PLAIN, UNTAGGED, 0)


@pytest.mark.parametrize(
    ("before", "raised", "expected"),
    [
        ("m", "2", "m²"),
        ("10", "-6", "10⁻⁶"),
        ("parallelism", "1", "parallelism"),
        ("word.", "12", "word."),
        ("the 5", "th", "the 5th"),
    ],
)
def test_raised_digits_are_exponents_or_marks_of_notes(before: str, raised: str, expected: str) -> None:
    start = 72 + len(before) * WIDTH
    found = read_lines([*glyphs(before), *glyphs(raised, x=start, y=703.5, size=6)])
    assert [one.text for one in found] == [expected]


def test_a_line_that_begins_with_a_raised_mark_is_a_note() -> None:
    [found] = read_lines([*glyphs("3", y=703.5, size=6), *glyphs("See the law.", x=77)])
    assert (found.text, found.is_note) == ("See the law.", True)


# --- joining


def joined(*texts: str, known: str = "") -> str:
    return Joiner([*texts, known]).join(texts)


def test_a_hyphen_at_a_line_end_goes_when_the_document_knows_the_whole_word() -> None:
    assert joined("the hyphen-", "ation of words", known="hyphenation is old") == "the hyphenation of words"


def test_a_hyphen_stays_when_the_document_knows_the_compound() -> None:
    assert joined("a well-", "known fact", known="well-known wellknown") == "a well-known fact"


def test_a_soft_hyphen_always_goes() -> None:
    assert joined("con\u00ad", "tinue") == "continue"


def test_a_hyphen_before_a_capital_or_number_stays() -> None:
    assert joined("North-", "South and 2020-", "2021") == "North-South and 2020-2021"


def test_a_dash_keeps_its_space() -> None:
    assert joined("it rose -", "as expected") == "it rose - as expected"


def test_an_address_is_not_parted() -> None:
    assert joined("See https://example.org/", "page for more") == "See https://example.org/page for more"


# --- margins


def test_running_heads_and_page_numbers_go_and_text_stays() -> None:
    pages = [
        page(
            line("Annual report", y=770), line(f"Chapter {n}", y=700), line("Text of the page.", y=690),
            line(f"Page {n} of 3", y=30), number=n,
        )
        for n in (1, 2, 3)
    ]  # fmt: skip
    assert [[one.text for one in found.lines] for found in without_furniture(pages)] == [
        [f"Chapter {n}", "Text of the page."] for n in (1, 2, 3)
    ]


def test_text_that_begins_alike_on_every_page_stays() -> None:
    pages = [page(line("- Required: yes", y=720), line("more", y=708), number=n) for n in (1, 2, 3, 4)]
    assert all(len(found.lines) == 2 for found in without_furniture(pages))


# --- layout


def layout(*lines: Line, strokes: tuple[Stroke, ...] = ()) -> list[Block]:
    return read_layout(page(*lines, strokes=strokes), Looks(10, {10.0: 12.0}))


def test_lines_close_together_are_one_paragraph_and_a_gap_parts_two() -> None:
    blocks = layout(line("One line", y=700), line("and its rest.", y=688), line("Another.", y=664))
    assert [[one.text for one in block.lines] for block in blocks] == [["One line", "and its rest."], ["Another."]]


def test_a_line_that_ends_early_ends_a_paragraph() -> None:
    full = "This line reaches as far to the right as any."
    blocks = layout(line(full, y=700), line("It ends.", y=688), line(full, y=676))
    assert [len(block.lines) for block in blocks] == [2, 1]


def test_bullets_apart_from_their_text_make_a_list_with_levels() -> None:
    blocks = layout(
        line("•", 72, 700), line("one", 90, 700), line("more of it", 90, 688),
        line("◦", 90, 676), line("deep", 108, 676), line("•", 72, 664), line("two", 90, 664),
    )  # fmt: skip
    assert [(entry.level, [one.text for one in entry.lines]) for entry in blocks[0].entries] == [
        (0, ["one", "more of it"]), (1, ["deep"]), (0, ["two"]),
    ]  # fmt: skip


def test_one_number_alone_is_no_list() -> None:
    [block] = layout(line("1. Introduction", y=700))
    assert (block.kind, block.lines[0].text) == (BlockKind.RUN, "1. Introduction")


def test_lines_of_fixed_width_are_code_and_keep_their_shape() -> None:
    [block] = layout(line("def f():", mono=True), line("return 1", 92, 688, mono=True), line("x", 72, 664, mono=True))
    assert block.kind is BlockKind.CODE
    assert lay_out(block.lines) == "def f():\n    return 1\n\nx"


def test_a_table_of_contents_is_left_out() -> None:
    assert layout(line("Introduction ........ 3", y=700), line("Costs . . . . . . . 12", y=688)) == []


# --- tables

TABLE = [
    line("Name", 72, 700, bold=True), line("Count", 150, 700, bold=True), line("Share", 220, 700, bold=True),
    line("One", 72, 682), line("12", 165, 682), line("3.4%", 230, 682),
    line("A long name is", 72, 664), line("on", 72, 652), line("345", 160, 664), line("96%", 235, 664),
    line("Three", 72, 634), line("7", 170, 634), line("0.1%", 230, 634),
]  # fmt: skip
ROWS = (
    ("Name", "Count", "Share"),
    ("One", "12", "3.4%"),
    ("A long name is on", "345", "96%"),
    ("Three", "7", "0.1%"),
)


def test_aligned_columns_are_a_table_and_wrapped_cells_are_joined() -> None:
    [found] = find_tables(TABLE, [], 612)
    assert (told(found.rows), found.heads) == (ROWS, 1)
    assert found.lines == frozenset(range(len(TABLE)))


def test_a_table_stands_between_its_paragraphs() -> None:
    before, after = line("Before it.", y=740), line("After it comes a line that is long enough to cross.", y=600)
    blocks = layout(before, *TABLE, after)
    assert [block.kind for block in blocks] == [BlockKind.RUN, BlockKind.TABLE, BlockKind.RUN]
    assert told(blocks[1].rows) == ROWS


def test_strokes_part_the_columns_of_a_grid() -> None:
    lines = [line("a", 80, 700), line("b long text", 130, 700), line("c", 80, 688), line("d", 160, 688)]
    vertical = tuple(Stroke(x, 680, x, 712) for x in (72, 120, 220))
    flat = tuple(Stroke(72, y, 220, y) for y in (712, 697, 684))
    [found] = find_tables(lines, [*vertical, *flat], 612)
    assert told(found.rows) == (("a", "b long text"), ("c", "d"))


def test_two_columns_of_prose_are_no_table() -> None:
    text = "Prose in a column that is rather wide here"
    left = [line(text, 50, 700 - 12 * n) for n in range(10)]
    right = [line(text, 320, 700 - 12 * n) for n in range(10)]
    assert find_tables([*left, *right], [], 612) == []


def test_a_caption_does_not_join_two_tables() -> None:
    second = [replace(one, y=one.y - 110) for one in TABLE]
    caption = line("Table 1: Things", 72, 612)
    assert [told(found.rows) for found in find_tables([*TABLE, caption, *second], [], 612)] == [ROWS, ROWS]


# --- headings


def run(text: str, size: float = 10, page_number: int = 1, **flags: bool) -> Block:
    return Block(BlockKind.RUN, page_number, (line(text, size=size, **flags),))


def outcome(blocks: list[Block], *bookmarks: Bookmark) -> list[tuple[str, int]]:
    lines = [one for block in blocks for one in block.lines]
    return [(block.lines[0].text, block.level) for block in decide(blocks, looks_of(lines), bookmarks)]


BODY = [run("This is prose of some length, which makes it the usual look of the document.") for _ in range(3)]


def test_larger_and_bolder_lines_are_headings_by_rank() -> None:
    blocks = [run("Title", 18), *BODY, run("Part", 14), run("Sub", 10, bold=True), run("bold and ends.", bold=True)]
    levels = dict(outcome(blocks))
    assert [levels[text] for text in ("Title", "Part", "Sub", "bold and ends.")] == [1, 2, 3, 0]
    assert levels[BODY[0].lines[0].text] == 0


def test_bookmarks_decide_where_there_are_some() -> None:
    blocks = [run("Chapter One", 14), run("details", 10, page_number=2), *BODY, run("Box title", 12)]
    found = dict(outcome(blocks, Bookmark(1, "Chapter  one", 1), Bookmark(3, "Details", 2)))
    assert (found["Chapter One"], found["details"], found["Box title"]) == (1, 3, 0)


def test_section_numbers_give_the_depth() -> None:
    blocks = [run("1 One", 12, bold=True), *BODY, run("1.1 Sub", 12, bold=True), run("1.1.1 Deep", 12, bold=True)]
    found = dict(outcome(blocks))
    assert (found["1 One"], found["1.1 Sub"], found["1.1.1 Deep"]) == (1, 2, 3)


def test_a_caption_is_never_a_heading() -> None:
    assert dict(outcome([*BODY, run("Table 1: Costs", 10, bold=True)]))["Table 1: Costs"] == 0


# --- page breaks


def text(words: str, page_number: int, *, goes_on: bool = False, begins_before: bool = False) -> Block:
    lines = (line(words),)
    return Block(BlockKind.TEXT, page_number, lines, begins_before=begins_before, goes_on=goes_on)


def test_a_sentence_that_a_page_break_parts_is_joined_over_footnotes() -> None:
    note = Block(BlockKind.NOTE, 1, (line("A note."),), mark="1")
    [first, kept] = join_pages([text("It rose and", 1), note, text("then fell.", 2)])
    assert [one.text for one in first.lines] == ["It rose and", "then fell."]
    assert (first.page, kept) == (1, note)


@pytest.mark.parametrize(("before", "after"), [("It rose.", "then fell."), ("It rose", "Then it fell.")])
def test_paragraphs_that_end_or_begin_at_the_break_stay(before: str, after: str) -> None:
    assert len(join_pages([text(before, 1), text(after, 2)])) == 2


def test_tags_say_whether_a_block_goes_on() -> None:
    assert len(join_pages([text("It rose.", 1, goes_on=True), text("It fell.", 2, begins_before=True)])) == 1
    assert len(join_pages([text("It rose", 1, goes_on=True), text("and fell.", 2)])) == 2


def test_a_table_goes_on_with_its_heads_repeated() -> None:
    heads = ((line("A"),), (line("B"),))

    def table(number: int, row: tuple[str, str]) -> Block:
        return Block(BlockKind.TABLE, number, rows=(heads, tuple((line(cell),) for cell in row)), heads=1)

    [piece] = assembled([table(1, ("1", "2")), table(2, ("3", "4"))])
    assert piece == Grid(("A", "B"), (("1", "2"), ("3", "4")), page=1)


def test_a_list_counts_on_and_its_item_goes_on() -> None:
    def items(number: int, *entries: tuple[str, str]) -> Block:
        found = tuple(Entry((line(words),), 0, marker) for marker, words in entries)
        return Block(BlockKind.LIST, number, entries=found)

    blocks = [items(1, ("1.", "one"), ("2.", "two and")), text("its rest", 2), items(2, ("3.", "three"))]
    assert assembled(blocks[:2]) == [Listing((Item("one", 0, "1."), Item("two and its rest", 0, "2.")), page=1)]
    [joined_lists] = assembled([blocks[0], blocks[2]])
    assert isinstance(joined_lists, Listing)
    assert [item.marker for item in joined_lists.items] == ["1.", "2.", "3."]


# --- structure


def tagged(*elements: Element, marks: dict[int, str], spare: str = "") -> Page:
    found = [
        glyph for at, (mark, words) in enumerate(marks.items()) for glyph in glyphs(words, y=700 - 14 * at, mark=mark)
    ]
    return Page(1, 612, 792, found + glyphs(spare, y=20), [], list(elements), has_content=True)


def test_the_tree_gives_kinds_levels_and_order() -> None:
    found = tagged(
        Element("Document", children=[
            Element("H1", children=[1]),
            Element("P", children=[0, Element("Span", children=[2]), Element("Note", children=[3])]),
            Element("L", children=[
                Element("LI", children=[Element("Lbl", children=[4]), Element("LBody", children=[
                    5, Element("L", children=[Element("LI", children=[Element("LBody", children=[6])])]),
                ])]),
            ]),
            Element("TOC", children=[7]),
        ]),
        marks={0: "Prose", 1: "Head", 2: "goes on", 3: "Note.", 4: "1.", 5: "item", 6: "deep", 7: "Contents 3"},
    )  # fmt: skip
    assert covers(found)
    assert assembled(read_structure(found)) == [
        Heading(1, "Head", page=1),
        Prose("Prose goes on", page=1),
        Note("1 ", "", "Note.", page=1),
        Listing((Item("item", 0, "1."), Item("deep", 1)), page=1),
    ]


def test_loose_lines_that_end_early_stand_by_themselves() -> None:
    long = "A line that reaches to the right margin of the page"
    marks = {0: "Issued in May", 1: "Author: Jo", 2: long, 3: "and goes on"}
    blocks = read_structure(tagged(*[Element("Span", children=[mark]) for mark in marks], marks=marks))
    assert [[one.text for one in block.lines] for block in blocks] == [
        ["Issued in May"], ["Author: Jo"], [long, "and goes on"],
    ]  # fmt: skip


def test_table_cells_come_from_the_tree() -> None:
    def row(role: str, *cells: Element) -> Element:
        return Element("TR", children=[replace(cell, role=role) for cell in cells])

    def cell(*marks: int, column_span: int = 1, row_span: int = 1) -> Element:
        return Element("TD", "", column_span, row_span, list(marks))

    table = Element("Table", children=[
        Element("Caption", children=[0]),
        Element("THead", children=[row("TH", cell(1), cell(2, column_span=2))]),
        Element("TBody", children=[row("TD", cell(3, row_span=2), cell(4), cell(5)), row("TD", cell(6), cell())]),
    ])  # fmt: skip
    words = {0: "Table 1: X", 1: "A", 2: "B", 3: "a", 4: "1", 5: "2", 6: "3"}
    assert assembled(read_structure(tagged(table, marks=words)))[1] == Grid(
        ("A", "B", "B"), (("a", "1", "2"), ("a", "3", "")), page=1
    )


def test_code_keeps_its_lines() -> None:
    mono = Font(bold=False, italic=False, mono=True)
    found = tagged(Element("Code", children=[0, 1]), marks={0: "if x:", 1: "y"})
    found.glyphs = [
        glyph._replace(font=mono, x0=glyph.x0 + 20 * glyph.mark, x1=glyph.x1 + 20 * glyph.mark)
        for glyph in found.glyphs
    ]
    assert assembled(read_structure(found)) == [Program("if x:\n    y", page=1)]


def test_a_page_whose_tags_hold_little_is_not_trusted() -> None:
    assert not covers(tagged(Element("P", children=[0]), marks={0: "ab"}, spare="much more text than that"))
    assert not covers(tagged(marks={0: "text"}))
