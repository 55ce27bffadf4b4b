"""Which offset may be committed while messages of different keys are settled in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_platform.bus.kafka_consumer import Window


@given(st.lists(st.integers(0, 200), unique=True, min_size=1).flatmap(
    lambda offsets: st.tuples(st.just(sorted(offsets)), st.permutations(offsets))
))  # fmt: skip
def test_an_offset_is_committed_only_when_all_before_it_are_settled(case: tuple[list[int], list[int]]) -> None:
    taken, order = case
    window, settled = Window(), set()
    for offset in taken:
        window.take(offset)
    for offset in order:
        window.settle(offset)
        settled.add(offset)
        still_open = [each for each in taken if each not in settled]
        before_open = [each for each in taken if not still_open or each < still_open[0]]
        assert window.next == (before_open[-1] + 1 if before_open else None)
        assert len(window) == len(taken) - len(before_open)
