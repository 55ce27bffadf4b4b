"""How quotes stand in a newer version."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lace_ingest.domain.diffs.changes import Change
from lace_ingest.domain.diffs.impact import Newer, Place, Quoted, Standing
from lace_ingest.domain.diffs.units import diff_units
from lace_ingest.domain.documents import Span, Unit
from tests.doubles.versions import tabled, unit, versions

WALL = "The wall was raised by two metres in spring. It cost 1,200 pounds. Nobody was hurt"


def _place(before: list[Unit], after: list[Unit], quoted: Quoted) -> Place:
    return Newer(diff_units(before, after), before, after).place(quoted)


@settings(max_examples=60)
@given(versions(), st.data())
def test_what_is_said_of_a_quote_is_so(both: tuple[list[Unit], list[Unit]], data: st.DataObject) -> None:
    before, after = both
    if not before:
        return
    source = data.draw(st.sampled_from(before))
    quoted = Quoted(source.unit_id, 0, source.text)
    place = _place(before, after, quoted)
    texts = {one.unit_id: one.text for one in after}
    if place.standing is Standing.GONE:
        assert (place.unit_id, place.text, place.similarity) == ("", "", 0)
    else:
        assert texts[place.unit_id][place.span.start : place.span.end] == place.text
    if place.standing in (Standing.STANDS, Standing.MOVED):
        assert (place.text, place.similarity) == (quoted.quote, 1000)
    else:
        assert not any(text == quoted.quote for text in texts.values())
    assert place == _place(before, after, quoted)


@settings(max_examples=40)
@given(versions())
def test_every_quote_stands_in_the_same_version(both: tuple[list[Unit], list[Unit]]) -> None:
    units = both[0]
    newer = Newer(diff_units(units, units), units, units)
    for one in units:
        place = newer.place(Quoted(one.unit_id, 0, one.text))
        assert (place.standing, place.unit_id, place.unit_change) == (
            Standing.STANDS, one.unit_id, Change.UNCHANGED,
        )  # fmt: skip


def test_a_quote_stands_in_a_unit_that_changed_around_it() -> None:
    before = [unit(WALL, 0, "Works")]
    after = [unit(f"As planned. {WALL.replace('Nobody', 'No one')}", 0, "Works", side="b")]
    place = _place(before, after, Quoted(before[0].unit_id, 45, "It cost 1,200 pounds."))
    assert (place.standing, place.unit_change) == (Standing.STANDS, Change.CHANGED)
    assert place.span == Span(57, 78)


def test_a_quote_that_went_into_another_unit_is_moved() -> None:
    before = [unit(WALL, 0, "Works"), unit("The town paid", 1, "Cost")]
    rest = WALL.replace(" It cost 1,200 pounds.", "")
    after = [unit(rest, 0, "Works", side="b"), unit("It cost 1,200 pounds. The town paid", 1, "Cost", side="b")]
    place = _place(before, after, Quoted(before[0].unit_id, 45, "It cost 1,200 pounds."))
    assert (place.standing, place.unit_id, place.span) == (Standing.MOVED, after[1].unit_id, Span(0, 21))


def test_a_part_of_a_longer_number_is_no_place_of_a_quote() -> None:
    before = [unit("It cost 200", 0, "Cost")]
    after = [unit("It cost 2000", 0, "Cost", side="b")]
    place = _place(before, after, Quoted(before[0].unit_id, 0, "It cost 200"))
    assert (place.standing, place.text, place.similarity) == (Standing.CHANGED, "It cost 2000", 666)


def test_a_changed_quote_is_shown_as_the_sentence_that_it_became() -> None:
    before = [unit(WALL, 0, "Works")]
    after = [unit(WALL.replace("1,200", "1,350"), 0, "Works", side="b")]
    place = _place(before, after, Quoted(before[0].unit_id, 45, "It cost 1,200 pounds"))
    assert (place.standing, place.text) == (Standing.CHANGED, "It cost 1,350 pounds")
    assert after[0].text[place.span.start : place.span.end] == place.text


def test_a_quote_of_two_sentences_is_compared_with_two() -> None:
    before = [unit("One wall fell down. Two piers sank at night. Nobody was hurt", 0, "Works")]
    after = [unit("Rain. One wall fell over. Two piers sank at night. Nobody was hurt", 0, "Works", side="b")]
    quote = "One wall fell down. Two piers sank at night"
    place = _place(before, after, Quoted(before[0].unit_id, 0, quote))
    assert place.text == "One wall fell over. Two piers sank at night"


def test_a_row_of_a_table_that_changed_is_found() -> None:
    before = [tabled(("year", "cost", "payer"), (("2019", "10", "town"), ("2020", "12", "county")), 0, "Cost")]
    rows = (("2018", "7", "town"), ("2019", "10", "town"), ("2020", "14", "county"))
    after = [tabled(("year", "cost", "payer"), rows, 0, "Cost", side="b")]
    quoted = Quoted(before[0].unit_id, before[0].text.index("2020"), "2020 | 12 | county")
    place = _place(before, after, quoted)
    assert (place.standing, place.text) == (Standing.CHANGED, "2020 | 14 | county")


def test_a_quote_of_what_was_taken_out_is_gone() -> None:
    before = [unit(WALL, 0, "Works"), unit("Seagulls like it here", 1, "Birds")]
    after = [unit(WALL, 0, "Works", side="b")]
    place = _place(before, after, Quoted(before[1].unit_id, 0, "Seagulls like it here"))
    assert place == Place(Standing.GONE, Change.REMOVED)


def test_a_quote_of_an_earlier_extraction_is_looked_for_everywhere() -> None:
    before = [unit("Something else entirely", 0, "A")]
    after = [unit("Nothing here", 0, "A", side="b"), unit(WALL, 1, "Works", side="b")]
    place = _place(before, after, Quoted("unt_of_old", 0, "It cost 1,200 pounds."))
    assert (place.standing, place.unit_change, place.unit_id) == (Standing.MOVED, None, after[1].unit_id)
    changed = _place(before, after, Quoted("unt_of_old", 0, "The wall was raised by three metres in spring"))
    assert (changed.standing, changed.similarity) == (Standing.CHANGED, 888)


def test_a_quote_does_not_stand_across_two_units() -> None:
    before = [tabled(("a", "b"), (("1", "2"), ("3", "4")), 0)]
    after = [unit("a | b\n1 | 2", 0, side="b"), unit("3 | 4", 1, side="b")]
    place = _place(before, after, Quoted(before[0].unit_id, 0, "1 | 2\n3 | 4"))
    assert place.standing in (Standing.CHANGED, Standing.GONE)


def test_in_nothing_everything_is_gone() -> None:
    before = [unit(WALL, 0, "Works")]
    assert _place(before, [], Quoted(before[0].unit_id, 0, WALL)).standing is Standing.GONE
