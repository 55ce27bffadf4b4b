"""The choice of units for a context: never over budget, whole units, every topic before any topic twice."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from lace_core.context import Candidate, LeftOut, Selection, Taken, Topic, Why, select

TOPICS = [Topic("cost"), Topic("time"), Topic("risk")]
CANDIDATES = [
    Candidate("u1", 40, {"cost": 1000, "time": 300}),
    Candidate("u2", 30, {"cost": 900}),
    Candidate("u3", 50, {"time": 1000}),
    Candidate("u4", 20, {"risk": 1000}),
    Candidate("u5", 10, {"risk": 400}),
]


def ids(found: Selection) -> list[str]:
    return [each.unit_id for each in found.taken]


def test_all_that_fits_is_taken_and_told() -> None:
    found = select(TOPICS, CANDIDATES, 150)
    assert ids(found) == ["u1", "u2", "u3", "u4", "u5"]
    assert found.tokens == 150
    assert found.taken[0] == Taken("u1", "cost", 1, 1000, 40)
    assert found.taken[4] == Taken("u5", "risk", 2, 400, 10)
    assert found.covered == {"cost": 2, "time": 2, "risk": 2}


def test_every_topic_gets_its_best_before_any_gets_a_second() -> None:
    found = select(TOPICS, CANDIDATES, 110)
    assert [(each.unit_id, each.topic) for each in found.taken] == [("u1", "cost"), ("u3", "time"), ("u4", "risk")]
    assert found.left_out == (
        LeftOut("u2", Why.BUDGET, "cost", 900, 30),
        LeftOut("u5", Why.BUDGET, "risk", 400, 10),
    )


def test_a_lesser_unit_stands_in_where_the_best_would_leave_no_room_for_others() -> None:
    found = select(TOPICS, CANDIDATES, 50)
    assert ids(found) == ["u1", "u5"]
    assert all(found.covered.values())


def test_a_heavier_topic_chooses_first_and_gets_more_of_the_room() -> None:
    topics = [Topic("a"), Topic("b", 10)]
    units = [Candidate(f"{key}{n}", 10, {key: 1000 - n}) for key in "ab" for n in range(5)]
    assert ids(select(topics, units, 50)) == ["a0", "b0", "b1", "b2", "b3"]


def test_what_is_of_too_little_relevance_stays_out_and_is_told() -> None:
    found = select(TOPICS, CANDIDATES, 1000, least=500)
    assert found.left_out == (LeftOut("u5", Why.BELOW_THRESHOLD, "risk", 400, 10),)
    assert found.covered == {"cost": 2, "time": 1, "risk": 1}


def test_nothing_fits_into_too_small_a_budget() -> None:
    found = select(TOPICS, CANDIDATES, 9)
    assert (found.taken, found.tokens) == ((), 0)
    assert found.covered == {"cost": 0, "time": 0, "risk": 0}
    assert {each.why for each in found.left_out} == {Why.BUDGET}


def test_topics_without_a_candidate_are_told_as_not_covered() -> None:
    assert select([*TOPICS, Topic("none")], CANDIDATES, 500).covered["none"] == 0


KEYS = "abcd"
candidates = st.lists(
    st.tuples(st.integers(1, 30), st.dictionaries(st.sampled_from(KEYS), st.integers(1, 1000), min_size=1)), max_size=9
).map(lambda rows: [Candidate(f"u{at}", tokens, relevance) for at, (tokens, relevance) in enumerate(rows)])
topics = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(
    lambda weights: [Topic(key, weight) for key, weight in zip(KEYS, weights, strict=False)]
)


def covered(found: Selection) -> set[str]:
    return {key for key, count in found.covered.items() if count}


@given(topics, candidates, st.integers(0, 150), st.integers(1, 600))
def test_the_budget_holds_and_every_unit_is_taken_or_left_out_once(
    asked: list[Topic], units: list[Candidate], budget: int, least: int
) -> None:
    found = select(asked, units, budget, least=least)
    sizes = {unit.unit_id: unit.tokens for unit in units}
    assert sum(sizes[each.unit_id] for each in found.taken) == found.tokens <= budget
    assert all(sizes[each.unit_id] == each.tokens for each in found.taken)
    told = [each.unit_id for each in found.taken] + [each.unit_id for each in found.left_out]
    assert sorted(told) == sorted(sizes)
    assert found == select(asked, units, budget, least=least)


@given(topics, candidates, st.integers(0, 150))
def test_no_topic_goes_without_while_something_for_it_fits(
    asked: list[Topic], units: list[Candidate], budget: int
) -> None:
    found = select(asked, units, budget)
    lacking = {topic.key for topic in asked} - covered(found)
    room = budget - found.tokens
    assert not any(unit.tokens <= room and lacking & unit.relevance.keys() for unit in units)


@given(topics, candidates, st.lists(st.integers(0, 150), min_size=2, max_size=12))
def test_more_budget_never_covers_fewer_topics(asked: list[Topic], units: list[Candidate], budgets: list[int]) -> None:
    served = [covered(select(asked, units, budget)) for budget in sorted(budgets)]
    assert all(fewer <= more for fewer, more in pairwise(served))


@given(topics, candidates, st.integers(0, 100))
def test_as_many_topics_are_covered_as_can_be_where_no_unit_speaks_of_two(
    asked: list[Topic], units: list[Candidate], budget: int
) -> None:
    single = [Candidate(unit.unit_id, unit.tokens, dict([min(unit.relevance.items())])) for unit in units]
    most = max(
        len({key for unit in some for key in unit.relevance} & {topic.key for topic in asked})
        for size in range(len(single) + 1)
        for some in combinations(single, size)
        if sum(unit.tokens for unit in some) <= budget
    )
    assert len(covered(select(asked, single, budget))) == most


def test_two_hundred_topics_are_chosen_for_in_no_time() -> None:
    asked = [Topic(f"t{n}") for n in range(200)]
    units = [
        Candidate(f"u{n}", 20 + n % 90, {f"t{(n * 7 + k) % 200}": 1000 - n % 900 for k in range(3)})
        for n in range(2000)
    ]
    found = select(asked, units, 8000)
    assert found.tokens <= 8000
    assert all(found.covered.values())
