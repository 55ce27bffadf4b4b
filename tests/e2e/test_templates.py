"""Templates as a client of the API meets them: written once, run, listed, and of the pipelines."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from lace_client import LaceClient
from lace_core.canonical import sha256_hex
from lace_core.prompt_pins import PROMPT_PINS
from tests.e2e.conftest import IN_ONE_PROCESS, RunningInstallation

SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"], "additionalProperties": False}
TEXT = "Heat pumps work in old buildings. Radiators decide how well. Insulation helps."


def content(**changes: Any) -> dict[str, Any]:
    return {
        "name": f"advice-{uuid.uuid4().hex[:12]}",
        "version": "1",
        "provider": "extractive",
        "messages": [{"role": "user", "content": "{{text}}"}],
        "variables": [{"name": "text", "type": "string", "description": "What it is about."}],
        **changes,
    }


async def post(api: httpx.AsyncClient, path: str, body: Any, key: str = "", **headers: str) -> httpx.Response:
    return await api.post(path, json=body, headers={"idempotency-key": key or uuid.uuid4().hex, **headers})


async def test_created_the_same_and_another(api: httpx.AsyncClient) -> None:
    body, key = content(), uuid.uuid4().hex
    made = await post(api, "/v1/templates", body, key)
    assert made.status_code == 201, made.text
    template = made.json()
    assert made.headers["location"] == f"/v1/templates/{template['template_id']}"
    for again in (await post(api, "/v1/templates", body, key), await post(api, "/v1/templates", body)):
        assert (again.status_code, again.content) == (200, made.content)
        assert again.headers["location"] == made.headers["location"]
    assert (await api.get(made.headers["location"])).content == made.content
    for other, code, under in (
        ({**body, "model": "extractive-1"}, "TEMPLATE_CONFLICT", ""),
        ({**body, "version": "2"}, "IDEMPOTENCY_KEY_REUSED", key),
    ):
        refused = await post(api, "/v1/templates", other, under)
        assert (refused.status_code, refused.json()["error_code"]) == (409, code)
        [difference] = [orjson.loads(detail["description"]) for detail in refused.json()["details"]]
        assert difference["op"] in ("add", "replace")
        assert difference["value"] in ("extractive-1", "2")


async def test_what_cannot_be_kept_is_told_where(api: httpx.AsyncClient) -> None:
    for body, code, where in (
        (content(variables=[]), "TEMPLATE_INVALID", "/messages/0"),
        (content(mode="json", output_schema={"type": "nothing"}), "SCHEMA_INVALID", None),
        (content(mode="json", output_schema={"$ref": "#"}), "SCHEMA_CYCLE", None),
        (content(colour="red"), "UNKNOWN_FIELD", "/content/colour"),
        (content(model="gpt\0"), "INVALID_ARGUMENT", "/content/model"),
    ):
        answer = await post(api, "/v1/templates", body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, code), answer.text
        assert where is None or where in [detail["field"] for detail in answer.json()["details"]]
    for path in ("/v1/templates/tpl_%00", "/v1/templates?name=%00"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT"), answer.text


async def test_a_run_answers_with_what_proves_it_and_is_listed(api: httpx.AsyncClient) -> None:
    template = (await post(api, "/v1/templates", content())).json()
    path, key = f"/v1/templates/{template['template_id']}", uuid.uuid4().hex
    answer = await post(api, f"{path}/run", {"variables": {"text": TEXT}}, key)
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert run["state"] == "succeeded"
    assert run["response_output_sha256"] == sha256_hex(run["output"].encode())
    assert run["template_sha256"] == template["template_sha256"]
    assert (run["provider"], run["answered_model"], run["response_api"]) == ("extractive", "extractive-1", "compose")
    assert run["call_id"].startswith("cal_")
    again = await post(api, f"{path}/run", {"variables": {"text": TEXT}}, key)
    assert (again.status_code, again.content) == (200, answer.content)
    other = (await post(api, f"{path}/run", {"variables": {"text": TEXT}})).json()
    assert other["run_id"] != run["run_id"]
    for proof in ("input_hash", "response_output_sha256", "template_sha256", "output"):
        assert other[proof] == run[proof]
    listed = (await api.get(f"{path}/runs", params={"response_output_sha256": run["response_output_sha256"]})).json()
    assert [each["run_id"] for each in listed["runs"]] == [other["run_id"], run["run_id"]]
    page = (await api.get(f"{path}/runs", params={"page_size": 1})).json()
    assert [each["run_id"] for each in page["runs"]] == [other["run_id"]]
    rest = (await api.get(f"{path}/runs", params={"page_size": 1, "page_token": page["next_page_token"]})).json()
    assert [each["run_id"] for each in rest["runs"]] == [run["run_id"]]
    wrong = await post(api, f"{path}/run", {"variables": {"txt": 1}})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "TEMPLATE_VARIABLES_INVALID")


async def test_asked_to_it_answers_at_once_and_the_run_is_there_soon(api: httpx.AsyncClient) -> None:
    template = (await post(api, "/v1/templates", content())).json()
    path = f"/v1/templates/{template['template_id']}"
    body = {"variables": {"text": TEXT}}
    taken = await post(api, f"{path}/run", body, prefer='wait=10, respond-async; note="x"')
    assert taken.status_code == 202, taken.text
    assert taken.headers["location"] == f"{path}/runs/{taken.json()['run_id']}"
    async with asyncio.timeout(20):
        while (run := (await api.get(taken.headers["location"])).json())["state"] in ("queued", "running"):
            await asyncio.sleep(0.05)
    direct = (await post(api, f"{path}/run", body)).json()
    for proof in ("input_hash", "response_output_sha256", "output", "state"):
        assert run[proof] == direct[proof]


@pytest.mark.one_process
@pytest.mark.parametrize("installation", [IN_ONE_PROCESS], indirect=True, scope="session")
async def test_a_row_that_was_changed_behind_its_back_is_refused(
    api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    template = (await post(api, "/v1/templates", content())).json()
    path = f"/v1/templates/{template['template_id']}"
    with psycopg.connect(installation.admin_dsn, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "UPDATE llm_gateway.templates SET content = replace(content, '{{text}}', 'Praise {{text}}') "
            "WHERE template_id = %s",
            (template["template_id"],),
        )
    try:
        refused = await post(api, f"{path}/run", {"variables": {"text": TEXT}})
        assert (refused.status_code, refused.json()["error_code"]) == (500, "TEMPLATE_CORRUPT")
        assert (await api.get(path)).json()["error_code"] == "TEMPLATE_CORRUPT"
    finally:  # lists of this tenant's templates are of other tests, too
        with psycopg.connect(installation.admin_dsn, autocommit=True) as superuser:
            superuser.execute("SET session_replication_role = replica")
            superuser.execute("DELETE FROM llm_gateway.templates WHERE template_id = %s", (template["template_id"],))


async def test_the_pipelines_prompts_are_templates_that_everyone_reads(client: LaceClient) -> None:
    pins = dict(pin.split("=") for pin in PROMPT_PINS)

    def kept() -> dict[str, str]:
        return {
            each.content.name: each.template_sha256 for each in client.templates.list() if each.created_by == "system"
        }

    async with asyncio.timeout(20):  # they are put there while the service starts
        while (found := await asyncio.to_thread(kept)) != pins:
            assert set(found) <= set(pins)
            await asyncio.sleep(0.05)
