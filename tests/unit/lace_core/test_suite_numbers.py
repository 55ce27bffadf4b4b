"""Number consistency: the same thing with two values is found, whatever the unit; different things are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .written_documents import Text, codes, document, found, table

_RULE = "rule: number_consistency"
_LENGTHS = table("t1", ["Item", "Length (km)"], ["New main", "12.4"], ["Old main", "11.8"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The bridge cost £4.2 million.", "The bridge cost £4.3 million."),
        ("The new main is 12.4 kilometres long.", "The new main is 12.2 km long."),
        ("The main is 450 mm wide.", "The main is 0.5 metres wide."),
        ("The tank holds 12,000 cubic metres.", "The tank holds 1,200 cubic metres."),
        ("The survey found 268 cracks.", "The survey found 286 cracks."),
        ("The share was 9.9 per cent.", "The share was 9.8%."),
        ("The generator ran for 48 hours.", "The generator ran for 3 days."),
        ("The bridge, which was built in 1961, cost £4.2 million.", "The bridge cost £4.3 million."),
        ("A budget of 31.2 million pounds was approved.", "A budget of 30.2 million pounds was approved."),
        (_LENGTHS, table("t2", ["Item", "Length (km)"], ["New main", "12.2"], ["Side main", "1.0"])),
        ("The length of the new main was 12.2 km.", _LENGTHS),
    ],
)
def test_one_thing_with_two_values_is_found_with_both_places(first: Text, second: Text) -> None:
    result = found(_RULE, document(("A", [first]), ("B", [second])))
    assert codes(result) == ["NUMBERS_DIFFER"]
    assert [place.section[-1] for place in result.findings[0].places] == ["A", "B"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The bridge cost £4.2 million.", "The bridge cost £4,200,000."),
        ("The new main is 12.4 kilometres long.", "The new main is 12,400 m long."),
        ("The pump weighs 1.5 tonnes.", "The pump weighs 1500 kg."),
        ("The bridge carried 400 cars in 2019.", "The bridge carried 500 cars in 2020."),
        ("The bridge carried 400 cars in 2019.", "The bridge carried 400 cars in 2020."),
        ("Phase 2 cost 4 million pounds.", "Phase 3 cost 4 million pounds."),
        ("Section A is 3.6 km long.", "Section B is 4.5 km long."),
        ("It cost £4.2 million.", "It cost £4.3 million."),
        ("The cost was about £4 million.", "The cost was £4.2 million."),
        ("The old main is 11.8 km long.", "The new main is 12.4 km long."),
        ("The first budget was £28.4 million.", "The revised budget was £31.2 million."),
        ("The test began on 8 July 2025.", "The test began on 9 July 2025."),
        (_LENGTHS, table("t2", ["Item", "Length (km)"], ["Side main", "12.2"])),
    ],
)
def test_what_is_not_named_alike_or_is_the_same_is_left_alone(first: Text, second: Text) -> None:
    assert codes(found(_RULE, document(("A", [first]), ("B", [second])))) == []


def test_a_tolerance_lets_rounding_pass() -> None:
    artifact = document(("A", ["The bridge cost £4.2 million."]), ("B", ["The bridge cost £4.23 million."]))
    assert codes(found(_RULE, artifact)) == ["NUMBERS_DIFFER"]
    assert codes(found(f"{_RULE}, tolerance_percent: 1", artifact)) == []


def test_the_message_names_the_quantity_and_both_values() -> None:
    artifact = document(("A", ["The bridge cost £4.2 million."]), ("B", ["The bridge cost £4.3 million."]))
    (finding,) = found(_RULE, artifact).findings
    assert "'bridge cost" in finding.message
    assert "4200000 £ and 4300000 £" in finding.message
    assert [place.evidence_ids for place in finding.places] == [("evd_0_0",), ("evd_1_0",)]


@given(
    st.integers(1, 9999),
    st.integers(1, 9999),
    st.sampled_from([("m", "km", 1000), ("kg", "t", 1000), ("mm", "cm", 10)]),
)
@settings(max_examples=40)
def test_values_are_compared_and_not_their_writing(one: int, other: int, units: tuple[str, str, int]) -> None:
    small, large, factor = units
    first = f"The main part measures {one * factor} {small}."
    second = f"The main part measures {other} {large}."
    result = found(_RULE, document(("A", [first]), ("B", [second])))
    assert codes(result) == ([] if one == other else ["NUMBERS_DIFFER"])
