"""Rollback through the public API: a preview, the run, its events, its audit entry, and the compiled files."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import orjson
import psycopg

from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage


async def _until(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await api.get(f"/v1/runs/{run_id}")).json()
            if run["state"] in ("succeeded", "failed", "cancelled"):
                return run
            await asyncio.sleep(0.05)


def _key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


async def test_from_the_preview_to_the_compiled_files(
    api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    artifact_id = await Stage(api, installation.admin_dsn).document(2)
    path = f"/v1/artifacts/{artifact_id}"
    second, first = (await api.get(f"{path}/revisions")).json()["revisions"]
    body = {"revision_id": first["revision_id"], "reason": "The title was better"}

    shown = await api.post(f"{path}:rollback", json={**body, "dry_run": True}, headers=_key())
    assert shown.status_code == 200
    assert shown.json()["diff"]["counts"] == {"node.changed": 1}
    [difference] = shown.json()["diff"]["differences"]
    assert (difference["before_text"], difference["after_text"]) == ("Title 1", "Root")
    assert len((await api.get(f"{path}/revisions")).json()["revisions"]) == 2

    stale = await api.post(f"{path}:rollback", json=body, headers={**_key(), "if-match": '"rev_other"'})
    assert (stale.status_code, stale.json()["error_code"]) == (412, "ETAG_MISMATCH")

    head = (await api.get(path)).headers["etag"]
    started = await api.post(f"{path}:rollback", json=body, headers={**_key(), "if-match": head})
    assert started.status_code == 202, started.text
    assert started.headers["location"] == f"/v1/runs/{started.json()['run_id']}"
    run = await _until(api, started.json()["run_id"])
    assert (run["state"], run.get("error_message", "")) == ("succeeded", "")

    third = (await api.get(f"{path}/revisions")).json()["revisions"][0]
    assert (third["ir_hash"], third["parent_revision_id"]) == (first["ir_hash"], second["revision_id"])
    assert (await api.get(path)).json()["revision_id"] == third["revision_id"] == run["revision_id"]
    compiled = (await api.get(f"/v1/compiled/{artifact_id}")).json()["compiled"]
    assert {(c["revision_id"], c["status"]) for c in compiled} == {(third["revision_id"], "succeeded")}
    events = (await api.get(f"/v1/runs/{run['run_id']}/events", params={"page_size": 500})).json()["events"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))

    again = await api.post(f"{path}:rollback", json=body, headers=_key())
    assert (again.status_code, again.json()["unchanged"]) == (200, True)
    whole = (await api.get(f"{path}:verify")).json()
    assert (whole["intact"], whole["checked"]) == (True, 6)
    assert (await api.get(f"/v1/runs/{run['run_id']}:verify")).json()["intact"] is True
    await _audited(api, "artifact.rollback", artifact_id)


async def _audited(api: httpx.AsyncClient, action: str, subject: str) -> None:
    """It was written with the run, and reaches the log by the bus."""
    async with asyncio.timeout(20):
        while True:
            entries = (await api.get("/v1/audit", params={"page_size": 500})).json()["entries"]
            found = [entry for entry in entries if (entry["action"], entry["subject"]) == (action, subject)]
            if found:
                assert len(found) == 1
                return
            await asyncio.sleep(0.05)


async def test_a_message_starts_the_same_run_once(api: httpx.AsyncClient, installation: RunningInstallation) -> None:
    stage = Stage(api, installation.admin_dsn)
    artifact_id = await stage.document(2)
    _, first = (await api.get(f"/v1/artifacts/{artifact_id}/revisions")).json()["revisions"]
    tenant, principal = await _who(installation)
    order = {"artifact_id": artifact_id, "revision_id": first["revision_id"], "requested_by": principal}
    message = f"msg_{uuid.uuid4().hex}"
    for _ in range(2):  # the second as after a lost acknowledgement
        await _publish(installation, message, tenant, order)
    async with asyncio.timeout(30):
        while not (run_id := await stage.sql(
            "SELECT run_id FROM runs.runs WHERE artifact_id = %(a)s AND pipeline_id = 'rollback'", a=artifact_id
        )):  # fmt: skip
            await asyncio.sleep(0.05)
    assert (await _until(api, run_id))["state"] == "succeeded"
    async with asyncio.timeout(20):
        while await stage.sql("SELECT count(*) FROM bus.deliveries WHERE topic = 'rollback.requested'"):
            await asyncio.sleep(0.05)
    assert await stage.sql("SELECT count(*) FROM runs.runs WHERE artifact_id = %(a)s", a=artifact_id) == 1


async def _who(installation: RunningInstallation) -> tuple[str, str]:
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn) as connection:
        cursor = await connection.execute(
            "SELECT tenant_id, principal_id FROM control.principals ORDER BY created_at LIMIT 1"
        )
        row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


async def _publish(installation: RunningInstallation, message: str, tenant: str, order: dict[str, str]) -> None:
    """Put a message into an outbox, as another service would; published before, it is published again."""
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO runs.outbox_events (id, tenant_id, topic, key, payload_json) "
            "VALUES (%s, %s, 'rollback.requested', %s, %s) ON CONFLICT (id) DO UPDATE SET status = 'pending'",
            (message, tenant, message, orjson.dumps(order).decode()),
        )
        async with asyncio.timeout(20):
            while True:
                cursor = await connection.execute("SELECT status FROM runs.outbox_events WHERE id = %s", (message,))
                row = await cursor.fetchone()
                if row is None or row[0] == "published":
                    return
                await asyncio.sleep(0.05)


async def test_it_has_one_way_in(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/runs/rollback", json={}, headers=_key())
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")
    assert ":rollback" in answer.json()["message"]
