"""The parts of an order: fusion, features of words, diversity, and what the settings make of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.settings import SETTINGS
from lace_ingest.domain.retrieval import fusion
from lace_ingest.domain.retrieval.diversity import Diversity, diversified
from lace_ingest.domain.retrieval.fusion import Fusion
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.policy import Rerank, policy_of
from lace_ingest.domain.retrieval.query import Mode
from lace_ingest.domain.retrieval.reranking import Document, features
from lace_ingest.domain.retrieval.words import stem, stems

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.decimals(0, 30, places=6), max_size=8)


def decimals(**scores: str) -> dict[str, Decimal]:
    return {name: Decimal(score) for name, score in scores.items()}


def test_ranks_are_added_over_the_stages() -> None:
    one = [Candidate("a", Decimal(9), 1), Candidate("b", Decimal(1), 2)]
    other = [Candidate("b", Decimal("0.9"), 1)]
    found = fusion.reciprocal_rank((one, other), 60)
    assert found == decimals(a="0.016393", b="0.032522")
    assert fusion.best_first(found) == ["b", "a"]


def test_words_count_by_the_best_and_cosines_by_their_span() -> None:
    found = fusion.weighted(decimals(a="8", b="4"), decimals(a="0.2", b="0.6", c="0.4"), "abc", 500)
    assert found == decimals(a="0.500000", b="0.750000", c="0.250000")


def test_a_unit_without_a_vector_is_not_held_to_be_far_away() -> None:
    found = fusion.weighted(decimals(a="8", b="4"), decimals(b="0.6", c="0.2"), "abc", 700)
    assert found["a"] == Decimal("1.000000")


def test_equals_stand_in_the_order_of_their_ids() -> None:
    same = decimals(c="1", a="1", b="2")
    assert fusion.best_first(same) == ["b", "a", "c"]
    assert [one.rank for one in fusion.ranked(same)] == [1, 2, 3]


@given(SCORES, SCORES, st.integers(0, 1000))
def test_a_fused_score_is_a_share_and_does_not_depend_on_the_order_of_what_it_is_made_of(
    lexical: Mapping[str, Decimal], dense: Mapping[str, Decimal], weight: int
) -> None:
    names = {*lexical, *dense}
    found = fusion.weighted(lexical, dense, names, weight)
    backwards = dict(reversed(list(lexical.items()))), dict(reversed(list(dense.items())))
    assert fusion.weighted(*backwards, sorted(names, reverse=True), weight) == found
    assert all(0 <= score <= 1 for score in found.values())


def test_what_was_not_reranked_keeps_its_share_of_the_rest() -> None:
    found = fusion.blended(decimals(a="0.4", b="1"), decimals(a="1"), 500)
    assert found == decimals(a="0.700000", b="0.500000")


@pytest.mark.parametrize(
    "forms",
    [
        ("bridge", "bridges", "Bridge"),
        ("study", "studies"),
        ("plan", "planned", "planning", "plans"),
        ("analyse", "analysed", "analysing"),
        ("class", "classes"),
        ("regulation", "regulations", "regulate"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form.lower()) for form in forms}) == 1


def test_words_are_compared_without_accents_case_and_stop_words() -> None:
    assert stems("The Café, the CAFÉ") == stems("cafe cafe")
    assert stems("橋は") == ["橋", "は"]


def test_rare_words_that_stand_together_come_first() -> None:
    documents = [
        Document("The council met. " + "Nothing happened. " * 30 + "A pier stood there."),
        Document("The old pier of the council was sold."),
        Document("The council spoke of the council."),
    ]
    near, best, common = features("pier of the council", documents)
    assert best > near > common


def test_the_same_words_in_order_beat_the_same_words_apart() -> None:
    whole, apart = features("red bridge toll", [Document("red bridge toll"), Document("toll red bridge")])
    assert whole > apart


def test_headings_count_as_much_as_they_are_told_to() -> None:
    documents = [Document("It was cheap.", ("Cost of the bridge",)), Document("The bridge cost little.")]
    below, said = features("bridge cost", documents)
    assert below < said
    boosted, _ = features("bridge cost", documents, section_boost=0.9)
    assert boosted > below


def test_a_question_without_words_that_are_found_says_nothing() -> None:
    assert features("of the", [Document("of the"), Document("x")]) == [0, 0]
    assert features("elephant", [Document("bridge")]) == [0]
    assert features("elephant", []) == []


@given(st.text(max_size=60), st.lists(st.text(max_size=120), max_size=6))
def test_features_are_shares_whatever_the_texts(query: str, texts: list[str]) -> None:
    documents = [Document(text, (text[:9],)) for text in texts]
    found = features(query, documents, 0.1)
    assert found == features(query, documents, 0.1)
    assert all(0 <= score <= 1 for score in found)


def test_a_hit_that_says_the_same_again_stands_behind_the_others() -> None:
    words = {"a": "one two three", "b": "one two three", "c": "four five six"}

    def first(most: int, similarity: int) -> list[str]:
        def words_of(unit_id: str) -> frozenset[str]:
            return frozenset(words[unit_id].split())

        return diversified("abc", words_of, dict.fromkeys("abc", "src"), Diversity(similarity), most)

    assert first(3, 900) == ["a", "c", "b"]
    assert first(2, 900) == ["a", "c"]
    assert first(3, 0) == ["a", "b", "c"]


def test_a_source_with_many_hits_lets_others_pass() -> None:
    source_of = {"a": "x", "b": "x", "c": "x", "d": "y"}
    found = diversified("abcd", lambda _: frozenset(), source_of, Diversity(per_source=2), 4)
    assert found == ["a", "b", "d", "c"]


def test_settings_that_are_left_out_have_their_defaults() -> None:
    policy = policy_of({})
    assert policy == policy_of({key: setting.default for key, setting in SETTINGS.items()})
    assert (policy.mode, policy.fusion, policy.rerank) == (Mode.AUTO, Fusion.WEIGHTED, Rerank.FEATURES)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"llm.rerank_model": "lexical-1"}, Rerank.FEATURES),
        ({"llm.rerank_model": "all-minilm-l6-v2"}, Rerank.MODEL),
        ({"llm.rerank_provider": "rerank"}, Rerank.MODEL),
        ({"llm.rerank_provider": "rerank", "retrieval.rerank": "features"}, Rerank.FEATURES),
        ({"retrieval.rerank": "off"}, Rerank.OFF),
    ],
)
def test_a_model_reranks_where_the_settings_name_one(settings: dict[str, str], expected: Rerank) -> None:
    assert policy_of(settings).rerank is expected
