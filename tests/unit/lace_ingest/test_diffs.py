"""Differences of texts and units: what holds for all of them, and how some of them are told."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from lace_ingest.domain.diffs.changes import MIRRORED, Change, after_of, before_of
from lace_ingest.domain.diffs.documents import apply, around_changes, counts_of, diff_documents, paragraphs_of
from lace_ingest.domain.diffs.sequences import align, common, increasing
from lace_ingest.domain.diffs.tables import diff_tables
from lace_ingest.domain.diffs.tokens import Vocabulary, similarity, tokens_of, words_between
from lace_ingest.domain.diffs.units import diff_units
from lace_ingest.domain.documents import Unit, UnitKind, UnitTable
from tests.doubles.versions import numbered, tabled, unit, versions

Versions = tuple[list[Unit], list[Unit]]
elements = st.lists(st.sampled_from("abcdef"), max_size=30)


@given(elements, elements)
def test_an_alignment_covers_both_sides_and_its_equal_stretches_are_equal(before: list[str], after: list[str]) -> None:
    old = new = 0
    for stretch in align(before, after):
        assert (stretch.before[0], stretch.after[0]) == (old, new)
        assert stretch.before != stretch.after or stretch.before[0] < stretch.before[1]
        if stretch.equal:
            assert before[slice(*stretch.before)] == after[slice(*stretch.after)]
        (_, old), (_, new) = stretch.before, stretch.after
    assert (old, new) == (len(before), len(after))


@given(elements, elements)
def test_what_is_in_common_is_as_long_as_it_can_be(before: list[str], after: list[str]) -> None:
    rows = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i, left in enumerate(before):
        for j, right in enumerate(after):
            rows[i + 1][j + 1] = rows[i][j] + 1 if left == right else max(rows[i][j + 1], rows[i + 1][j])
    assert len(common(before, after)) == rows[-1][-1]


def test_sequences_that_have_too_much_in_common_to_compare_each_with_each_are_still_aligned() -> None:
    before = [str(place % 7) for place in range(12_000)]
    after = [str(place % 5) for place in range(12_000)]
    pairs = common(before, after)
    assert all(before[old] == after[new] for old, new in pairs)
    assert pairs == sorted(set(pairs))
    assert len(pairs) > 4000


def test_what_stands_once_on_each_side_is_found_however_long_the_sequences_are() -> None:
    before = ["x", "y"] * 4000 + ["anchor"] + ["x"] * 4000
    after = ["y"] * 5000 + ["anchor"] + ["y", "x"] * 3000
    assert (8000, 5000) in common(before, after)


@given(st.lists(st.integers(0, 40), unique=True))
def test_the_longest_increasing_subsequence_increases_and_none_is_longer(places: list[int]) -> None:
    found = [places[index] for index in increasing(places)]
    assert found == sorted(found)
    best: list[int] = []
    for index, place in enumerate(places):
        best.append(1 + max((best[i] for i in range(index) if places[i] < place), default=0))
    assert len(found) == max(best, default=0)


@given(st.text(max_size=60))
def test_tokens_make_the_text(text: str) -> None:
    assert "".join(tokens_of(text)) == text


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_lead_from_one_text_to_the_other_and_back(before: str, after: str) -> None:
    words = words_between(before, after)
    assert (before_of(words), after_of(words)) == (before, after)
    back = words_between(after, before)
    assert Counter((MIRRORED.get(word.change, word.change), word.text) for word in words) == Counter(
        (word.change, word.text) for word in back
    )
    changes = [word.change for word in words]
    assert all(pair != (Change.ADDED, Change.REMOVED) for pair in itertools.pairwise(changes))


def test_words_between_are_told_as_people_read_them() -> None:
    words = words_between("The wall was raised by two metres.", "The wall was raised by three metres.")
    assert [(word.change.value, word.text) for word in words] == [
        ("unchanged", "The wall was raised by "), ("removed", "two"), ("added", "three"), ("unchanged", " metres."),
    ]  # fmt: skip


def test_a_little_that_stays_in_a_sentence_that_is_another_is_not_told_apart() -> None:
    words = words_between("Engineers raised a wall.", "Nobody mentioned a budget.")
    assert [word.change for word in words] == [Change.REMOVED, Change.ADDED, Change.UNCHANGED]


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_the_same_both_ways_and_whole_for_the_same(before: str, after: str) -> None:
    words = Vocabulary()
    old, new = words.encode(before), words.encode(after)
    assert similarity(old, new) == similarity(new, old)
    assert similarity(old, old) == 1000
    assert similarity(old, new, 500) in (0, similarity(old, new))


@settings(max_examples=50)
@given(versions())
def test_a_document_diff_makes_the_new_text_out_of_the_old(both: Versions) -> None:
    before, after = map(paragraphs_of, both)
    passages = diff_documents(before, after)
    assert apply(before, passages) == [(paragraph.kind, paragraph.text) for paragraph in after]
    assert sorted(p.before_place for p in passages if p.before) == list(range(len(before)))
    assert [p.after_place for p in passages if p.after] == list(range(len(after)))
    for passage in passages:
        if passage.change is Change.CHANGED:
            assert passage.before is not None
            assert passage.before.text == before_of(passage.words)


@settings(max_examples=50)
@given(versions())
def test_the_way_back_of_a_document_has_the_same_counts(both: Versions) -> None:
    before, after = map(paragraphs_of, both)
    there, back = counts_of(diff_documents(before, after)), counts_of(diff_documents(after, before))
    assert there == Counter({MIRRORED.get(change, change): count for change, count in back.items()})


@settings(max_examples=50)
@given(versions())
def test_a_document_and_itself_do_not_differ(both: Versions) -> None:
    paragraphs = paragraphs_of(both[0])
    assert set(counts_of(diff_documents(paragraphs, paragraphs))) <= {Change.UNCHANGED}
    assert {change.change for change in diff_units(both[0], numbered(both[0], "c"))} <= {Change.UNCHANGED}


@settings(max_examples=50)
@given(versions(), st.integers(0, 3))
def test_what_is_skipped_is_counted(both: Versions, context: int) -> None:
    passages = diff_documents(*map(paragraphs_of, both))
    shown = around_changes(passages, context)
    assert counts_of(shown) == counts_of(passages)
    assert [p for p in shown if p.change is not Change.UNCHANGED] == [
        p for p in passages if p.change is not Change.UNCHANGED
    ]


@settings(max_examples=50)
@given(versions())
def test_every_unit_of_both_sides_is_told_of_once(both: Versions) -> None:
    before, after = both
    found = diff_units(before, after)
    assert sorted(change.before_id for change in found if change.before_id) == sorted(one.unit_id for one in before)
    assert [change.after_id for change in found if change.after_id] == [one.unit_id for one in after]
    assert found == diff_units(before, after)


@settings(max_examples=50)
@given(versions())
def test_the_way_back_of_units_is_the_same_with_the_names_exchanged(both: Versions) -> None:
    there, back = diff_units(*both), diff_units(*reversed(both))
    seen = {(c.before_id, c.after_id): (MIRRORED.get(c.change, c.change), c.similarity, c.moved) for c in there}
    assert seen == {(c.after_id, c.before_id): (c.change, c.similarity, c.moved) for c in back}


def test_units_are_added_removed_moved_changed_and_left_alone() -> None:
    before = [
        unit("The wall was raised by two metres in spring", 0, "Works"),
        unit("The pier sank", 1, "Works"),
        unit("Nobody was hurt when the storm came", 2, "Risks"),
        unit("It cost 1,200", 3, "Cost"),
        unit("Money was found by the town", 4, "Cost"),
    ]
    after = [
        unit("It cost 1,200", 0, "Cost", side="b"),
        unit("The wall was raised by three metres in spring", 1, "Works", side="b"),
        unit("Nobody was hurt when the storm came", 2, "Dangers", side="b"),
        unit("Money was found by the town", 3, "Cost", side="b"),
        unit("Seagulls like all of this", 4, "Birds", side="b"),
    ]
    told = {(c.before_id, c.after_id): c for c in diff_units(before, after)}
    found = [told[pair] for pair in told]
    assert [(c.change.value, c.fields) for c in found] == [
        ("moved", ()), ("changed", ("text",)), ("removed", ()), ("changed", ("heading_path",)), ("unchanged", ()),
        ("added", ()),
    ]  # fmt: skip
    assert found[1].similarity == 888
    assert not found[1].moved


def test_a_unit_that_moved_and_was_rewritten_is_found_by_its_rare_words() -> None:
    rest = [unit(f"{word} {word} {word} said the mayor of the town", place, "A") for place, word in enumerate("pqrst")]
    odd = "the breakwater at Harrow consists of basalt blocks laid by the firm of Ottley in nineteen eleven"
    before = numbered([unit(odd, 0, "History"), *rest], "a")
    after = numbered([*rest, unit(f"{odd} exactly", 0, "Annex")], "b")
    last = diff_units(before, after)[-1]
    assert (last.before_id, last.change, last.moved) == (before[0].unit_id, Change.CHANGED, True)


def test_cells_are_told_by_their_columns_and_rows() -> None:
    before = UnitTable(("year", "cost", "who"), (("2019", "10", "town"), ("2020", "12", "town"), ("2021", "9", "")))
    after = UnitTable(("year", "price", "state"), (("2019", "10", "x"), ("2020", "13", "x"), ("2022", "7", "x")))
    cells = diff_tables(before, after)
    assert [(c.change.value, c.before_row, c.after_row, c.column, c.before, c.after) for c in cells][:4] == [
        ("changed", 0, 0, "state", "town", "x"),
        ("changed", 1, 1, "price", "12", "13"),
        ("changed", 1, 1, "state", "town", "x"),
        ("added", -1, 2, "year", "", "2022"),
    ]
    back = diff_tables(after, before)
    assert Counter((MIRRORED.get(c.change, c.change), c.after, c.before) for c in back) == Counter(
        (c.change, c.before, c.after) for c in cells
    )


def test_a_column_that_is_gone_is_told_cell_by_cell() -> None:
    before = UnitTable(("a", "b"), (("1", "2"), ("3", "4")))
    cells = diff_tables(before, UnitTable(("a",), (("1",), ("3",))))
    assert [(c.change.value, c.column, c.before, c.after_row) for c in cells] == [
        ("removed", "b", "2", 0), ("removed", "b", "4", 1),
    ]  # fmt: skip


def test_a_table_unit_tells_its_cells() -> None:
    before = tabled(("year", "cost"), (("2019", "10"), ("2020", "12")), 0, "Cost")
    after = tabled(("year", "cost"), (("2019", "10"), ("2020", "14")), 0, "Cost", side="b")
    [change] = diff_units([before], [after])
    assert (change.change, change.fields) == (Change.CHANGED, ("text", "table"))
    assert [(cell.before, cell.after) for cell in change.cells] == [("12", "14")]


def test_a_paragraph_that_was_cut_is_whole_again_and_lists_are_read_by_their_items() -> None:
    cut = [unit("One.", 0, "A", "B", line=4), unit("Two.", 1, "A", "B", line=4), unit("Three.", 2, "A", "C", line=9)]
    items = unit("- one\n- two", 3, "A", "C", kind=UnitKind.LIST, line=11)
    assert [one.text for one in paragraphs_of(cut[:1], "Title")] == ["Title", "A", "B", "One."]
    found = [(paragraph.kind, paragraph.text) for paragraph in paragraphs_of([*cut, items])]
    assert found == [
        ("heading", "A"), ("heading", "B"), ("paragraph", "One. Two."), ("heading", "C"), ("paragraph", "Three."),
        ("list", "- one"), ("list", "- two"),
    ]  # fmt: skip
