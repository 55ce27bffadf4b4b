"""The whole text of a document, and the place of each unit in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.documents import Unit, UnitKind
from lace_ingest.domain.reading.whole_text import placed, whole_text

UNITS = st.lists(
    st.builds(
        lambda text, path: Unit("u", 0, UnitKind.PARAGRAPH, text, "h", (), tuple(path)),
        st.text(min_size=1, max_size=12),
        st.lists(st.sampled_from(["A", "B", "C"]), max_size=3),
    ),
    max_size=8,
)


@given(UNITS)
def test_every_unit_stands_at_its_place(units: list[Unit]) -> None:
    text = whole_text(units)
    found = placed(units)
    assert [unit.text for unit in found] == [text[unit.start : unit.end] for unit in found]
    assert whole_text(found) == text


def test_headings_stand_where_they_change() -> None:
    def unit(text: str, *path: str) -> Unit:
        return Unit("u", 0, UnitKind.PARAGRAPH, text, "h", (), path)

    units = [unit("a"), unit("b", "One"), unit("c", "One", "Deep"), unit("d", "One"), unit("e", "Two", "Deep")]
    assert whole_text(units).split("\n\n") == ["a", "One", "b", "Deep", "c", "d", "Two", "Deep", "e"]
