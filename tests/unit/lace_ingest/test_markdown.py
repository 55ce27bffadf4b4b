"""Markdown: its structure as pieces, with source lines."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.markdown import extract
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.extraction_warnings import WarningCode
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import take_anchors
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose, Reading


def read(text: str) -> Reading:
    return extract(text.encode(), ExtractionLimits())


def only(text: str) -> Piece:
    [piece] = read(text).pieces
    return piece


def test_headings_and_paragraphs_keep_their_lines() -> None:
    assert read("# A *b*\n\ntext `x`\nmore [link](http://e.org) <b>bold</b>\n\nSub\n---\n").pieces == (
        Heading(1, "A b", line=1),
        Prose("text x more link bold", line=3),
        Heading(2, "Sub", line=6),
    )


def test_a_list_is_flattened_with_levels_and_numbers() -> None:
    piece = only("- a\n  - b\n\n    more b\n- c\n  1. one\n  2. two\n")
    assert piece == Listing(
        (Item("a"), Item("b more b", 1), Item("c"), Item("one", 1, "1."), Item("two", 1, "2.")), line=1
    )


def test_a_list_may_begin_at_any_number() -> None:
    assert only("3. x\n4. y\n") == Listing((Item("x", 0, "3."), Item("y", 0, "4.")), line=1)


def test_code_inside_an_item_keeps_its_place() -> None:
    pieces = read("- a\n\n  ```sh\n  ls\n  ```\n\n- b\n").pieces
    assert pieces == (Listing((Item("a"),), line=1), Program("ls\n", "sh", line=3), Listing((Item("b"),), line=1))


def test_tables_keep_their_cells() -> None:
    piece = only("| A | B `x` |\n|---|--:|\n| 1 | a\\|b |\n| 2 | |\n")
    assert piece == Grid(("A", "B x"), (("1", "a|b"), ("2", "")), line=1)


def test_a_caption_in_pandocs_way_belongs_to_its_table() -> None:
    [piece] = read("| A | B |\n|---|---|\n| 1 | 2 |\n\n: The costs\n").pieces
    assert isinstance(piece, Grid)
    assert piece.caption == "The costs"


def test_fences_and_indented_code_are_programs() -> None:
    assert read("```python x=1\nprint( 1 )\n```\n\n    indented\n").pieces == (
        Program("print( 1 )\n", "python", line=1),
        Program("indented\n", line=5),
    )


def test_quotes_are_quotes() -> None:
    assert read("> one\n> two\n>\n> three\n").pieces == (
        Prose("one two", UnitKind.QUOTE, line=1),
        Prose("three", UnitKind.QUOTE, line=4),
    )


def test_front_matter_names_the_title_and_is_no_text() -> None:
    reading = read('---\ntitle: "My report"\nauthor: Me\n---\n\nText.\n')
    assert reading.title == "My report"
    assert dict(reading.metadata)["author"] == "Me"
    assert reading.pieces == (Prose("Text.", line=6),)


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert read("---\n\nText.\n").pieces == (Prose("Text.", line=3),)


def test_a_footnote_is_a_note_and_its_mark_an_anchor() -> None:
    paragraph, note = read("Fact.[^a] More.\n\n[^a]: The source,\n    in two paragraphs:\n\n    this one.\n").pieces
    assert isinstance(paragraph, Prose)
    assert isinstance(note, Note)
    assert take_anchors(paragraph.text) == ("Fact. More.", ((5, note.key),))
    assert (note.mark, note.text, note.line) == ("a", "The source, in two paragraphs: this one.", 3)


def test_notes_without_a_text_or_a_reader_are_told() -> None:
    reading = read("Fact.[^zzz]\n\n[^unused]: Nobody asks\n    for it.\n")
    assert [piece.text for piece in reading.pieces if isinstance(piece, Prose)] == ["Fact."]
    assert [(note.mark, " ".join(note.text.split())) for note in reading.pieces if isinstance(note, Note)] == [
        ("unused", "Nobody asks for it.")
    ]
    assert [(warning.code, warning.count) for warning in reading.warnings] == [(WarningCode.NOTES_MISSING, 1)]


def test_lists_and_heads_of_html_keep_their_places() -> None:
    [listing] = read("<ol start=3><li>One<ul><li>Deep</ul><li>Two<p>more</p></li></ol>\n").pieces
    items = (Item("One", 0, "3."), Item("Deep", 1), Item("Two more", 0, "4."))
    assert listing == Listing(items, line=1)
    rows = "<tr><td></td><th>X</th></tr><tr><th>a</th><td>1</td></tr><tr><th>b</th><td>2</td></tr>"
    [table] = read(f"<table>{rows}</table>\n").pieces
    assert table == Grid(("", "X"), (("a", "1"), ("b", "2")), line=1, head_columns=(0,))


def test_html_is_read_for_its_text_and_tables() -> None:
    pieces = read(
        "<div>\n<p>Hello <b>you</b></p>\n<ul><li>a</li><li>b</li></ul>\n<script>evil()</script>\n</div>\n\n"
        "<table><caption>C</caption><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>\n"
    ).pieces
    assert pieces[0] == Prose("Hello you", line=1)
    assert pieces[1] == Listing((Item("a"), Item("b")), line=1)
    assert pieces[2] == Grid(("A", "B"), (("1", "2"),), "C", line=7)
    assert not any("evil" in str(piece) for piece in pieces)


def test_alternative_text_of_pictures_is_text() -> None:
    assert only("See ![a chart](x.png) here") == Prose("See a chart here", line=1)


@pytest.mark.parametrize("mark", ["> ", "- "])
def test_nesting_beyond_the_limit_is_refused(mark: str) -> None:
    with pytest.raises(LaceError) as refused:
        read(mark * 200 + "deep")
    assert refused.value.reason is Reason.SOURCE_LIMIT_EXCEEDED


@pytest.mark.parametrize(("mark", "levels"), [("> ", 100), ("- ", 50)])
def test_nesting_within_the_limit_loses_nothing(mark: str, levels: int) -> None:
    assert "deep" in str(read(mark * levels + "deep").pieces)
