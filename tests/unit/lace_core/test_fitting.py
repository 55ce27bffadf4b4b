"""What does not fit is left out by rank, in whole units, and the same whenever it is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_core.contracts import Fact
from lace_core.fitting import LeftOut, cut
from lace_core.ir import Evidence
from lace_core.planning import Grounds


def fact(number: int, unit: str, score: int) -> Grounds:
    evidence = Evidence(
        evidence_id=f"evd_{number}", source_id=f"src_{unit}", source_version="0" * 64, unit_id=unit, extraction="t.1",
        start=0, end=1, quote="x", quote_hash="0" * 64, heading_path=(), page=0, score="0.5", method="words",
    )  # fmt: skip
    told = Fact(
        fact_id=f"F{number}", kind="sentence", text="x", source="a.md", heading_path=(), page=0, unit=unit, position=0,
        score=score,
    )  # fmt: skip
    return Grounds(fact=told, pieces=(evidence,))


FACTS = [fact(1, "a", 300), fact(2, "a", 300), fact(3, "b", 900), fact(4, "c", 100), fact(5, "d", 900)]
TOKENS = {"F1": 10, "F2": 10, "F3": 30, "F4": 5, "F5": 40}


def ids(kept: tuple[Grounds, ...]) -> list[str]:
    return [ground.fact.fact_id for ground in kept]


def test_all_stay_where_all_fit() -> None:
    done = cut(FACTS, TOKENS, 95)
    assert (done.kept, done.left_out, done.needed_tokens, done.kept_tokens) == (tuple(FACTS), (), 95, 95)


def test_the_best_ranked_stay_in_whole_units_and_then_what_still_fits() -> None:
    assert ids(cut(FACTS, TOKENS, 94).kept) == ["F1", "F2", "F3", "F5"]
    done = cut(FACTS, TOKENS, 89)
    assert ids(done.kept) == ["F3", "F4", "F5"]
    assert done.left_out == (LeftOut("a", "src_a", 2, 20, 300),)
    assert (done.needed_tokens, done.kept_tokens) == (95, 75)


def test_of_equals_the_later_goes_first() -> None:
    assert ids(cut(FACTS, TOKENS, 40).kept) == ["F3", "F4"]


def test_what_is_larger_than_all_the_room_does_not_take_the_others_with_it() -> None:
    assert ids(cut(FACTS, TOKENS, 34).kept) == ["F3"]
    assert ids(cut(FACTS, TOKENS, 25).kept) == ["F1", "F2", "F4"]
    assert cut(FACTS, TOKENS, 0).kept == ()


def test_what_is_cited_already_stays_though_it_has_no_rank() -> None:
    done = cut(FACTS, TOKENS, 50, fixed=2)
    assert ids(done.kept) == ["F1", "F2", "F3"]
    assert ids(cut(FACTS, TOKENS, 0, fixed=2).kept) == ["F1", "F2"]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1000), st.integers(1, 50)), max_size=20),
    st.integers(-10, 400),
    st.integers(0, 3),
)
def test_what_stays_fits_and_nothing_is_lost_untold(rows: list[tuple[str, int, int]], room: int, fixed: int) -> None:
    facts = [fact(at, unit, score) for at, (unit, score, _) in enumerate(rows)]
    tokens = {f"F{at}": size for at, (_, _, size) in enumerate(rows)}
    done = cut(facts, tokens, room, fixed=fixed)
    assert done == cut(facts, tokens, room, fixed=fixed)
    held = sum(tokens[i] for i in ids(done.kept))
    assert held == done.kept_tokens
    assert held <= max(room, sum(tokens[g.fact.fact_id] for g in facts[:fixed]))
    assert len(done.kept) + sum(unit.facts for unit in done.left_out) == len(facts)
    assert done.needed_tokens == held + sum(unit.tokens for unit in done.left_out)
    assert [g for g in facts if g in done.kept] == list(done.kept)
