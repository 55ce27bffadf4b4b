"""Paragraphs through the public API: written, withheld, edited, landed, rebuilt, and whose they are."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from lace_platform.db.dsn import connection_parameters
from tests.e2e.conftest import Command, Lace, RunningInstallation

COST = "The lighthouse of Kesgrave cost 3.17 million crowns in 1974."
PAINT = "The paint of the lighthouse cost 0.21 million crowns of this."
LIGHT = "The lamp of the lighthouse of Kesgrave was lit on 4 May 1975."
PAGE = f"# Lighthouse of Kesgrave\n\n## Cost\n\n{COST} {PAINT}\n\n## Lamp\n\n{LIGHT}\n"
LIE = "The lighthouse of Kesgrave cost 9.99 million crowns in 1974."
Change = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def facts(lace: Lace) -> dict[str, str]:
    """The ids of the page's facts by what they state: two were taken out, one is a person's."""
    Path("lighthouse.md").write_text(f"{PAGE}\n## Note\n\n{uuid.uuid4().hex}\n")  # a source of this test's own
    [source] = json.loads(await lace("ingest", "lighthouse.md", "--json"))["sources"]
    source_id = source["source_id"]
    await lace("facts", "extract", source_id, "--json")
    found = {fact["statement"]: fact for fact in json.loads(await lace("facts", source_id, "--json"))}
    await lace("facts", "retire", found[LIGHT]["fact_id"])
    own = await lace("facts", "add", source_id, LIGHT, "--unit", found[LIGHT]["unit_id"], "--quote", LIGHT, "--json")
    return {
        COST: found[COST]["fact_id"], PAINT: found[PAINT]["fact_id"], LIGHT: json.loads(own)["fact_id"],
        "retired": found[LIGHT]["fact_id"],
    }  # fmt: skip


@pytest.fixture
def change(api: httpx.AsyncClient) -> Change:
    """A mutation under a key of its own."""

    async def call(path: str, body: dict[str, Any], verb: str = "POST", **headers: str) -> httpx.Response:
        return await api.request(verb, path, json=body, headers={"idempotency-key": uuid.uuid4().hex, **headers})

    return call


def spec(*fact_ids: str, **more: Any) -> dict[str, Any]:
    return {"title": "What it cost", "purpose": "To say what was paid.", "allowed_fact_ids": list(fact_ids), **more}


async def ended(api: httpx.AsyncClient, location: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await api.get(location)).json()
            if run["state"] in ("succeeded", "failed", "cancelled"):
                return run
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_paragraph_from_its_specification_into_a_document(
    lace: Lace, command: Command, facts: dict[str, str], api: httpx.AsyncClient, change: Change
) -> None:
    artifact = (await change("/v1/artifacts", {"title": "Kesgrave"})).json()["artifact_id"]
    root = {"actions": [{"idempotency_key": "root", "insert_node": {"title": "Kesgrave"}}]}
    await change(f"/v1/artifacts/{artifact}", root, "PATCH")
    Path("spec.yaml").write_text(
        f"title: What it cost\npurpose: To say what was paid, and when it was lit.\n"
        f"allowed_fact_ids: [{facts[COST]}, {facts[LIGHT]}]\nrequired_fact_ids: [{facts[LIGHT]}]\n"
    )
    made = json.loads(await lace("paragraph", "create", "spec.yaml", "--artifact", artifact, "--json"))
    ident, path = made["paragraph_id"], f"/v1/paragraphs/{made['paragraph_id']}"
    assert made["state"] == "draft"

    written = json.loads(await lace("paragraph", "generate", ident, "--json"))
    assert written["state"] == "verified"
    assert [(s["text"], [link["fact_id"] for link in s["facts"]]) for s in written["sentences"]] == [
        (COST, [facts[COST]]), (LIGHT, [facts[LIGHT]])
    ]  # fmt: skip
    assert written["sentences"][0]["facts"][0]["evidence"]["quote"] == COST
    assert {layer["layer"] for layer in written["sentences"][0]["layers"]} >= {"quote"}

    run_id = written["last_run"]["run_id"]
    calls = (await api.get(f"/v1/runs/{run_id}/calls")).json()["calls"]
    assert [call["contract"] for call in calls] == ["lace.paragraph.v1", "lace.judge.v1"]
    for call in calls:
        assert (len(call["trace_id"]), len(call["input_hash"]), len(call["template_hash"])) == (32, 64, 64)
        assert call["cost_micro_usd"] == 0

    landed = json.loads(await lace("paragraph", "land", ident, "--json"))
    node = (await api.get(f"/v1/artifacts/{artifact}/nodes/{landed['node_id']}")).json()["node"]
    [block] = node["blocks"]
    assert [sentence["text"] for sentence in block["paragraph"]["sentences"]] == [COST, LIGHT]
    await lace("paragraph", "edit", ident, "--sentence", f"{LIGHT} [{facts[LIGHT]}]")
    again = json.loads(await lace("paragraph", "land", ident, "--json"))
    assert again["landed"]["block_id"] == landed["landed"]["block_id"]
    node = (await api.get(f"/v1/artifacts/{artifact}/nodes/{landed['node_id']}")).json()["node"]
    assert [s["text"] for b in node["blocks"] for s in b["paragraph"]["sentences"]] == [LIGHT]

    assert "the same, byte for byte" in await lace("paragraph", "rebuild", ident)
    assert "the same, byte for byte" in await lace("paragraph", "rebuild", ident, "--text", "1")
    listed = json.loads(await lace("paragraph", "list", "--artifact", artifact, "--json"))
    assert [each["paragraph_id"] for each in listed] == [ident]
    stale = await change(f"{path}:delete", {"etag": made["etag"]})
    assert (stale.status_code, stale.json()["error_code"]) == (412, "ETAG_MISMATCH")
    await lace("paragraph", "delete", ident)
    code, _, err = await command("paragraph", "show", ident)
    assert (code, "PARAGRAPH_NOT_FOUND" in err) == (5, True)


async def test_what_does_not_stand_is_content_to_nobody(
    facts: dict[str, str], api: httpx.AsyncClient, change: Change, installation: RunningInstallation
) -> None:
    made = (await change("/v1/paragraphs", {"spec": spec(facts[COST], facts[PAINT])})).json()
    path = f"/v1/paragraphs/{made['paragraph_id']}"
    vague = "The lighthouse of Kesgrave cost the town a great many millions of crowns."
    said = [{"text": COST, "fact_ids": [facts[COST]]}, {"text": vague, "fact_ids": [facts[COST], facts[PAINT]]}]
    edited = (await change(f"{path}:edit", {"sentences": said})).json()
    assert edited["state"] == "partial"
    assert ([s["text"] for s in edited["sentences"]], [s["text"] for s in edited["withheld"]]) == ([COST], [vague])

    lied = await change(f"{path}:edit", {"sentences": [{"text": LIE, "fact_ids": [facts[COST]]}]})
    assert (lied.status_code, lied.json()["error_code"]) == (422, "PARAGRAPH_NOT_SUPPORTED")
    assert lied.json()["details"][0]["field"] == "/sentences/0/text"
    stray = await change(f"{path}:edit", {"sentences": [{"text": LIGHT, "fact_ids": [facts[LIGHT]]}]})
    assert stray.json()["details"][0]["description"].startswith("FACT_NOT_ALLOWED")
    retired = await change("/v1/paragraphs", {"spec": spec(facts["retired"])})
    assert (retired.status_code, retired.json()["error_code"]) == (409, "FACT_RETIRED")
    unknown = await change("/v1/paragraphs", {"spec": spec("fct_nowhere")})
    assert (unknown.status_code, unknown.json()["details"][0]["field"]) == (404, "/spec/allowed_fact_ids/0")
    loose = await change("/v1/paragraphs", {"spec": spec(facts[COST], must_cite=False)})
    assert loose.status_code == 400

    name = {"name": uuid.uuid4().hex, "scopes": ["artifacts:read"]}
    reader = {"authorization": f"Bearer {(await change('/v1/tokens', name)).json()['secret']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=reader, timeout=30) as read_only:
        shown = (await read_only.get(path)).json()
    assert (shown.get("withheld", []), shown["withheld_count"]) == ([], 1)
    assert [s["text"] for s in shown["sentences"]] == [COST]

    stale = await change(f"{path}/spec", {"spec": spec(facts[COST])}, "PUT", **{"if-match": f'"{made["etag"]}"'})
    assert (stale.status_code, stale.json()["error_code"]) == (412, "ETAG_MISMATCH")
    respec = (await change(f"{path}/spec", {"spec": spec(facts[COST])}, "PUT")).json()
    assert (respec["state"], respec["spec_version"], respec.get("sentences", [])) == ("draft", 2, [])


@pytest.mark.slow
async def test_a_run_is_begun_at_its_address_and_its_failure_is_the_paragraphs(
    facts: dict[str, str], api: httpx.AsyncClient, change: Change
) -> None:
    made = (await change("/v1/paragraphs", {"spec": spec(facts[COST])})).json()
    path = f"/v1/paragraphs/{made['paragraph_id']}"
    settings = {"llm.provider": "openai", "runs.step_attempts": 1}
    started = await change(f"{path}:generate", {"settings": settings})
    assert started.status_code == 202, started.text
    assert started.headers["location"] == f"/v1/runs/{started.json()['run_id']}"
    run = await ended(api, started.headers["location"])
    assert run["state"] == "failed"
    shown = (await api.get(path)).json()
    assert (shown["state"], shown["last_run"]["error_code"]) == ("failed", run["error_code"])
    assert shown["last_run"]["error_message"] == run["error_message"]
    nothing = await change(f"{path}:verify", {})
    assert (nothing.status_code, nothing.json()["error_code"]) == (409, "PARAGRAPH_EMPTY")


async def test_another_tenant_and_who_lacks_a_label_are_told_nothing(
    facts: dict[str, str], api: httpx.AsyncClient, change: Change, installation: RunningInstallation
) -> None:
    made = (await change("/v1/paragraphs", {"spec": spec(facts[COST])})).json()
    path = f"/v1/paragraphs/{made['paragraph_id']}"
    person = (await change("/v1/principals", {"name": "o", "roles": ["system_admin"]})).json()["principal_id"]
    token = (await change("/v1/tokens", {"name": "o", "principal_id": person})).json()
    tenant = (await change("/v1/tenants", {"name": "other"})).json()["tenant_id"]
    await _move(installation.admin_dsn, person, token["token"]["token_id"], tenant)
    headers = {"authorization": f"Bearer {token['secret']}", "idempotency-key": uuid.uuid4().hex}
    said = {"sentences": [{"text": COST, "fact_ids": [facts[COST]]}]}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as stranger:
        assert (await stranger.get("/v1/paragraphs")).json().get("paragraphs", []) == []
        asked = {
            "read": stranger.get(path), "rebuild": stranger.get(f"{path}:rebuild"),
            "generate": stranger.post(f"{path}:generate", json={}), "verify": stranger.post(f"{path}:verify", json={}),
            "land": stranger.post(f"{path}:land", json={}), "delete": stranger.post(f"{path}:delete", json={}),
            "facts": stranger.post(f"{path}:edit", json=said),
            "spec": stranger.put(f"{path}/spec", json={"spec": spec(facts[COST])}),
        }  # fmt: skip
        for what, question in asked.items():
            answer = await question
            assert answer.status_code == 404, (what, answer.text)
    await _label(installation.admin_dsn, made["paragraph_id"])
    assert (await api.get(path)).status_code == 404
    assert (await change(f"{path}:generate", {})).status_code == 404


async def _move(dsn: str, principal_id: str, token_id: str, tenant_id: str) -> None:
    """As no call can: have a token act for a principal of another tenant who may do as much."""
    there = {"tenant_id": tenant_id, "principal_id": f"prn_{uuid.uuid4().hex[:26]}"}
    async with await psycopg.AsyncConnection.connect(**connection_parameters(dsn), autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO control.principals SELECT (jsonb_populate_record(p, %s)).* FROM control.principals p "
            "WHERE principal_id = %s",
            (Jsonb(there), principal_id),
        )
        await connection.execute(
            "UPDATE control.service_tokens SET tenant_id = %s, principal_id = %s WHERE token_id = %s",
            (*there.values(), token_id),
        )


async def _label(dsn: str, paragraph_id: str) -> None:
    """As if a source of the paragraph's facts carried a label that nobody here holds."""
    async with await psycopg.AsyncConnection.connect(**connection_parameters(dsn), autocommit=True) as connection:
        await connection.execute(
            "UPDATE runs.paragraphs SET labels = '{secret}' WHERE paragraph_id = %s", (paragraph_id,)
        )
