"""Verdicts on anything, and reports on how good verdicts are, through the API and the command line."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Command, Lace

PAIRS = [
    {"id": "t", "kind": "verbatim", "label": "supported", "sentence": "It rained on Monday.",
     "evidence": [{"quote": "It rained on Monday."}]},
    {"id": "f", "kind": "dropped_negation", "label": "not", "sentence": "It snowed on Friday.",
     "evidence": [{"quote": "It did not snow on Friday.", "file": "week.md"}], "expected": "contradicted"},
]  # fmt: skip


async def create(api: httpx.AsyncClient, body: dict[str, Any], key: str = "") -> httpx.Response:
    return await api.post("/v1/evaluations", json=body, headers={"idempotency-key": key or uuid.uuid4().hex})


async def test_pairs_go_in_and_verdicts_with_their_layers_come_out(api: httpx.AsyncClient) -> None:
    asked = [{name: pair[name] for name in ("id", "sentence", "evidence")} for pair in PAIRS]
    answer = await api.post("/v1/verifications", json={"pairs": asked})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["verdicts"]
    assert (first["id"], first["verdict"]) == ("t", "supported")
    assert (second["id"], second["verdict"]) == ("f", "contradicted")
    assert {layer["layer"] for layer in second["layers"]} >= {"citation", "negation"}
    assert all(layer["finding"] for layer in second["layers"])
    assert second["reasons"][-1].startswith("negation: ")


async def test_a_named_set_is_measured_and_the_report_is_kept(api: httpx.AsyncClient) -> None:
    made = await create(api, {"set": "golden", "title": "Nightly"})
    assert made.status_code == 201, made.text
    report = made.json()["pair_report"]
    assert report["pairs"] >= 200
    assert report["false_supports"]["total"] > report["pairs"] / 2
    assert sum(kind["pairs"] for kind in report["kinds"]) == report["pairs"]
    assert 0 < report["false_supports"]["high"] < 1
    kept = await api.get(f"/v1/evaluations/{made.json()['evaluation_id']}")
    assert kept.json() == made.json()
    [listed] = [own for own in (await api.get("/v1/evaluations")).json()["evaluations"] if own["title"] == "Nightly"]
    assert listed["pair_report"]["failures"] == []
    assert len(report["failures"]) == report["true_supports"]["total"] - report["true_supports"]["count"]
    assert listed["pair_report"]["kinds"] == report["kinds"]


async def test_another_scorer_is_measured_by_the_same_report(api: httpx.AsyncClient) -> None:
    labelled = (await api.get("/v1/evaluations/sets/golden")).json()["pairs"]
    yes = [{"id": pair["id"], "verdict": "supported"} for pair in labelled]
    made = await create(api, {"set": "golden", "scorer": "yes-sayer", "verdicts": yes})
    report = made.json()["pair_report"]
    assert report["false_supports"]["count"] == report["false_supports"]["total"]
    assert report["true_supports"]["rate"] == 1
    assert {own["failure"] for own in report["failures"]} == {"false_support"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/"),
        ({"set": "golden", "pairs": PAIRS}, "/"),
        ({"pairs": [PAIRS[0], PAIRS[0]]}, "/pairs/1/id"),
        ({"pairs": PAIRS, "scorer": "other"}, "/scorer"),
        ({"pairs": PAIRS, "scorer": "other", "verdicts": [{"id": "t", "verdict": "supported"}]}, "/verdicts"),
        ({"pairs": PAIRS, "scorer": "other", "verdicts": [{"id": "x", "verdict": "supported"}]}, "/verdicts/0/id"),
        ({"pairs": PAIRS, "revision_id": "rev_1"}, "/revision_id"),
        ({"pairs": [{**PAIRS[0], "sentence": "x" * 4000, "evidence": [{"quote": "y" * 8000}] * 32, "id": str(number)}
                    for number in range(2)]}, "/pairs"),
    ],
)  # fmt: skip
async def test_bad_input_is_told_by_its_pointer(api: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await create(api, body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert field in [detail["field"] for detail in answer.json()["details"]]


async def test_what_is_not_there_is_told_by_a_code(api: httpx.AsyncClient) -> None:
    for answer, code in (
        (await api.get("/v1/evaluations/evl_none"), "EVALUATION_NOT_FOUND"),
        (await create(api, {"set": "silver"}), "EVALUATION_SET_NOT_FOUND"),
        (await create(api, {"artifact_id": "art_none"}), "ARTIFACT_NOT_FOUND"),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (404, code)


async def test_reports_come_in_pages(api: httpx.AsyncClient) -> None:
    for number in range(3):
        assert (await create(api, {"pairs": PAIRS, "title": f"Page {number}"})).is_success
    seen: list[str] = []
    token = ""
    while True:
        page = (await api.get("/v1/evaluations", params={"page_size": 2, "page_token": token})).json()
        seen += [own["evaluation_id"] for own in page["evaluations"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert len(seen) == len(set(seen)) >= 3


async def test_a_document_s_citations_are_measured_as_a_whole_and_by_section(
    api: httpx.AsyncClient, lace: Lace
) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    artifact = (await api.post("/v1/artifacts", json={"title": "Measured"}, headers=headers)).json()["artifact_id"]
    empty = await create(api, {"artifact_id": artifact})
    assert (empty.status_code, empty.json()["error_code"]) == (409, "ARTIFACT_EMPTY")
    made = {"actions": [{"idempotency_key": "root", "insert_node": {"title": "Root"}}]}
    path = f"/v1/artifacts/{artifact}"
    assert (await api.patch(path, json=made, headers={"idempotency-key": uuid.uuid4().hex})).is_success
    measured = (await create(api, {"artifact_id": artifact})).json()
    assert measured["artifact_id"] == artifact
    assert measured["revision_id"].startswith("rev_")
    assert measured["citation_report"]["whole"]["recall"]["high"] == 1
    mine = (await api.get("/v1/evaluations", params={"artifact_id": artifact})).json()["evaluations"]
    assert [own["evaluation_id"] for own in mine] == [measured["evaluation_id"]]
    assert "the whole  0       0        none    none" in await lace("eval", "--document", artifact)


async def test_the_command_measures_gates_and_records(command: Command, lace: Lace) -> None:
    Path("mine.json").write_text(json.dumps({"pairs": PAIRS}))
    printed = await lace("eval", "mine.json", "--record", "--recorded", "rates.json")
    assert "dropped_negation  not" in printed
    assert "false supports  0 of 1 (0.0%), 95% upper bound 95.0%" in printed
    assert json.loads(Path("rates.json").read_text())["mine"]["true_supports"] == 1
    assert "gate: passed" in await lace("eval", "mine.json", "--gate", "--recorded", "rates.json")
    Path("lenient.json").write_text(json.dumps({"t": "partially", "f": "supported"}))
    asked = ("eval", "mine.json", "--verdicts", "lenient.json", "--scorer", "lenient")
    code, out, err = await command(*asked, "--gate", "--recorded", "rates.json")
    assert code == 1
    assert "false_support  f" in out
    assert "gate: mine.json: 1 false supports" in err
    assert "gate: mine.json: true supports 0 of 1 (0.0%), recorded 100.0%" in err
    code, _, err = await command("eval", "missing.json")
    assert (code, "EVALUATION_FILE_INVALID" in err) == (2, True)
    code, _, err = await command("eval", "mine.json", "--scorer", "lenient")
    assert (code, "--verdicts and --scorer belong together" in err) == (2, True)


async def test_without_an_argument_the_command_takes_the_set_that_comes_with_it(lace: Lace) -> None:
    found = json.loads(await lace("eval", "--json"))["evaluations"]
    assert [own["set"] for own in found] == ["golden"]
