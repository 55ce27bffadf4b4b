"""Units: exact spans, stable ids, heading paths, and cutting at the right places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_core.canonical import sha256_hex
from lace_ingest.domain.documents import Box, ExtractedDocument, UnitKind, extraction_name
from lace_ingest.domain.reading.anchors import anchor
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose, Reading
from lace_ingest.domain.reading.segmentation import assemble
from lace_ingest.domain.reading.whole_text import whole_text

SHA = "0" * 64


def document(*pieces: Piece, title: str = "", filename: str = "a.md", **more: int) -> ExtractedDocument:
    extraction = extraction_name("md", more.get("unit_characters", 1200))
    return assemble(Reading(pieces, title), sha256=SHA, filename=filename, extraction=extraction, **more)


def spoken(found: ExtractedDocument, at: int = 0) -> list[str]:
    unit = found.units[at]
    return [unit.text[span.start : span.end] for span in unit.spans]


def test_every_unit_knows_the_headings_above_it() -> None:
    found = document(
        Heading(1, "One"), Prose("First."), Heading(2, "Deep"), Prose("Second."), Heading(4, "Deeper"), Prose("Third."),
        Heading(2, "Next"), Prose("Fourth."), Heading(1, "Two"), Prose("Fifth."),
    )  # fmt: skip
    assert [unit.heading_path for unit in found.units] == [
        ("One",), ("One", "Deep"), ("One", "Deep", "Deeper"), ("One", "Next"), ("Two",),
    ]  # fmt: skip


def test_a_paragraph_is_one_unit_with_its_sentences() -> None:
    found = document(Prose("It  rose.\nIt fell. "))
    assert [unit.text for unit in found.units] == ["It rose. It fell."]
    assert spoken(found) == ["It rose.", "It fell."]


def test_a_long_paragraph_is_split_between_sentences_into_even_parts() -> None:
    sentence = "This sentence has exactly fifty characters in it. "
    found = document(Prose(sentence * 60))
    lengths = [len(unit.text) for unit in found.units]
    assert max(lengths) <= 1200
    assert max(lengths) - min(lengths) <= 200
    assert sum(len(unit.spans) for unit in found.units) == 60


def test_text_without_sentences_is_cut_at_spaces_within_bounds() -> None:
    found = document(Prose("word " * 20_000))
    assert max(len(span) for unit in range(len(found.units)) for span in spoken(found, unit)) <= 4000
    assert sum(unit.text.count("word") for unit in found.units) == 20_000


def test_a_list_is_one_unit_whose_spans_are_its_items() -> None:
    found = document(Listing((Item("one"), Item("two. Still two.", 1), Item("three", 0, "2."))))
    assert found.units[0].text == "- one\n  - two. Still two.\n2. three"
    assert spoken(found) == ["one", "two. Still two.", "three"]


def test_an_item_as_long_as_a_text_becomes_one() -> None:
    found = document(Listing((Item("short"), Item("Long text. " * 600), Item("end"))))
    assert {unit.kind for unit in found.units} == {UnitKind.LIST, UnitKind.PARAGRAPH}
    assert found.units[0].text == "- short"
    assert found.units[-1].text == "- end"


def test_a_table_is_its_header_and_one_line_for_each_row() -> None:
    found = document(Grid(("Year", "Cost"), (("2020", "1.5"), ("2021", "")), "Table 1. Costs"))
    unit = found.units[0]
    assert unit.text == "Year | Cost\n2020 | 1.5\n2021 | "
    assert spoken(found) == ["2020 | 1.5", "2021 | "]
    assert unit.table is not None
    assert (unit.table.header, unit.table.rows, unit.table.caption) == (
        ("Year", "Cost"), (("2020", "1.5"), ("2021", "")), "Table 1. Costs",
    )  # fmt: skip


def test_ragged_rows_are_filled_and_empty_ones_left_out() -> None:
    found = document(Grid(("A", "B", ""), (("1",), ("", "", ""), ("2", "3", ""))))
    assert found.units[0].table is not None
    assert found.units[0].table.rows == (("1", ""), ("2", "3"))


def test_a_table_without_heads_begins_with_its_first_row() -> None:
    found = document(Grid((), (("a", "b"), ("c", "d"))))
    assert found.units[0].text == "a | b\nc | d"
    assert found.units[0].table is not None
    assert found.units[0].table.header == ("", "")


def test_a_long_table_is_cut_between_rows_and_repeats_its_header() -> None:
    rows = tuple((f"row {number}", "x" * 90) for number in range(200))
    found = document(Grid(("Name", "Value"), rows))
    assert len(found.units) > 1
    assert all(unit.text.startswith("Name | Value\n") for unit in found.units)
    assert sum(len(unit.spans) for unit in found.units) == 200


def test_a_row_that_holds_whole_texts_is_read_as_them() -> None:
    found = document(Grid(("A", "B"), (("Text. " * 5000, "short"), ("1", "2"))))
    assert {unit.kind for unit in found.units} == {UnitKind.PARAGRAPH, UnitKind.TABLE}
    assert sum(unit.text.count("Text.") for unit in found.units) == 5000


def test_an_empty_table_is_no_unit() -> None:
    assert document(Grid(("", ""), (("", ""),)), Prose("x")).units[0].text == "x"


def test_code_is_kept_to_the_character_and_cut_at_blank_lines() -> None:
    block = "def f():\n    return  1\n"
    found = document(Program("\n" + block, "py", line=3), Program("\n\n".join([block * 20] * 30)))
    assert found.units[0].text == block.rstrip("\n")
    assert found.units[0].language == "py"
    assert all(len(unit.text) <= 6000 for unit in found.units)
    assert len(found.units) > 2


def test_ornaments_are_no_units() -> None:
    assert document(Prose("* * *"), Prose(":"), Prose("Text.")).units[0].text == "Text."


def test_a_caption_beside_a_table_becomes_its_own() -> None:
    table = Grid(("A",), (("1",), ("2",)))
    before = document(Prose("Table 3: Things"), table)
    after = document(table, Prose("Table 4. Other things"))
    assert [unit.table.caption for unit in (*before.units, *after.units) if unit.table] == [
        "Table 3: Things", "Table 4. Other things",
    ]  # fmt: skip
    assert len(before.units) == len(after.units) == 1


def test_a_figure_caption_stands_by_itself() -> None:
    assert document(Prose("Figure 2. The bridge")).units[0].kind is UnitKind.CAPTION


def test_a_sentence_about_a_table_is_no_caption() -> None:
    found = document(Prose("Table 3 shows the costs of the bridge in each year."), Grid(("A",), (("1",), ("2",))))
    assert found.units[0].kind is UnitKind.PARAGRAPH
    assert len(found.units) == 2


def test_the_same_bytes_give_the_same_ids_and_another_name_gives_others() -> None:
    pieces = (Heading(1, "T"), Prose("One."), Prose("One."))
    first, again, other = document(*pieces), document(*pieces), document(*pieces, filename="b.md")
    assert first == again
    ids = [unit.unit_id for unit in first.units]
    assert len(set(ids)) == 2
    assert not set(ids) & {unit.unit_id for unit in other.units}


def test_another_length_of_paragraphs_is_another_extraction() -> None:
    found = document(Prose("Some words here. " * 40), unit_characters=200)
    assert found.extraction == "md/lace-2+200" != document(Prose("a")).extraction
    assert max(len(unit.text) for unit in found.units) <= 200


def test_the_one_top_heading_is_the_title_and_no_section() -> None:
    found = document(Heading(1, "The report"), Prose("Intro."), Heading(2, "Part"), Prose("Text."))
    assert found.title == "The report"
    assert [unit.heading_path for unit in found.units] == [(), ("Part",)]


def test_one_top_heading_among_several_is_a_section() -> None:
    found = document(Heading(1, "One"), Prose("a"), Heading(1, "Two"), Prose("b"))
    assert found.title == ""
    assert found.units[0].heading_path == ("One",)


def test_a_declared_title_is_not_repeated_as_a_heading() -> None:
    found = document(Heading(1, "the  Report"), Prose("a"), Heading(1, "Two"), Prose("b"), title="The report")
    assert (found.title, found.units[0].heading_path) == ("The report", ())


def test_a_first_line_that_is_the_title_is_no_unit() -> None:
    found = document(Prose("Programme"), Prose("The  REPORT"), Prose("Text."), title="The report")
    assert [unit.text for unit in found.units] == ["Programme", "Text."]


def test_a_title_is_found_in_a_header_of_fields() -> None:
    assert document(Prose("PEP: 1 Title: Purpose and Guidelines Author: Barry Status: Active")).title == (
        "Purpose and Guidelines"
    )


def test_shouted_headings_are_written_as_a_person_would() -> None:
    found = document(
        Heading(1, "5. THE SALLOW ESTUARY"), Prose("Drilling under the Sallow estuary by the Board is hard."),
        Heading(1, "6. REPORT OF THE BOARD"), Prose("x"), title="MINUTES OF THE BOARD",
    )  # fmt: skip
    assert [unit.heading_path for unit in found.units] == [("5. The Sallow estuary",), ("6. Report of the Board",)]
    assert found.title == "Minutes of the Board"


PLAIN = st.text(alphabet=st.sampled_from("ab C.|\n\t-1é。"), max_size=60)
ANCHORS = st.sampled_from(["n1", "n2", "none", "@0", "@1", "@9"]).map(anchor)
TEXT = st.lists(st.one_of(PLAIN, ANCHORS), max_size=4).map("".join)
BOXES = (Box(1, 72, 100, 300, 110), Box(1, 72, 112, 300, 122))
PIECES = st.one_of(
    st.builds(Heading, st.integers(1, 6), TEXT),
    st.builds(Prose, TEXT),
    st.builds(Listing, st.lists(st.builds(Item, TEXT, st.integers(0, 3)), max_size=4).map(tuple)),
    st.builds(
        Grid,
        st.lists(TEXT, max_size=3).map(tuple),
        st.lists(st.lists(TEXT, max_size=4).map(tuple), max_size=4).map(tuple),
    ),
    st.builds(Program, PLAIN),
    st.builds(Note, st.sampled_from(["n1", "n2"]), st.sampled_from("1*"), TEXT),
)


@given(st.lists(PIECES, max_size=12))
def test_whatever_was_found_units_are_exact(pieces: list[Piece]) -> None:
    reading = Reading(tuple(pieces), boxes=BOXES)
    found = assemble(reading, sha256=SHA, filename="a.pdf", extraction="pdf/x")
    text = whole_text(found.units)
    ids = {unit.unit_id: unit for unit in found.units}
    assert [unit.order for unit in found.units] == list(range(len(found.units)))
    assert len({unit.unit_id for unit in found.units}) == len(found.units)
    for unit in found.units:
        assert unit.text == text[unit.start : unit.end]
        assert not set(unit.text) & {"\ufdd0", "\ufdd1"}
        assert all(unit.unit_id in ids[note].referred_from and ids[note].note_mark for note in unit.notes)
        assert all(unit.unit_id in ids[source].notes for source in unit.referred_from)
        assert set(unit.boxes) <= {*BOXES, Box(1, 72, 100, 300, 122)}
        assert unit.text
        assert unit.text_hash == sha256_hex(unit.text.encode())
        ends = [0, *(edge for span in unit.spans for edge in (span.start, span.end))]
        assert ends == sorted(ends)
        assert ends[-1] <= len(unit.text)
        if unit.table:
            lines = [" | ".join(row) for row in unit.table.rows]
            assert [unit.text[span.start : span.end] for span in unit.spans] == lines
            assert all(len(row) == len(unit.table.header) for row in unit.table.rows)
