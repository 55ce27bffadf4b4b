"""The review path through the public API: what a run could not decide, who decides, and what a reader is told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage
from tests.e2e.review_items import QUOTE, UNDECIDED, open_item


@pytest.fixture
async def stage(api: httpx.AsyncClient, installation: RunningInstallation) -> Stage:
    return Stage(api, installation.admin_dsn)


@pytest.fixture
async def member(installation: RunningInstallation, stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may write documents, but not vouch for what is in them."""
    made = await stage.change("POST", "/v1/principals", {"name": "member", "roles": ["member"]})
    token = await stage.change("POST", "/v1/tokens", {"name": "member", "principal_id": made["principal_id"]})
    headers = {"authorization": f"Bearer {token['secret']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        yield client


async def _decide(api: httpx.AsyncClient, item_id: str, verb: str, body: dict[str, Any], **headers: str) -> Any:
    own = {"idempotency-key": uuid.uuid4().hex, **headers}
    return await api.post(f"/v1/reviews/{item_id}:{verb}", json=body, headers=own)


async def _node(api: httpx.AsyncClient, artifact_id: str) -> dict[str, Any]:
    root = (await api.get(f"/v1/artifacts/{artifact_id}")).json()["nodes"][0]["node_id"]
    found: dict[str, Any] = (await api.get(f"/v1/artifacts/{artifact_id}/nodes/{root}")).json()
    return found


async def test_a_reviewer_decides_and_a_member_may_not(
    api: httpx.AsyncClient, stage: Stage, member: httpx.AsyncClient
) -> None:
    item_id = await open_item(stage)
    shown = (await member.get(f"/v1/reviews/{item_id}")).json()
    assert (shown["text"], shown["state"], shown["evidence"][0]["stands"]) == (UNDECIDED, "open", True)
    refused = await _decide(member, item_id, "accept", {"reason": "I wrote it."})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    accepted = await _decide(api, item_id, "accept", {"reason": "Seen on site."}, **{"if-match": f'"{shown["etag"]}"'})
    assert accepted.status_code == 200, accepted.text
    late = await _decide(api, item_id, "reject", {"reason": "Too late."})
    assert (late.status_code, late.json()["error_code"]) == (409, "REVIEW_SETTLED")
    assert "Seen on site." in late.json()["message"]
    (block,) = (await _node(api, shown["artifact_id"]))["node"]["blocks"]
    assert [sentence["text"] for sentence in block["paragraph"]["sentences"]] == [UNDECIDED]
    verdicts = (await api.get(f"/v1/artifacts/{shown['artifact_id']}/verdicts")).json()["verdicts"]
    assert [(v["standing"], v["acceptance"]["reason"]) for v in verdicts] == [("accepted", "Seen on site.")]


async def test_a_rewrite_that_does_not_stand_is_refused_layer_by_layer(api: httpx.AsyncClient, stage: Stage) -> None:
    item_id = await open_item(stage)
    refused = await _decide(api, item_id, "rewrite", {"text": "The bridge cost twelve pounds.", "reason": "x"})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "REVIEW_NOT_SUPPORTED")
    assert any(detail["description"].startswith("numbers") for detail in refused.json()["details"])
    done = await _decide(api, item_id, "rewrite", {"text": QUOTE, "reason": "As it stands there."})
    assert (done.status_code, done.json()["state"], done.json()["new_text"]) == (200, "rewritten", QUOTE)


async def test_the_queue_is_read_in_pages_and_a_decision_may_name_the_head_it_is_for(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    made = [await open_item(stage) for _ in range(2)]
    await _decide(api, made[0], "assign", {"assignee": "prn_paged"})
    await _decide(api, made[1], "assign", {"assignee": "prn_paged"})
    asked: dict[str, Any] = {"assignee": "prn_paged", "page_size": 1}
    first = (await api.get("/v1/reviews", params=asked)).json()
    rest = (await api.get("/v1/reviews", params={**asked, "page_token": first["next_page_token"]})).json()
    assert [page["items"][0]["review_item_id"] for page in (first, rest)] == made[::-1]
    assert not rest["next_page_token"]
    other = {"assignee": "", "page_token": first["next_page_token"]}
    assert (await api.get("/v1/reviews", params=other)).json()["error_code"] == "PAGE_TOKEN_INVALID"
    wrong = await _decide(api, made[0], "accept", {"reason": "Yes.", "base_revision_id": "rev_old"})
    assert (wrong.status_code, wrong.json()["error_code"]) == (409, "REVISION_CONFLICT")
    missing = await _decide(api, "rvi_none", "reject", {"reason": "No."})
    assert (missing.status_code, missing.json()["error_code"]) == (404, "REVIEW_ITEM_NOT_FOUND")


@pytest.mark.slow
async def test_two_reviewers_at_once_and_the_compiled_document_names_the_one_who_won(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    item_id = await open_item(stage)
    answers = await asyncio.gather(
        *(_decide(api, item_id, "accept", {"reason": f"Reviewer {number} saw it."}) for number in range(5))
    )
    (won,) = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer is not won]
    assert {(answer.status_code, answer.json()["error_code"]) for answer in lost} == {(409, "REVIEW_SETTLED")}
    reason, artifact_id = won.json()["reason"], won.json()["artifact_id"]
    assert all(reason in answer.json()["message"] for answer in lost)
    first, again = [await _compiled(api, stage, artifact_id) for _ in range(2)]
    assert first == again
    assert f"{won.json()['settled_by']}, " in first
    assert reason in first
    assert "1 accepted by a person" in first
    assert "Nothing was kept out." in first
    assert UNDECIDED in first
    entry = await _audited(api, item_id)
    assert (entry["action"], entry["details"]["reason"]) == ("review.accept", reason)


async def _audited(api: httpx.AsyncClient, item_id: str) -> dict[str, Any]:
    """The audit log's entry about an item, once it has come over the bus."""
    async with asyncio.timeout(30):
        while True:
            for entry in (await api.get("/v1/audit", params={"page_size": 200})).json()["entries"]:
                if entry["subject"] == item_id:
                    found: dict[str, Any] = entry
                    return found
            await asyncio.sleep(0.1)


async def _compiled(api: httpx.AsyncClient, stage: Stage, artifact_id: str) -> str:
    """The document as Markdown, from a run of its own."""
    run_id = (await stage.change("POST", "/v1/compile", {"artifact_id": artifact_id, "targets": ["md"]}))["run_id"]
    async with asyncio.timeout(60):
        while (await api.get(f"/v1/runs/{run_id}")).json()["state"] not in ("succeeded", "failed"):
            await asyncio.sleep(0.1)
    found = (await api.get(f"/v1/compiled/{artifact_id}")).json()["compiled"][0]
    assert found["status"] == "succeeded", found
    return (await api.get(found["download_url"])).text
