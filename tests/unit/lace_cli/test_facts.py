"""`lace facts` and `lace context` against an API: what they ask it, what they print, how they end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lace_cli.failures import FAILED, NOT_FOUND
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

QUOTE = "The bridge cost 4.2 million pounds."
FACT: dict[str, Any] = {
    "fact_id": "fct_1", "source_id": "src_1", "unit_id": "unt_1", "statement": f"{QUOTE}\x1b[31m", "quote": QUOTE,
    "span": {"start": 4, "end": 39}, "confidence": 905, "state": "active", "origin": "extracted", "page": 3,
    "verdict": "supported", "reasons": ["quote: verbatim"], "heading_path": ["Cost", "Steel"], "call_id": "cal_1",
    "qualifiers": [{"kind": "number", "text": "4.2 million"}], "model": "extractive/extractive-1", "run_id": "run_1",
    "contract": "lace.extract_facts.v1",
}  # fmt: skip


@pytest.fixture
def shelf(api: ScriptedApi) -> ScriptedApi:
    api.on("GET", "/v1/sources/src_1/facts", {"facts": [FACT]})
    api.on("GET", "/v1/facts/fct_1", FACT)
    return api


def test_the_facts_of_a_source_are_listed(shelf: ScriptedApi, lace: Lace) -> None:
    told = lace("facts", "src_1")
    assert told.code == 0, told.err
    assert told.out == f"fct_1\tpage 3 › Cost › Steel\t90.5 %\t{QUOTE}␛[31m\t4.2 million\n"
    assert shelf.last("GET").query == {"state": ["active"]}
    lace("facts", "src_1", "--state", "review", "--contains", "cost", "--min-confidence", "500", "--origin", "manual")
    assert shelf.last("GET").query == {
        "state": ["review"], "origin": ["manual"], "contains": ["cost"], "min_confidence": ["500"],
    }  # fmt: skip
    assert json.loads(lace("facts", "list", "src_1", "--json").out)[0]["quote"] == QUOTE


def test_a_fact_is_shown_with_the_words_that_state_it(shelf: ScriptedApi, lace: Lace) -> None:
    told = lace("facts", "show", "fct_1").out
    assert f"“{QUOTE}”" in told
    assert "unt_1 at 4 to 39" in told
    assert "extracted by extractive/extractive-1 under lace.extract_facts.v1 in run_1 (cal_1)" in told
    assert "\x1b" not in told


def test_extracting_follows_the_run_and_tells_what_came_of_it(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("POST", "/v1/sources/src_1/facts:extract", {"run_id": "run_1", "state": "queued"}, status=202)
    shelf.stream("/v1/runs/run_1/stream", story(facts={"added": 9, "known": 1, "review": 2, "refused": 3}))
    told = lace("facts", "extract", "src_1")
    assert told.code == 0, told.err
    assert told.out.splitlines()[-2:] == [
        "9 new facts, 1 known, 3 refused; 2 are for review.", "See them: lace facts src_1",
    ]  # fmt: skip
    assert shelf.last("POST").headers["idempotency-key"]
    assert "lace watch run_1" in lace("facts", "extract", "src_1", "--detach").out


def test_a_fact_of_ones_own_is_found_in_its_unit(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("GET", "/v1/units/unt_1", {"unit": {"unit_id": "unt_1", "text": f"So: {QUOTE}"}})
    shelf.on("POST", "/v1/sources/src_1/facts", FACT, status=201)
    told = lace("facts", "add", "src_1", "It cost 4.2 million.", "--unit", "unt_1", "--quote", QUOTE)
    assert told.code == 0, told.err
    assert shelf.last("POST").json == {
        "unit_id": "unt_1", "statement": "It cost 4.2 million.", "start": 4, "end": 39, "quote": QUOTE,
    }  # fmt: skip


def test_a_quote_that_does_not_stand_there_is_told_with_what_does(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("GET", "/v1/units/unt_1", {"unit": {"unit_id": "unt_1", "text": QUOTE}})
    problem = {"error_code": "FACT_QUOTE_MISMATCH", "message": "At this span stands: 'The'."}
    shelf.on("POST", "/v1/sources/src_1/facts", problem, status=422)
    told = lace("facts", "add", "src_1", "x", "--unit", "unt_1", "--quote", "xyz")
    assert told.code == FAILED
    assert "At this span stands: 'The'. [FACT_QUOTE_MISMATCH]" in told.err
    assert "lace sources units" in told.err


def test_a_fact_is_retired(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("POST", "/v1/facts/fct_1:retire", {**FACT, "state": "retired"})
    assert lace("facts", "retire", "fct_1").out == "fct_1 is retired.\n"


def test_an_unknown_fact_says_where_to_look(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("GET", "/v1/facts/fct_9", {"error_code": "FACT_NOT_FOUND", "message": "No fact fct_9."}, status=404)
    told = lace("facts", "show", "fct_9")
    assert told.code == NOT_FOUND
    assert "lace facts SOURCE" in told.err


CONTEXT: dict[str, Any] = {
    "units": [
        {
            "number": 1, "topic": "1", "rank": 1, "relevance": 1000, "tokens": 30,
            "unit": {"unit_id": "unt_1", "source_id": "src_1", "text": f"{QUOTE}\nAnd\x07 more.", "page": 3,
                     "heading_path": ["Cost"]},
        }
    ],
    "sources": [{"source_id": "src_1", "filename": "a.md"}],
    "left_out": [{"unit_id": "unt_2", "source_id": "src_1", "why": "duplicate", "topic": "1", "tokens": 31,
                  "duplicate_of": "unt_1"}],
    "coverage": [{"key": "1", "candidates": 2, "units": 1}, {"key": "2", "reason": "Nothing was found for it."}],
    "tokens_used": 30, "tokens_left": 70, "count_method": "bound", "text": "[1] …",
}  # fmt: skip


def test_a_context_is_printed_as_markdown_with_what_was_left_out(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/context", CONTEXT)
    told = lace("context", "cost of it", "safety", "--tokens", "100", "-m", "openai/gpt-4o", "--source", "src_1")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "## [1] a.md › Cost, page 3", "", QUOTE, "And␇ more.", "", "*unt_1: 1. for topic 1, 30 tokens*", "",
        "## Topics", "", "- 1. cost of it: 1 of 2 units", "- 2. safety: Nothing was found for it.", "",
        "30 tokens (bound), 70 left.", "", "## Left out", "",
        "- unt_2 of a.md: says what another says (unt_1); 31 tokens for topic 1",
    ]  # fmt: skip
    assert api.last("POST").json == {
        "topics": [{"text": "cost of it"}, {"text": "safety"}], "token_budget": 100, "provider": "openai",
        "model": "gpt-4o", "filters": {"source_ids": ["src_1"]},
    }  # fmt: skip
    assert json.loads(lace("context", "cost", "--json").out)["tokens_left"] == 70


def test_too_small_a_budget_says_what_would_do(api: ScriptedApi, lace: Lace) -> None:
    problem = {"error_code": "CONTEXT_BUDGET_TOO_SMALL", "message": "The smallest unit found takes 21 tokens."}
    api.on("POST", "/v1/context", problem, status=422)
    told = lace("context", "cost", "--tokens", "5")
    assert told.code == FAILED
    assert "lace context --tokens N" in told.err
