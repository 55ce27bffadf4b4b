"""Notes: they stand behind what refers to them, and both name the other."""

from __future__ import annotations

from lace_ingest.domain.documents import ExtractedDocument, UnitKind
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.reading.anchors import anchor
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Prose, Reading
from lace_ingest.domain.reading.segmentation import assemble


def document(*pieces: Piece) -> ExtractedDocument:
    return assemble(Reading(pieces), sha256="0" * 64, filename="a.md", extraction="md/x")


def test_a_note_stands_behind_the_first_that_refers_to_it() -> None:
    found = document(
        Heading(1, "One"), Prose(f"First{anchor('a')}."), Heading(1, "Two"), Prose(f"Second{anchor('a')}."),
        Heading(1, "Notes"), Note("a", "1", "Told once."),
    )  # fmt: skip
    first, note, second = found.units
    assert [unit.text for unit in found.units] == ["First.", "Told once.", "Second."]
    assert (note.kind, note.note_mark, note.heading_path) == (UnitKind.FOOTNOTE, "1", ("One",))
    assert note.referred_from == (first.unit_id, second.unit_id)
    assert first.notes == second.notes == (note.unit_id,)
    assert found.warnings == ()


def test_the_part_of_a_paragraph_that_refers_is_named() -> None:
    long = "A sentence of some length stands here. " * 20
    found = document(Prose(f"{long}{long}Here{anchor('a')} it is. {long}{long}"), Note("a", "*", "The note."))
    [note] = [unit for unit in found.units if unit.kind is UnitKind.FOOTNOTE]
    [source] = [unit for unit in found.units if unit.unit_id in note.referred_from]
    assert "Here it is." in source.text
    assert len(found.units) > 3


def test_items_cells_and_captions_refer_to_notes_too() -> None:
    found = document(
        Listing((Item(f"one{anchor('a')}"), Item("two"))),
        Grid(("Head", f"Other{anchor('b')}"), (("x", f"1{anchor('c')}"),), f"Table 1: Costs{anchor('d')}"),
        *(Note(key, key, f"Note {key}.") for key in "abcd"),
    )
    units = {unit.text: unit for unit in found.units}
    listing, table = units["- one\n- two"], units["Head | Other\nx | 1"]
    assert [units[f"Note {key}."].referred_from for key in "abcd"] == [
        (listing.unit_id,), (table.unit_id,), (table.unit_id,), (table.unit_id,),
    ]  # fmt: skip
    assert table.table is not None
    assert table.table.caption == "Table 1: Costs"


def test_a_note_to_which_none_refers_stays_and_is_told() -> None:
    found = document(Prose("Text."), Note("x", "9", "Alone."), Prose("More."))
    assert [unit.text for unit in found.units] == ["Text.", "Alone.", "More."]
    assert found.warnings == (
        ExtractionWarning(WarningCode.NOTES_NOT_REFERRED_TO, "Notes to which no text refers: 9.", count=1),
    )


def test_notes_that_refer_to_each_other_are_all_kept() -> None:
    found = document(Prose("Text."), Note("a", "1", f"See{anchor('b')}."), Note("b", "2", f"See{anchor('a')}."))
    assert sorted(unit.note_mark for unit in found.units) == ["", "1", "2"]


def test_two_notes_of_one_mark_are_both_kept() -> None:
    found = document(Prose(f"Text{anchor('a')}."), Note("a", "1", "One."), Note("a", "1", "Other."))
    assert [unit.text for unit in found.units] == ["Text.", "One.", "Other."]
    assert len(found.units[0].notes) == 2
