"""Tests of documents and publishing, as a client of the REST API and of the command meets them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import httpx
import orjson
import pytest

from tests.e2e import paragraph_items
from tests.e2e.conftest import Command, RunningInstallation
from tests.e2e.mutations import Stage

Body = dict[str, Any]
COST = paragraph_items.CLAIM


_AUDITED = """SELECT count(*) FROM runs.outbox_events WHERE topic = 'audit.recorded'
AND payload_json->>'subject' = %(a)s AND payload_json->>'action' IN ('artifact.publish', 'artifact.withdraw')"""


def _suite(name: str, *checks: str) -> str:
    return f"lace_suite: 1\nname: {name}\nchecks:\n" + "".join(f"- {{{check}}}\n" for check in checks)


@dataclass
class Written:
    """A document with one cited sentence, and the source that it cites."""

    stage: Stage
    artifact_id: str
    source_id: str

    @property
    def path(self) -> str:
        return f"/v1/artifacts/{self.artifact_id}"

    async def post(self, path: str, body: Body, key: str = "") -> httpx.Response:
        return await self.stage.api.post(f"{self.path}{path}", json=body, headers={"idempotency-key": key or _key()})


def _key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
async def written(api: httpx.AsyncClient, installation: RunningInstallation) -> Written:
    stage = Stage(api, installation.admin_dsn)
    artifact_id = await stage.document(1)
    paragraph = await paragraph_items.written(stage, artifact_id=artifact_id)
    await stage.change("POST", f"/v1/paragraphs/{paragraph['paragraph_id']}:land", {})
    (source,) = (await api.get(f"/v1/artifacts/{artifact_id}")).json()["sources"]
    return Written(stage, artifact_id, source["source_id"])


async def test_a_document_is_tested_and_what_failed_is_told_with_its_place(written: Written) -> None:
    text = _suite(
        "bridge",
        "id: cost, rule: answers, question: How much did the bridge cost?",
        "id: short, rule: sentence_length, at_most: 3, why: Readers hurry.",
        "id: fresh, rule: stale_citations",
        "id: sober, rule: llm_judge, criterion: It is sober.",
    )
    answer = await written.post("/tests", {"text": text})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert [check["status"] for check in found["checks"]] == ["passed", "failed", "passed", "skipped"]
    assert (found["status"], found["passed"], found["failed"], found["skipped"]) == ("failed", 2, 1, 1)
    assert [place["text"] for place in found["checks"][0]["answers"]] == [COST]
    assert found["checks"][1]["findings"][0]["places"][0]["text"] == COST
    assert found["checks"][3]["judged_by"]["provider"] == "extractive"

    shown = await written.stage.api.get(answer.headers["location"])
    assert shown.json() == found
    listed = (await written.stage.api.get(f"{written.path}/tests")).json()["tests"]
    assert [(test["test_id"], test["checks"]) for test in listed] == [(found["test_id"], [])]

    report = await written.stage.api.get(f"{written.path}/tests/{found['test_id']}/junit.xml")
    assert report.headers["content-type"].startswith("application/xml")
    case = Xml.fromstring(report.content).find(".//testcase[@name='short']/failure")
    assert case is not None
    assert "Readers hurry." in (case.text or "")


async def test_a_newer_version_of_a_source_makes_its_citations_stale(written: Written) -> None:
    await written.stage.source(version_of=written.source_id)
    text = _suite("fresh", "rule: stale_citations")
    found = (await written.post("/tests", {"text": text})).json()
    assert [finding["code"] for finding in found["checks"][0]["findings"]] == ["QUOTE_GONE"]
    refused = await written.post(":publish", {"refuse_stale": True})
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (409, "/stale")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"text": _suite("x", "rule: anwsers")}, "SUITE_RULE_UNKNOWN", "line 4, column 4 (/checks/0/rule)"),
        ({"text": "a: [\n"}, "SUITE_INVALID", "not YAML"),
        ({"suite": "no-such-suite"}, "SUITE_NOT_FOUND", "no-such-suite"),
        ({}, "INVALID_ARGUMENT", "one of them"),
        ({"text": _suite("x", "rule: no_empty_sections"), "revision_id": "rev_x"}, "REVISION_NOT_FOUND", "rev_x"),
    ],
)
async def test_what_cannot_be_run_is_refused_and_leaves_nothing(
    written: Written, body: Body, code: str, said: str
) -> None:
    answer = await written.post("/tests", body)
    assert (answer.json()["error_code"], said in answer.json()["message"]) == (code, True), answer.text
    assert (await written.stage.api.get(f"{written.path}/tests")).json()["tests"] == []


async def test_a_suite_is_kept_as_versions_that_stay(api: httpx.AsyncClient) -> None:
    name = f"n{_key()[:12]}"
    texts = [_suite(name, f"rule: max_depth, at_most: {most}") for most in (1, 2, 2)]
    made = [await api.post("/v1/suites", json={"text": t}, headers={"idempotency-key": _key()}) for t in texts]
    assert [answer.json()["version"] for answer in made] == [1, 2, 2]
    first = (await api.get(f"/v1/suites/{name}", params={"version": 1})).json()
    assert (first["text"], first["versions"]) == (texts[0], [1, 2])
    pages = (await api.get("/v1/suites", params={"page_size": 500})).json()["suites"]
    assert [(each["version"], each["text"]) for each in pages if each["name"] == name] == [(2, "")]
    assert (await api.get("/v1/suites/no-such-suite")).json()["error_code"] == "SUITE_NOT_FOUND"


async def test_only_what_passes_is_published_and_what_is_out_can_be_withdrawn(written: Written) -> None:
    names = [f"n{_key()[:12]}" for _ in range(2)]
    for name, most in zip(names, (99, 2), strict=True):
        await written.stage.change(
            "POST", "/v1/suites", {"text": _suite(name, f"rule: sentence_length, at_most: {most}")}
        )
    refused = await written.post(":publish", {"suites": [*names, "missing"]})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "PUBLISH_REFUSED")
    assert [detail["field"] for detail in refused.json()["details"]] == ["/suites/missing", f"/suites/{names[1]}"]
    assert (await written.stage.api.get(f"{written.path}/publications")).json()["publications"] == []
    tests = (await written.stage.api.get(f"{written.path}/tests")).json()["tests"]
    assert {test["suite"]: test["status"] for test in tests} == {names[0]: "passed", names[1]: "failed"}

    body = {"suites": names[:1], "note": "As the board saw it."}
    both = await asyncio.gather(*(written.post(":publish", body) for _ in range(2)))
    assert [answer.status_code for answer in both] == [201, 201], both[0].text
    assert both[0].json() == both[1].json()
    out = both[0].json()
    head = (await written.stage.api.get(written.path)).json()["revision_id"]
    assert (out["revision_id"], out["state"], [t["suite"] for t in out["tests"]]) == (head, "published", names[:1])
    assert (await written.stage.api.get(both[0].headers["location"])).json() == out

    path = f"/publications/{out['publication_id']}:withdraw"
    withdrawn = (await written.post(path, {"reason": "Measured again."})).json()
    assert (withdrawn["state"], withdrawn["withdrawn_reason"]) == ("withdrawn", "Measured again.")
    assert (await written.post(path, {"reason": "Once more."})).json() == withdrawn
    again = (await written.post(":publish", {})).json()
    assert again["publication_id"] != out["publication_id"]
    listed = (await written.stage.api.get(f"{written.path}/publications")).json()["publications"]
    assert [each["state"] for each in listed] == ["published", "withdrawn"]
    audited = await written.stage.sql(_AUDITED, a=written.artifact_id)
    assert audited == 3


async def test_who_may_not_see_the_document_sees_neither_tests_nor_publications(
    written: Written, installation: RunningInstallation
) -> None:
    stage = written.stage
    found = (await written.post("/tests", {"text": _suite("x", "rule: no_empty_sections")})).json()
    await written.post(":publish", {})
    await stage.sql(
        "UPDATE runs.artifact_revisions SET sources = %(s)s WHERE artifact_id = %(a)s",
        s=orjson.dumps([{"source_id": "src_1", "labels": ["secret"]}]).decode(),
        a=written.artifact_id,
    )
    for path in ("/tests", f"/tests/{found['test_id']}", f"/tests/{found['test_id']}/junit.xml", "/publications"):
        answer = await stage.api.get(f"{written.path}{path}")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ARTIFACT_NOT_FOUND"), path
    for path, body in (("/tests", {"text": _suite("x", "rule: no_empty_sections")}), (":publish", {})):
        assert (await written.post(path, body)).status_code == 404


async def test_the_command_tells_what_failed_and_ends_with_a_code(
    written: Written, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(_suite("bridge", "id: short, rule: sentence_length, at_most: 3", "rule: no_empty_sections"))
    code, out, err = await command("test", str(file), written.artifact_id, "--junit", "tests.xml")
    assert (code, err) == (1, "")
    assert "\nF.\n" in out
    assert f"“{COST}”" in out
    assert "1 failed, 1 passed" in out
    assert Xml.parse(tmp_path / "tests.xml").getroot().attrib["failures"] == "1"
    file.write_text(_suite("bridge", "rule: max_dept, at_most: 3"))
    code, _, err = await command("test", str(file), written.artifact_id)
    assert (code, "bridge.yaml:4:4: There is no rule 'max_dept'. Did you mean 'max_depth'?" in err) == (2, True)
    code, out, _ = await command("publish", written.artifact_id, "--note", "x")
    assert (code, "is published" in out) == (0, True)
