"""Policies through the API and the command line: kept for good, explained, compared, activated, pinned by runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lace_core.canonical import sha256_hex
from lace_core.policies.model import policy_schema
from tests.e2e.conftest import Command, Lace, RunningInstallation

Body = dict[str, Any]


async def _post(api: httpx.AsyncClient, path: str, body: Body, status: int = 0) -> Body:
    answer = await api.post(f"/v1/{path}", json=body, headers={"idempotency-key": uuid.uuid4().hex})
    assert answer.status_code == status or (not status and answer.is_success), answer.text
    found: Body = answer.json()
    return found


def _house(name: str, version: int = 1, more: str = "") -> str:
    rules = "{must_cite: true, max_words: 500, locked: [must_cite]}"
    return f"policy: {name}\nversion: {version}\nconstraints: {rules}\n{more}"


@pytest.fixture
def name() -> str:
    return f"house-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def member(api: httpx.AsyncClient, installation: RunningInstallation) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the same tenant who does not administer it."""
    made = await _post(api, "principals", {"name": "member", "roles": ["member"]})
    token = await _post(api, "tokens", {"name": "member", "principal_id": made["principal_id"]})
    headers = {"authorization": f"Bearer {token['secret']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def nothing_holds(api: httpx.AsyncClient) -> AsyncIterator[None]:
    """The tenant's other tests are not to be held to what this one lets hold."""
    yield
    await _post(api, "policies/default:activate", {})


async def test_a_version_is_kept_for_good(api: httpx.AsyncClient, name: str) -> None:
    text = _house(name)
    made = await _post(api, "policies", {"yaml": text}, 201)
    assert (made["name"], made["version"], made["sha256"]) == (name, 1, sha256_hex(text.encode()))
    again = await _post(api, "policies", {"yaml": text}, 201)
    assert again["created_at"] == made["created_at"]
    other = await _post(api, "policies", {"yaml": f"{text}description: Other.\n"}, 409)
    assert other["error_code"] == "POLICY_VERSION_EXISTS"
    await _post(api, "policies", {"yaml": _house(name, 2)}, 201)
    versions = (await api.get(f"/v1/policies/{name}/versions", params={"page_size": 1})).json()
    assert [policy["version"] for policy in versions["policies"]] == [2]
    params = {"page_size": 1, "page_token": versions["next_page_token"]}
    rest = (await api.get(f"/v1/policies/{name}/versions", params=params)).json()
    assert ([policy["version"] for policy in rest["policies"]], rest["next_page_token"]) == ([1], "")
    assert (await api.get(f"/v1/policies/{name}")).json()["version"] == 2
    assert (await api.get(f"/v1/policies/{name}", params={"version": 1})).json()["yaml"] == text
    listed = (await api.get("/v1/policies", params={"page_size": 500})).json()["policies"]
    assert [policy["version"] for policy in listed if policy["name"] == name] == [2]
    missing = await api.get(f"/v1/policies/{name}", params={"version": 9})
    assert (missing.status_code, missing.json()["error_code"]) == (404, "POLICY_NOT_FOUND")


async def test_what_is_wrong_has_a_code_a_line_and_a_column(api: httpx.AsyncClient, name: str) -> None:
    wrong = f"policy: {name}\nversion: 1\nconstraints:\n  max_wrods: 5\nmodels: {{allow: []}}\n"
    checked = await _post(api, "policies:check", {"yaml": wrong}, 200)
    assert checked["valid"] is False
    assert [(f["code"], f["line"], f["column"]) for f in checked["findings"]] == [
        ("POLICY_KEY_UNKNOWN", 4, 3), ("POLICY_VALUE", 5, 10),
    ]  # fmt: skip
    refused = await _post(api, "policies", {"yaml": wrong}, 400)
    assert refused["error_code"] == "POLICY_INVALID"
    assert refused["details"][0]["field"] == "/constraints/max_wrods"
    assert refused["details"][0]["description"].startswith("4:3: POLICY_KEY_UNKNOWN: ")
    assert (await api.get(f"/v1/policies/{name}")).status_code == 404
    loop = await _post(api, "policies", {"yaml": f"policy: {name}\nversion: 1\nextends: {name}@1\n"}, 400)
    assert loop["error_code"] == "POLICY_LOOP"
    assert f"{name}@1 → {name}@1" in loop["message"]
    orphan = await _post(api, "policies", {"yaml": f"policy: {name}\nversion: 1\nextends: nobody@1\n"}, 400)
    assert "POLICY_PARENT_UNKNOWN" in orphan["details"][0]["description"]
    reserved = await _post(api, "policies", {"yaml": "policy: default\nversion: 2\n"}, 400)
    assert reserved["error_code"] == "POLICY_INVALID"
    large = await _post(api, "policies:check", {"yaml": "#" * 10_000_000}, 413)
    assert large["error_code"] == "BODY_TOO_LARGE"
    assert (await _post(api, "policies:check", {"yaml": _house(name)}, 200)) == {"valid": True, "findings": []}


async def test_the_schema_is_served(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/policies:schema")).json()["schema"] == policy_schema()


async def test_a_policy_is_explained_and_compared(api: httpx.AsyncClient, name: str) -> None:
    await _post(api, "policies", {"yaml": _house(name)})
    team = f"policy: {name}-team\nversion: 1\nextends: {name}\nconstraints: {{must_cite: false, max_words: 900}}\n"
    made = await _post(api, "policies", {"yaml": team}, 201)
    assert made["extends"] == f"{name}@1"  # the newest when it came; a later one changes nothing of this one
    assert [(f["code"], f["severity"], f["line"]) for f in made["findings"]] == [("POLICY_LOOSENS", "warning", 4)]
    told = await _post(api, "policies:explain", {"source": {"policy": f"{name}-team"}}, 200)
    assert [link["name"] for link in told["chain"]] == [f"{name}-team", name]
    values = {value["pointer"]: value for value in told["values"]}
    assert values["/constraints/max_words"]["value"] == 900
    assert values["/constraints/max_words"]["set_by"] == f"{name}-team@1"
    assert (values["/constraints/must_cite"]["value"], values["/constraints/must_cite"]["line"]) == (True, 3)
    assert values["/constraints/must_cite"]["locked_by"] == f"{name}@1"
    answer = await _post(api, "policies:diff", {"before": {"policy": name}, "after": {"yaml": team}}, 200)
    differences = [(d["pointer"], d["effect"], d["before"], d["after"]) for d in answer["differences"]]
    assert differences == [("/constraints/max_words", "looser", 500, 900)]
    unknown = await _post(api, "policies:explain", {"source": {"policy": "nobody@3"}}, 404)
    assert unknown["error_code"] == "POLICY_NOT_FOUND"


async def test_a_policy_is_explained_for_a_section(api: httpx.AsyncClient, name: str) -> None:
    made = await _post(api, "artifacts", {"title": "Report"})
    path = f"/v1/artifacts/{made['artifact_id']}"
    root = {"idempotency_key": "r", "insert_node": {"title": "Report", "constraints": {"max_words": 70}}}
    headers = {"idempotency-key": uuid.uuid4().hex}
    patched = await api.patch(path, json={"actions": [root]}, headers=headers)
    assert patched.is_success, patched.text
    text = _house(name, more="sections: [{title: Annex, constraints: {}}]\n")
    asked = {"source": {"yaml": text}, "artifact_id": made["artifact_id"]}
    told = await _post(api, "policies:explain", asked, 200)
    values = {value["pointer"]: value for value in told["values"]}
    assert values["/constraints/max_words"]["value"] == 70
    assert values["/constraints/max_words"]["set_by"] == "the document Report"
    assert values["/constraints/must_cite"]["set_by"] == f"{name}@1"
    assert [(f["code"], f["line"]) for f in told["findings"]] == [("POLICY_PATTERN", 4)]
    nowhere = await _post(api, "policies:explain", {**asked, "node_id": "nod_x"}, 404)
    assert nowhere["error_code"] == "NODE_NOT_FOUND"


@pytest.mark.usefixtures("nothing_holds")
async def test_what_holds_is_pinned_by_the_runs_that_are_started(
    api: httpx.AsyncClient, member: httpx.AsyncClient, name: str
) -> None:
    async def started(by: httpx.AsyncClient, **asked: Any) -> Body:
        run = await _post(by, "runs/outline", {"title": "Under rules", **asked}, 202)
        await _post(by, f"runs/{run['run_id']}:cancel", {})
        found: Body = (await by.get(f"/v1/runs/{run['run_id']}")).json()
        return found

    await _post(api, "policies", {"yaml": _house(name)})
    await _post(api, "policies", {"yaml": _house(name, 2, "models: {allow: [extractive]}\n")})
    refused = await _post(member, f"policies/{name}:activate", {}, 403)
    assert refused["error_code"] == "PERMISSION_DENIED"
    before = await started(member)
    assert before.get("policy") is None
    decided = await _post(api, f"policies/{name}:activate", {"version": 1, "reason": "agreed"}, 200)
    assert (decided["version"], decided["name"]) == (1, name)
    first = await started(member)
    assert (first["policy"]["name"], first["policy"]["version"]) == (name, 1)
    assert first["policy"]["sha256"] == decided["sha256"]
    assert first["settings_hash"] != before["settings_hash"]
    await _post(api, f"policies/{name}:activate", {"version": 2})
    second = await started(member)
    assert second["policy"]["version"] == 2
    assert (await member.get(f"/v1/runs/{first['run_id']}")).json()["policy"]["version"] == 1
    # A model that is not allowed; a policy that does not extend what holds; one that does.
    asked = {"title": "Under rules", "settings": {"llm.provider": "replay"}}
    assert (await _post(member, "runs/outline", asked, 422))["error_code"] == "POLICY_FORBIDS"
    asked = {"title": "Under rules", "policy": f"{name}@1"}
    assert (await _post(member, "runs/outline", asked, 422))["error_code"] == "POLICY_FORBIDS"
    assert (await started(api, policy=f"{name}@1"))["policy"]["version"] == 1
    await _post(member, "policies", {"yaml": f"policy: {name}-team\nversion: 1\nextends: {name}@2\n"})
    assert (await started(member, policy=f"{name}-team"))["policy"]["name"] == f"{name}-team"
    held = (await api.get(f"/v1/policies/{name}/versions")).json()["policies"]
    assert [(policy["version"], policy["active"]) for policy in held] == [(2, True), (1, False)]
    late = await _post(api, f"policies/{name}:activate", {"effective_at": "2020-01-01T00:00:00Z"}, 400)
    assert late["error_code"] == "INVALID_ARGUMENT"
    await _post(api, f"policies/{name}:activate", {"version": 1, "effective_at": "2100-01-01T00:00:00Z"})
    assert (await started(member))["policy"]["version"] == 2


@pytest.mark.usefixtures("nothing_holds")
async def test_what_is_locked_cannot_be_taken_back_by_hand(api: httpx.AsyncClient, name: str) -> None:
    async def patch(path: str, **action: Any) -> httpx.Response:
        body = {"actions": [{"idempotency_key": uuid.uuid4().hex, **action}]}
        return await api.patch(path, json=body, headers={"idempotency-key": uuid.uuid4().hex})

    path = f"/v1/artifacts/{(await _post(api, 'artifacts', {'title': 'Report'}))['artifact_id']}"
    assert (await patch(path, insert_node={"title": "Report", "constraints": {"must_cite": True}})).is_success
    root = (await api.get(path)).json()["nodes"][0]["node_id"]
    await _post(api, "policies", {"yaml": _house(name)})
    await _post(api, f"policies/{name}:activate", {})
    refused = await patch(path, set_constraints={"node_id": root, "constraints": {"max_words": 9}})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "POLICY_FORBIDS")
    assert refused.json()["details"][0]["field"] == f"/nodes/{root}/constraints/must_cite"
    kept = {"node_id": root, "constraints": {"must_cite": True, "max_words": 9}}
    assert (await patch(path, set_constraints=kept)).is_success


@pytest.mark.slow
async def test_the_command_line_checks_keeps_and_explains(lace: Lace, command: Command, name: str) -> None:
    file = Path("house.yaml")
    file.write_text(f"policy: {name}\nversion: 1\nconstraints:\n  max_wrods: 5\n")
    code, out, err = await command("policy", "check", "house.yaml")
    assert (code, out) == (1, "0 of 1 policies are valid.\n")
    assert err.splitlines() == [
        "house.yaml:4:3: POLICY_KEY_UNKNOWN: There is no field 'max_wrods' here. Did you mean 'max_words'?",
        "    max_wrods: 5",
        "    ^",
    ]
    code, out, _ = await command("policy", "check", "house.yaml", "--json")
    assert (code, json.loads(out)[0]["line"]) == (1, 4)
    code, _, err = await command("policy", "push", "house.yaml")
    assert code == 1
    assert "POLICY_KEY_UNKNOWN" in err
    file.write_text(_house(name))
    assert await lace("policy", "check", ".") == "1 of 1 policies are valid.\n"
    assert f"lace policy activate {name}@1" in await lace("policy", "push", "house.yaml")
    assert f"{name}@1" in await lace("policy", "list")
    assert "max_words\t500" in await lace("policy", "explain", f"{name}@1")
    Path("team.yaml").write_text(f"policy: team\nversion: 1\nextends: {name}@1\nconstraints: {{max_words: 9}}\n")
    assert await lace("policy", "diff", name, "team.yaml") == "stricter\t/constraints/max_words\t500\t9\n"
    assert json.loads(await lace("policy", "schema"))["title"] == "LACE policy"
    code, _, err = await command("policy", "check", "nowhere.yaml")
    assert (code, "There is no file nowhere.yaml." in err) == (2, True)
