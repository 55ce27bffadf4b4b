"""Every consumer of the bus gets its message once, twice and fifty times at once, and again: one effect."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from psycopg.types.json import Jsonb

from lace_core.topics import TOPICS
from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

_PUBLISH = """
SELECT bus.publish(array_agg(%(id)s::text), array_agg(%(tenant)s::text), array_agg(%(topic)s::text),
  array_agg(%(id)s || '/' || n), array_agg(%(payload)s::text), array_agg(1), array_agg('{}'::text), array_agg(now()))
FROM generate_series(1, %(times)s) AS n
"""
_LEFT = """
SELECT count(*) FROM bus.deliveries d JOIN bus.messages m USING (position)
WHERE m.id = %(id)s AND d.group_name = ANY(%(groups)s)
"""


@dataclass(frozen=True)
class Order:
    """A message, and SQL that counts its effects: `effects` where it took effect once."""

    payload: bytes
    count: str
    values: Mapping[str, Any]
    effects: int = 1


class Material:
    """A document that was compiled and a source that was read: what real messages are made of."""

    def __init__(self, stage: Stage, made: dict[str, str]) -> None:
        """`made` keeps the runs by what they did: one of each is enough."""
        self.stage = stage
        self._made = made

    async def message(self, topic: str, run_id: str) -> bytes:
        """The payload of a message about the run as it was sent."""
        payload = await self.stage.sql(
            # The first: those behind it may be answers to what these tests sent.
            "SELECT payload::text FROM bus.messages WHERE topic = %(t)s AND payload::text LIKE %(r)s "
            "ORDER BY position LIMIT 1",
            t=topic,
            r=f"%{run_id}%",
        )
        assert payload, f"nothing was sent on {topic}"
        return str(payload).encode()

    async def compiled(self) -> str:
        """A run that compiled something."""
        if "compile" not in self._made:
            body = {"artifact_id": await self.stage.document(1), "targets": ["md"]}
            started = await self.stage.change("POST", "/v1/compile", body)
            self._made["compile"] = await self._ended(started["run_id"])
        return self._made["compile"]

    async def ingested(self) -> str:
        """A run that read a source."""
        if "ingest" not in self._made:
            self._made["ingest"] = await self._ended(await self._upload())
        return self._made["ingest"]

    async def imported(self) -> str:
        """A run that looked into the inbox and found nothing."""
        if "import" not in self._made:
            body = {"prefix": f"{uuid.uuid4().hex}/"}
            started = await self.stage.change("POST", "/v1/sources:import", body)
            self._made["import"] = await self._ended(started["run_id"])
        return self._made["import"]

    async def _upload(self) -> str:
        name = f"{uuid.uuid4().hex}.md"
        answer = await self.stage.api.post(
            "/v1/sources:ingest",
            files=[("files", (name, f"# {name}\n\nThe pump was tested on 8 July 2025.\n".encode()))],
            headers={"idempotency-key": name},
        )
        return str(answer.json()["run_id"])

    async def _ended(self, run_id: str) -> str:
        async with asyncio.timeout(60):
            while (await self.stage.api.get(f"/v1/runs/{run_id}")).json()["state"] not in ("succeeded", "failed"):
                await asyncio.sleep(0.05)
        return run_id


async def _dispatch(material: Material, message: str) -> Order:
    run_id = await material.compiled()
    count = "SELECT count(*) FROM runs.run_events WHERE run_id = %(r)s AND event_type = 'pipeline.run.started'"
    return Order(await material.message("pipeline.run.requested", run_id), count, {"r": run_id})


async def _compile(material: Material, message: str) -> Order:
    asked = orjson.loads(await material.message("compile.requested", await material.compiled()))
    asked["job_id"] = f"job_{message}"
    count = "SELECT count(*) FROM compiler.compiled_artifacts WHERE job_id = %(j)s"
    return Order(orjson.dumps(asked), count, {"j": asked["job_id"]})


async def _compiled(material: Material, message: str) -> Order:
    return await _finished(material, message, "compile.completed", await material.compiled())


async def _ingest(material: Material, message: str) -> Order:
    asked = orjson.loads(await material.message("source.ingest.requested", await material.ingested()))
    asked["job_id"] = f"job_{message}"
    count = "SELECT count(*) FROM bus.messages WHERE topic = 'source.ingest.completed' AND payload::text LIKE %(j)s"
    return Order(orjson.dumps(asked), count, {"j": f"%{asked['job_id']}%"})


async def _ingested(material: Material, message: str) -> Order:
    return await _finished(material, message, "source.ingest.completed", await material.ingested())


async def _cancelled(material: Material, message: str) -> Order:
    count = "SELECT count(*) FROM ingest.cancelled_runs WHERE run_id = %(m)s"
    return Order(orjson.dumps({"run_id": message, "tenant_id": ""}), count, {"m": message})


async def _import(material: Material, message: str) -> Order:
    asked = orjson.loads(await material.message("source.import.requested", await material.imported()))
    asked["job_id"] = f"job_{message}"
    count = "SELECT count(*) FROM bus.messages WHERE topic = 'source.import.completed' AND payload::text LIKE %(j)s"
    return Order(orjson.dumps(asked), count, {"j": f"%{asked['job_id']}%"})


async def _imported(material: Material, message: str) -> Order:
    return await _finished(material, message, "source.import.completed", await material.imported())


async def _finished(material: Material, message: str, topic: str, run_id: str) -> Order:
    payload = await material.message(topic, run_id)
    job_id = orjson.loads(payload)["job_id"]
    await material.stage.sql("UPDATE runs.run_jobs SET result = NULL, done_at = NULL WHERE job_id = %(j)s", j=job_id)
    count = (
        "SELECT count(*) FROM runs.run_jobs, runs.job_executions "
        "WHERE job_id = %(j)s AND result IS NOT NULL AND event_id = %(m)s"
    )
    return Order(payload, count, {"j": job_id, "m": message})


async def _provenance(material: Material, message: str) -> Order:
    run_id = await material.compiled()
    fresh = re.sub(
        rb"tlg_[a-z0-9]{4}", b"tlg_" + message[-4:].encode(), await material.message("provenance.logged", run_id)
    )
    ids = sorted(set(re.findall(r"tlg_[a-z0-9]{26}", fresh.decode())))
    count = "SELECT count(*) FROM provenance.transformation_logs WHERE id = ANY(%(i)s)"
    return Order(fresh, count, {"i": ids}, effects=len(ids))


async def _rollback(material: Material, message: str) -> Order:
    stage = material.stage
    artifact_id = await stage.document(2)
    _, first = (await stage.api.get(f"/v1/artifacts/{artifact_id}/revisions")).json()["revisions"]
    principal = await stage.sql("SELECT principal_id FROM control.principals ORDER BY created_at LIMIT 1")
    asked = {"artifact_id": artifact_id, "revision_id": first["revision_id"], "requested_by": principal}
    count = "SELECT count(*) FROM runs.runs WHERE artifact_id = %(a)s"
    return Order(orjson.dumps(asked), count, {"a": artifact_id})


async def _audit(material: Material, message: str) -> Order:
    entry = {
        "audit_id": message,
        "action": "a",
        "subject": "s",
        "outcome": "done",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    count = "SELECT count(*) FROM control.audit_log WHERE audit_id = %(m)s"
    return Order(orjson.dumps(entry), count, {"m": message})


async def _template_run(material: Material, message: str) -> Order:
    stage = material.stage
    template_id = await stage.template()
    made = await stage.change("POST", f"/v1/templates/{template_id}/run", {"variables": {"city": "Graz"}})
    waiting = {"run_id": message, "state": "queued", "ended_at": None, "call_id": ""}
    tenant = await stage.sql(
        "INSERT INTO llm_gateway.template_runs SELECT (jsonb_populate_record(r, %(w)s)).* "
        "FROM llm_gateway.template_runs r WHERE run_id = %(r)s RETURNING tenant_id",
        w=Jsonb(waiting),
        r=made["run_id"],
    )
    asked = {"tenant_id": tenant, "run_id": message, "dispatch": 1}
    count = (
        "SELECT count(*) FROM llm_gateway.template_runs JOIN llm_gateway.job_executions ON event_id = run_id "
        "WHERE run_id = %(m)s AND state = 'succeeded'"
    )
    return Order(orjson.dumps(asked), count, {"m": message})


ORDERS: Mapping[str, Callable[[Material, str], Awaitable[Order]]] = {
    "pipeline.run.requested": _dispatch,
    "compile.requested": _compile,
    "compile.completed": _compiled,
    "source.ingest.requested": _ingest,
    "source.ingest.completed": _ingested,
    "source.ingest.cancelled": _cancelled,
    "source.import.requested": _import,
    "source.import.completed": _imported,
    "provenance.logged": _provenance,
    "rollback.requested": _rollback,
    "audit.recorded": _audit,
    "llm.batch.requested": _template_run,
}


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {}


def test_there_is_a_case_for_every_topic_that_is_consumed() -> None:
    assert set(ORDERS) == {topic.name for topic in TOPICS.values() if topic.groups}


_QUICK = ("pipeline.run.requested", "audit.recorded")  # enough for every change


@pytest.mark.one_process  # on the Postgres bus: messages are published through its tables
@pytest.mark.parametrize(
    ("topic", "times"),
    [
        pytest.param(topic, times, marks=() if topic in _QUICK and times == 2 else pytest.mark.slow)
        for topic in ORDERS
        for times in (1, 2, 50)
    ],
)
async def test_however_often_a_message_comes_it_takes_effect_once(
    topic: str, times: int, api: httpx.AsyncClient, installation: RunningInstallation, made: dict[str, str]
) -> None:
    stage = Stage(api, installation.admin_dsn)
    message = f"msg_{uuid.uuid4().hex}"
    order = await ORDERS[topic](Material(stage, made), message)
    tenant = await stage.sql("SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1")
    dead = "SELECT count(*) FROM bus.messages WHERE id = %(id)s AND topic LIKE '%%.dlq'"
    for copies in (times, 1):  # the one behind them comes as after a lost acknowledgement
        await stage.sql(_PUBLISH, id=message, tenant=tenant, topic=topic, payload=order.payload.decode(), times=copies)
        async with asyncio.timeout(60):
            while await stage.sql(_LEFT, id=message, groups=list(TOPICS[topic].groups)):
                await asyncio.sleep(0.02)
        assert await stage.sql(dead, id=message) == 0
        async with asyncio.timeout(10):  # what it says of itself leaves by an outbox
            while await stage.sql(order.count, **order.values) < order.effects:
                await asyncio.sleep(0.02)
        assert await stage.sql(order.count, **order.values) == order.effects
