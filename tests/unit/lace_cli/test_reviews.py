"""`lace review` against an API: what it asks, what it shows, and the walk through what waits."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from lace_cli.failures import FAILED, NOT_FOUND
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

TEXT = "The bridge cost the town 4.2 million pounds."
ITEM: dict[str, Any] = {
    "review_item_id": "rvi_1", "artifact_id": "art_1", "artifact_title": "The bridge", "run_id": "run_1",
    "state": "open", "text": f"{TEXT}\x1b[31m", "verdict": "partially", "reasons": ["coverage: 80 of 100"],
    "layers": [
        {"layer": "quote", "verdict": "supported", "finding": "fine"},
        {"layer": "coverage", "verdict": "partially", "finding": "80 of 100 content words"},
    ],
    "place": {"node_id": "nod_1", "node_title": "Cost", "form": "paragraph"}, "etag": "open-1",
    "evidence": [
        {
            "evidence": {"evidence_id": "evd_1", "quote": "The bridge cost 4.2 million pounds.", "page": 3},
            "filename": "bridge.md", "text_before": "Before. ", "text_after": " After.", "stands": True,
        }
    ],
    "history": [{"action": "created", "actor": "prn_1", "at": "2026-11-21T09:30:00Z"}],
}  # fmt: skip
PATH = "/v1/reviews/rvi_1"

Types = Callable[..., None]


@pytest.fixture
def queue(api: ScriptedApi) -> ScriptedApi:
    api.on("GET", "/v1/reviews", {"items": [ITEM]})
    api.on("GET", PATH, ITEM)
    for verb, state in (("accept", "accepted"), ("reject", "rejected"), ("rewrite", "rewritten"), ("assign", "open")):
        revision = "rev_2" if verb in ("accept", "rewrite") else ""
        api.on("POST", f"{PATH}:{verb}", {**ITEM, "state": state, "revision_id": revision, "assignee": "prn_9"})
    return api


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Types:
    """`types("a", "Because.")`: what is typed, line after line, until the input ends."""

    def type_lines(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_lines


def test_what_waits_is_listed_and_filters_are_passed_on(queue: ScriptedApi, lace: Lace) -> None:
    told = lace("review", "list")
    assert told.code == 0, told.err
    assert told.out == f"rvi_1\topen\tThe bridge\t{TEXT}␛[31m\tcoverage: 80 of 100\n"
    assert queue.last("GET").query == {"state": ["open"]}
    lace("review", "list", "--state", "all", "--artifact", "art_1", "--run", "run_1", "--verdict", "partially")
    assert queue.last("GET").query == {
        "all_states": ["true"], "artifact_id": ["art_1"], "run_id": ["run_1"], "verdict": ["partially"],
    }  # fmt: skip
    assert json.loads(lace("review", "list", "--json").out)[0]["review_item_id"] == "rvi_1"


@pytest.mark.slow
def test_a_sentence_is_shown_with_what_told_against_it_and_its_quote_in_its_text(
    queue: ScriptedApi, lace: Lace
) -> None:
    told = lace("review", "show", "rvi_1").out
    assert "The bridge › Cost" in told
    assert "coverage: 80 of 100 content words (partially)" in told
    assert "quote: fine" not in told
    assert "bridge.md, p. 3: …Before. “The bridge cost 4.2 million pounds.” After.…" in told
    assert "created by prn_1" in told
    assert "\x1b" not in told


@pytest.mark.slow
def test_decisions_say_what_came_of_them(queue: ScriptedApi, lace: Lace) -> None:
    told = lace("review", "accept", "rvi_1", "--reason", "Seen.", "--if-match", "open-1")
    assert told.out == "rvi_1 is accepted; rev_2 is the head of art_1.\n"
    asked = queue.last("POST")
    assert (asked.json, asked.headers["if-match"]) == ({"reason": "Seen."}, '"open-1"')
    assert lace("review", "reject", "rvi_1", "--reason", "No.").out == "rvi_1 is rejected.\n"
    lace("review", "rewrite", "rvi_1", "It cost a lot.", "--reason", "Shorter.")
    assert queue.last("POST").json == {"text": "It cost a lot.", "reason": "Shorter."}
    assert lace("review", "assign", "rvi_1", "prn_9").out == "rvi_1 is for prn_9.\n"


def test_the_walk_decides_one_after_another(queue: ScriptedApi, lace: Lace, types: Types) -> None:
    types("x", "a", "Seen on site.")
    told = lace("review")
    assert told.code == 0, told.err
    assert "1 of 1" in told.out
    assert TEXT in told.out
    assert "rvi_1 is accepted" in told.out
    asked = queue.last("POST")
    assert (asked.path, asked.json) == (f"{PATH}:accept", {"reason": "Seen on site."})
    assert asked.headers["if-match"] == '"open-1"'


@pytest.mark.slow
def test_the_walk_passes_over_ends_and_rewrites(queue: ScriptedApi, lace: Lace, types: Types) -> None:
    types("s")
    assert lace("review").code == 0
    types("q")
    assert lace("review").code == 0
    assert not [asked for asked in queue.asked if asked.method == "POST"]
    types("w", "It cost 4.2 million pounds.", "Only what is said.")
    lace("review")
    assert queue.last("POST").json == {"text": "It cost 4.2 million pounds.", "reason": "Only what is said."}
    types("r", "Hearsay.")
    lace("review", "--artifact", "art_1")
    assert queue.last("POST").path == f"{PATH}:reject"
    types()
    assert lace("review").code == 0


@pytest.mark.slow
def test_a_refused_wording_is_asked_for_again_and_anothers_decision_is_told(
    queue: ScriptedApi, lace: Lace, types: Types
) -> None:
    queue.refuse("POST", f"{PATH}:rewrite", 422, "REVIEW_NOT_SUPPORTED", "The evidence does not support the new text.")
    queue.refuse("POST", f"{PATH}:accept", 409, "REVIEW_SETTLED", "rvi_1 was rejected by prn_2: 'Hearsay.'.")
    types("w", "It cost more.", "Because.", "a", "Seen.")
    told = lace("review")
    assert told.code == 0
    assert "REVIEW_NOT_SUPPORTED" in told.err
    assert "rejected by prn_2" in told.err


@pytest.mark.slow
def test_an_empty_queue_says_so(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/reviews", {"items": []})
    assert lace("review").out == "Nothing waits for review.\n"


@pytest.mark.slow
def test_refusals_say_what_to_do(queue: ScriptedApi, lace: Lace) -> None:
    queue.refuse("GET", PATH, 404, "REVIEW_ITEM_NOT_FOUND", "No review item rvi_1.")
    told = lace("review", "show", "rvi_1")
    assert (told.code, "lace review list" in told.err) == (NOT_FOUND, True)
    queue.refuse("POST", f"{PATH}:accept", 409, "REVIEW_NOT_ACCEPTABLE", "The evidence contradicts it.")
    told = lace("review", "accept", "rvi_1", "--reason", "Yes.")
    assert (told.code, "lace review rewrite" in told.err) == (FAILED, True)
