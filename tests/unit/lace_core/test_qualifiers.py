"""What a statement names: dates, numbers with their units, names; each a part of its text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.verification.qualifiers import qualifiers_of


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The budget on 14 March 2022 is 28.4 million pounds.", ["date 14 March 2022", "number 28.4 million"]),
        ("Pump A | 3 kW | 12.5 %", ["name Pump A", "number 3 kW", "number 12.5 %"]),
        (
            "In May 2021 the Bank of England raised BH-16 by 5 per cent.",
            ["date May 2021", "name Bank of England", "name BH-16", "number 5 per cent"],
        ),
        ("-5 °C on 2022-03-14 at €3.5 million", ["number -5 °C", "date 2022-03-14", "number €3.5 million"]),
        ("The European Union sold 5 million tonnes.", ["name European Union", "number 5 million tonnes"]),
        ("It may rain in May.", []),
        ("Bridges are old.", []),
        ("NATO met.", ["name NATO"]),
        ("", []),
    ],
)
def test_what_is_named(text: str, named: list[str]) -> None:
    assert [f"{each.kind} {each.text}" for each in qualifiers_of(text)] == named


@given(st.text(alphabet=st.sampled_from("AaB 1.,%-May2021|\n°€")))
def test_each_is_a_part_of_the_text_in_order(text: str) -> None:
    place = 0
    for each in qualifiers_of(text):
        assert each.text in text
        place = max(place, text.find(each.text))


def test_a_hostile_text_takes_no_time() -> None:
    started = time.thread_time()
    for text in ("A " * 5000, "1," * 5000, " " * 10_000 + "A", "May 1 " * 2000, "-" * 10_000, "A-" * 5000):
        qualifiers_of(text)
    assert time.thread_time() - started < 2.0
