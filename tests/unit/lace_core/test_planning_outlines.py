"""Outlines are cut down to what a model may be told, from the bottom up."""

from __future__ import annotations

import msgspec
import pytest

from lace_core.contracts import SourceOutline, SourceSection
from lace_core.planning import fit_outlines


def outline(sections: int, lead: int) -> SourceOutline:
    return SourceOutline(
        source_id="src_1",
        filename="a.md",
        title="A",
        sections=tuple(
            SourceSection(heading_path=(f"Part {at // 10}", f"Section {at}"), words=10, tables=at % 2, lead="x" * lead)
            for at in range(sections)
        ),
    )


def size(outlines: tuple[SourceOutline, ...]) -> int:
    return sum(len(msgspec.json.encode(each)) for each in outlines)


def test_what_fits_stays_as_it_is() -> None:
    given = (outline(5, 100), outline(3, 0))
    assert fit_outlines(given, 100_000) == given


@pytest.mark.parametrize("most", [60_000, 30_000, 20_000, 12_000])
def test_leads_are_cut_before_sections_are_joined(most: int) -> None:
    given = (outline(100, 400), outline(100, 400))
    fitted = fit_outlines(given, most)
    assert size(fitted) <= most
    for before, after in zip(given, fitted, strict=True):
        assert sum(s.words for s in after.sections) == sum(s.words for s in before.sections)
        assert sum(s.tables for s in after.sections) == sum(s.tables for s in before.sections)
        assert {s.heading_path[0] for s in after.sections} == {s.heading_path[0] for s in before.sections}
    if most >= 30_000:
        assert len(fitted[0].sections) == 100


def test_the_top_is_kept_even_where_it_does_not_fit() -> None:
    fitted = fit_outlines((outline(100, 400),), 10)
    assert [s.heading_path for s in fitted[0].sections] == [(f"Part {at}",) for at in range(10)]
