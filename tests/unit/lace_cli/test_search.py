"""`lace search` against an API: what it asks, and how it shows what was found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lace_cli.failures import WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

QUOTE = "The bridge cost 4.2 million\x1b pounds."
HIT: dict[str, Any] = {
    "unit_id": "unt_1", "score": "2.500000", "method": "bm25", "scores": {"lexical": "2.500000"}, "quote": QUOTE,
    "span": {"start": 7, "end": 44}, "matches": [{"start": 4, "end": 10}, {"start": 11, "end": 15}],
    "corrections": [{"word": "bridgge", "taken_for": "bridg"}],
}  # fmt: skip
FOUND: dict[str, Any] = {
    "results": [{"key": "", "hits": [HIT]}],
    "units": [{"unit_id": "unt_1", "source_id": "src_1", "page": 3, "heading_path": ["Cost", "Steel"], "text": "x"}],
    "sources": [{"source_id": "src_1", "filename": "study.pdf"}],
    "mode": "lexical", "mode_reason": "No model makes vectors.", "units_without_vector": 7,
}  # fmt: skip


@pytest.fixture
def searched(api: ScriptedApi) -> ScriptedApi:
    api.on("POST", "/v1/search", FOUND)
    return api


def test_a_hit_stands_under_its_place_with_its_words_marked(searched: ScriptedApi, lace: Lace) -> None:
    told = lace("search", "bridgge cost")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "“bridgge” stands nowhere; searched for “bridg…”.",
        "1. study.pdf › page 3 › Cost › Steel",
        "   The *bridge* *cost* 4.2 million␛ pounds.",
    ]
    assert told.err.splitlines() == ["No model makes vectors.", "7 units have no vector yet."]
    assert searched.last("POST").json == {"queries": [{"text": "bridgge cost", "limit": 5}], "mode": "auto"}


def test_scores_are_shown_by_stage_where_asked_for(searched: ScriptedApi, lace: Lace) -> None:
    told = lace("search", "cost", "--scores").out
    assert "score 2.500000 by bm25 · lexical 2.500000 · unt_1" in told


def test_every_filter_reaches_the_api(searched: ScriptedApi, lace: Lace) -> None:
    told = lace(
        "search", "cost", "-n", "3", "--mode", "lexical", "--source", "src_1", "--source", "src_2", "--file", "a.md",
        "--bundle", "board@3", "--label", "x", "--meta", "author=Ada=B", "--kind", "table", "--language", "en",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert searched.last("POST").json == {
        "queries": [{"text": "cost", "limit": 3}], "mode": "lexical",
        "filters": {
            "source_ids": ["src_1", "src_2"], "filenames": ["a.md"], "labels": ["x"], "kinds": ["table"],
            "languages": ["en"], "metadata": {"author": "Ada=B"}, "bundle": "board", "bundle_version": 3,
        },
    }  # fmt: skip


def test_a_bundle_may_have_an_at_sign_in_its_name(searched: ScriptedApi, lace: Lace) -> None:
    assert lace("search", "cost", "--bundle", "me@home").code == 0
    assert searched.last("POST").json["filters"] == {"bundle": "me@home"}


def test_several_questions_stand_apart_and_nothing_found_is_said(api: ScriptedApi, lace: Lace) -> None:
    results = [{"key": "", "hits": []}, {"key": "", "hits": [{**HIT, "corrections": []}]}]
    api.on("POST", "/v1/search", {**FOUND, "results": results, "mode_reason": "", "units_without_vector": 0})
    told = lace("search", "elephants", "cost")
    assert told.out.splitlines()[:4] == [
        "elephants", "Nothing was found; fewer or other words may do.", "cost", "1. study.pdf › page 3 › Cost › Steel",
    ]  # fmt: skip
    assert told.err == ""


def test_words_that_nobody_quoted_are_one_question(searched: ScriptedApi, lace: Lace) -> None:
    assert lace("search", "what", "did", "it", "cost").code == 0
    assert [one["text"] for one in searched.last("POST").json["queries"]] == ["what did it cost"]


def test_json_is_the_answer_itself(searched: ScriptedApi, lace: Lace) -> None:
    assert json.loads(lace("search", "cost", "--json").out)["results"][0]["hits"][0]["quote"] == QUOTE


@pytest.mark.parametrize("arguments", [("--mode", "best"), ("--meta", "author")])
def test_wrong_use_is_told_with_what_would_be_right(
    searched: ScriptedApi, lace: Lace, arguments: tuple[str, str]
) -> None:
    told = lace("search", "cost", *arguments)
    assert told.code == WRONG_USE
    assert arguments[1] in told.err
    assert "auto, lexical" in told.err or "author=Ada" in told.err
    assert not searched.asked


@pytest.mark.parametrize(
    ("models", "advised"),
    [
        ([{"model": "minilm", "kind": "embedding"}], True),
        ([{"model": "minilm", "kind": "embedding", "configured": True}], False),
        ([{"model": "bm25", "kind": "rerank", "configured": True}], True),
    ],
)
def test_who_waits_for_vectors_that_nothing_can_make_is_told_what_to_do(
    api: ScriptedApi, lace: Lace, models: list[dict[str, Any]], advised: bool
) -> None:
    api.on("POST", "/v1/search", {**FOUND, "units_without_vector": 0})
    api.on("GET", "/v1/providers/capabilities", {"providers": [{"provider": "local", "measuring_models": models}]})
    told = lace("search", "cost")
    assert told.code == 0, told.err
    advice = "No model that makes vectors can be used here; make embedder installs one that needs no network."
    assert told.err.splitlines() == ["No model makes vectors.", *([advice] if advised else [])]


def test_a_search_stands_where_nobody_can_tell_which_models_there_are(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/search", {**FOUND, "units_without_vector": 0})
    api.refuse("GET", "/v1/providers/capabilities", 403, "PERMISSION_DENIED", "No.")
    told = lace("search", "cost")
    assert (told.code, told.err.splitlines()) == (0, ["No model makes vectors."])
