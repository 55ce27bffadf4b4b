"""`lace paragraph` against an API: what it asks, what it prints, how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lace_cli.failures import FAILED, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

LINK = {"fact_id": "fct_1", "evidence": {"evidence_id": "evd_1", "quote": "It cost 4."}}
PARAGRAPH: dict[str, Any] = {
    "paragraph_id": "par_1", "state": "partial", "spec": {"title": "Cost\x1b[31m"}, "withheld_count": 1,
    "sentences": [{"sentence_id": "s1", "text": "It cost 4.", "verdict": "supported", "facts": [LINK]}],
    "withheld": [
        {"sentence_id": "s2", "text": "It shines.", "verdict": "partially", "reasons": ["wording: differs"],
         "facts": [LINK]}
    ],
    "unmet": [{"code": "TOO_FEW_WORDS", "pointer": "/spec/min_words", "message": "3 words stand of 5 at least."}],
}  # fmt: skip


@pytest.fixture
def shelf(api: ScriptedApi) -> ScriptedApi:
    api.on("GET", "/v1/paragraphs/par_1", PARAGRAPH)
    api.on("POST", "/v1/paragraphs", PARAGRAPH, status=201)
    api.on("POST", "/v1/paragraphs/par_1:edit", PARAGRAPH)
    return api


def test_a_paragraph_is_shown_with_its_facts_and_what_is_withheld(shelf: ScriptedApi, lace: Lace) -> None:
    told = lace("paragraph", "show", "par_1")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "par_1: Cost␛[31m (partial)",
        "  It cost 4. [fct_1]",
        "  withheld, partially: It shines.",
        "    wording: differs",
        "  Decide what could not be decided: lace review --paragraph par_1",
    ]
    assert "TOO_FEW_WORDS /spec/min_words" in told.err
    assert lace("paragraph", "show", "par_1", "--as-edit").out.splitlines()[:2] == [
        '- text: "It cost 4."', "  fact_ids: [fct_1]"
    ]  # fmt: skip


def test_a_specification_comes_of_a_file_and_of_options(shelf: ScriptedApi, lace: Lace, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("title: Cost\npurpose: To say it.\nallowed_fact_ids: [fct_1, fct_2]\nmax_words: 50\n")
    told = lace("paragraph", "create", str(file), "--title", "Another", "--artifact", "art_1")
    assert told.code == 0, told.err
    assert "lace paragraph generate par_1" in told.out
    assert shelf.last("POST").json == {
        "spec": {"title": "Another", "purpose": "To say it.", "allowed_fact_ids": ["fct_1", "fct_2"], "max_words": 50},
        "artifact_id": "art_1", "node_id": "",
    }  # fmt: skip
    lace("paragraph", "create", "--title", "t", "--purpose", "p", "--fact", "fct_1", "--fact", "fct_2")
    assert shelf.last("POST").json["spec"] == {"title": "t", "purpose": "p", "allowed_fact_ids": ["fct_1", "fct_2"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: [", "This is not YAML"),
        ("titel: Cost\n", "line 1, column 1 (/titel): There is no field 'titel' here. Did you mean 'title'?"),
        ("title: Cost\nallowed_fact_ids: fct_1\n", "line 2, column 1 (/allowed_fact_ids)"),
        ("title: Cost\n", "lacks purpose, allowed_fact_ids"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_line(
    shelf: ScriptedApi, lace: Lace, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    ended = lace("paragraph", "create", str(file))
    assert ended.code == WRONG_USE
    assert told in ended.err


def test_sentences_come_of_a_file_or_of_options(shelf: ScriptedApi, lace: Lace, tmp_path: Path) -> None:
    lace("paragraph", "edit", "par_1", "--sentence", "It cost 4. [fct_1, fct_2]", "--etag", "e1")
    asked = shelf.last("POST")
    assert asked.json == {"sentences": [{"text": "It cost 4.", "fact_ids": ["fct_1", "fct_2"]}]}
    assert asked.headers["if-match"] == '"e1"'
    file = tmp_path / "text.yaml"
    file.write_text(lace("paragraph", "show", "par_1", "--as-edit").out)
    lace("paragraph", "edit", "par_1", str(file))
    assert [each["text"] for each in shelf.last("POST").json["sentences"]] == ["It cost 4.", "It shines."]
    for wrong in (["--sentence", "It cost 4."], [], [str(file), "--sentence", "x [f]"]):
        assert lace("paragraph", "edit", "par_1", *wrong).code == WRONG_USE


def test_generating_follows_the_run_and_shows_what_came(shelf: ScriptedApi, lace: Lace) -> None:
    started = {"run_id": "run_1", "paragraph_id": "par_1", "state": "generating"}
    shelf.on("POST", "/v1/paragraphs/par_1:generate", started, status=202)
    shelf.stream("/v1/runs/run_1/stream", story(paragraph={"paragraph_id": "par_1", "text_version": 1}))
    told = lace("paragraph", "generate", "par_1", "--judge")
    assert told.code == 0, told.err
    assert shelf.last("POST").json["settings"] == {"runs.judge": True}
    assert "  It cost 4. [fct_1]" in told.out
    assert "lace watch run_1" in lace("paragraph", "generate", "par_1", "--detach").out


def test_a_text_that_comes_out_differently_ends_with_1(shelf: ScriptedApi, lace: Lace) -> None:
    found = {"same": False, "text_version": 2, "rebuilt_hash": "f" * 64, "differences": ["/sentences/1"],
             "artefacts": [{"kind": "prompt", "reference": "lace.paragraph.v1", "sha256": "a" * 64}]}  # fmt: skip
    shelf.on("GET", "/v1/paragraphs/par_1:rebuild", found)
    told = lace("paragraph", "rebuild", "par_1", "--text", "2")
    assert told.code == FAILED
    assert shelf.last("GET").query == {"text_version": ["2"]}
    assert "Text 2 is not the same: /sentences/1" in told.out
    shelf.on("GET", "/v1/paragraphs/par_1:rebuild", {**found, "same": True, "differences": []})
    assert lace("paragraph", "rebuild", "par_1").code == 0


def test_others_are_asked_as_they_are_named(shelf: ScriptedApi, lace: Lace) -> None:
    shelf.on("GET", "/v1/paragraphs", {"paragraphs": [PARAGRAPH]})
    assert lace("paragraph", "list", "--state", "partial").out == "par_1\tpartial\tCost␛[31m\t\n"
    landing = {"artifact_id": "art_1", "revision_id": "rev_1", "node_id": "nod_1", "block_id": "blk_1"}
    shelf.on("POST", "/v1/paragraphs/par_1:land", {**PARAGRAPH, "landed": landing})
    assert "1 sentences are in art_1 as blk_1: rev_1" in lace("paragraph", "land", "par_1").out
    shelf.on("PUT", "/v1/paragraphs/par_1/spec", {**PARAGRAPH, "spec_version": 2})
    respec = ("paragraph", "respec", "par_1", "--title", "t", "--purpose", "p", "--fact", "fct_1")
    assert "specification 2" in lace(*respec).out
    shelf.on("POST", "/v1/paragraphs/par_1:delete", {"paragraph_id": "par_1"})
    assert lace("paragraph", "delete", "par_1").out == "par_1 is deleted.\n"
