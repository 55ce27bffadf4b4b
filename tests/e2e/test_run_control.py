"""Commands, quotas and limits through the public API: what is allowed when, and that nothing takes effect twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import psycopg
import pytest

from lace_core.errors import Reason
from lace_core.settings import resolve
from lace_runs.domain.runs import COMMANDS, TRANSITIONS, RunState, Trigger
from tests.e2e.conftest import RunningInstallation

PAIRS = [(state, command) for state in RunState for command in sorted(COMMANDS)]
RUN = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  settings, effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
  traceparent, created_at, worker_id)
SELECT tenant_id, %(run_id)s, 'outline', 1, %(state)s, '{}', '', 'prn_test', %(settings)s, '', '', '[]', '[]', '', '',
  '', '', now(), 'wrk_elsewhere' FROM control.tenants ORDER BY created_at LIMIT 1
"""
SETTINGS = json.dumps(dict(resolve([]).values))
ELSEWHERE = "INSERT INTO runs.workers VALUES ('wrk_elsewhere', now(), now(), now() + interval '1 hour')"

MakeRun = Callable[[RunState], Coroutine[Any, Any, str]]


@pytest.fixture
async def admin(installation: RunningInstallation) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def run_in(admin: psycopg.AsyncConnection[Any]) -> AsyncIterator[MakeRun]:
    """Runs in any state, held by a worker that takes nothing up; they and what came of them are gone afterwards."""
    made: list[str] = []

    async def make(state: RunState) -> str:
        made.append(f"run_{uuid.uuid4().hex}")
        await admin.execute(RUN, {"run_id": made[-1], "state": state.value, "settings": SETTINGS})
        return made[-1]

    await admin.execute(ELSEWHERE)
    yield make
    await admin.execute("DELETE FROM runs.workers WHERE worker_id = 'wrk_elsewhere'")
    await admin.execute("DELETE FROM runs.run_control_commands WHERE run_id = ANY(%s)", [made])
    await admin.execute("DELETE FROM runs.runs WHERE run_id = ANY(%s) OR restarted_from_run_id = ANY(%s)", [made, made])


async def send(api: httpx.AsyncClient, run_id: str, command: str, key: str = "", **body: str) -> httpx.Response:
    headers = {"idempotency-key": key or uuid.uuid4().hex}
    return await api.post(f"/v1/runs/{run_id}:{command}", json=body, headers=headers)


async def rows(admin: psycopg.AsyncConnection[Any], sql: str, *values: Any) -> list[Any]:
    return await (await admin.execute(sql, values)).fetchall()


async def test_every_pair_of_state_and_command_is_allowed_or_has_the_one_code(
    api: httpx.AsyncClient, run_in: MakeRun
) -> None:
    for state, command in PAIRS:
        run_id = await run_in(state)
        answer = await send(api, run_id, command)
        if (state, command) in TRANSITIONS:
            assert (answer.status_code, answer.json()["run_id"]) == (202, run_id), (state, command, answer.text)
        elif state.is_final and command is Trigger.RESTART:
            assert answer.status_code == 202, answer.text
            assert answer.json()["run_id"] != run_id
        else:
            told = answer.status_code, answer.json()["error_code"]
            assert told == (409, Reason.RUN_TRANSITION_ILLEGAL), (state, command, answer.text)


@pytest.mark.parametrize(
    ("state", "command"), [(RunState.RUNNING, "pause"), (RunState.PAUSED, "resume"), (RunState.RUNNING, "cancel")]
)
async def test_a_command_sent_again_has_one_effect(
    api: httpx.AsyncClient, run_in: MakeRun, admin: psycopg.AsyncConnection[Any], state: RunState, command: str
) -> None:
    run_id = await run_in(state)
    key = uuid.uuid4().hex
    same = await asyncio.gather(*(send(api, run_id, command, key) for _ in range(3)))
    taken = [answer.json() for answer in same if answer.status_code == 202]
    assert {answer["command_id"] for answer in taken} == {taken[0]["command_id"]}
    assert {answer.status_code for answer in same} <= {202, 409}, "409: the first is still under way"
    others = await asyncio.gather(*(send(api, run_id, command) for _ in range(3)))
    assert {answer.json()["error_code"] for answer in others} == {Reason.RUN_TRANSITION_ILLEGAL}
    kept = await rows(admin, "SELECT command FROM runs.run_control_commands WHERE run_id = %s", run_id)
    assert kept == [(command,)]
    async with asyncio.timeout(20):  # the record goes by way of the outbox
        while not (about := await _audited(api, run_id)):
            await asyncio.sleep(0.05)
    assert about == [f"run.{command}"]


async def _audited(api: httpx.AsyncClient, subject: str) -> list[str]:
    entries = (await api.get("/v1/audit", params={"page_size": 500})).json()["entries"]
    return [entry["action"] for entry in entries if entry["subject"] == subject]


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FAILED])
async def test_of_equal_restarts_the_second_is_the_first(
    api: httpx.AsyncClient, run_in: MakeRun, admin: psycopg.AsyncConnection[Any], state: RunState
) -> None:
    run_id = await run_in(state)
    answers = await asyncio.gather(*(send(api, run_id, "restart", from_step_id="intent") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {202}
    led_to = {(answer.json()["run_id"], answer.json()["command_id"]) for answer in answers}
    # While the run that the first led to lives, the others lead there; one that has ended meanwhile is restarted anew.
    states = [(await api.get(f"/v1/runs/{led_to_id}")).json()["state"] for led_to_id, _ in led_to]
    assert sum(state not in ("failed", "succeeded") for state in states) <= 1
    assert len(led_to) == 1 or "failed" in states
    another = (await send(api, run_id, "restart", from_step_id="outline")).json()
    assert another["command_id"] != answers[0].json()["command_id"]
    kept = await rows(admin, "SELECT from_step_id FROM runs.run_control_commands WHERE run_id = %s", run_id)
    assert sorted(kept) == [*[("intent",)] * len(led_to), ("outline",)]


async def test_a_step_that_there_is_not_is_refused(api: httpx.AsyncClient, run_in: MakeRun) -> None:
    run_id = await run_in(RunState.RUNNING)
    for step_id in ("sing", "verify", "intent:nod_x"):
        answer = await send(api, run_id, "restart", from_step_id=step_id)
        assert (answer.status_code, answer.json()["error_code"]) == (404, Reason.STEP_UNKNOWN)


async def test_quotas_hold_as_soon_as_they_are_known(
    api: httpx.AsyncClient, admin: psycopg.AsyncConnection[Any], run_in: MakeRun
) -> None:
    [[tenant_id]] = await rows(admin, "SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1")
    path = f"/v1/tenants/{tenant_id}/quotas"
    await run_in(RunState.QUEUED)  # held by a worker that does nothing: it waits as long as the test wants
    quotas = {"max_concurrent_runs": 8, "max_queued_runs": 1, "runs_per_minute": 0}
    put = await api.put(path, json=quotas, headers={"idempotency-key": uuid.uuid4().hex})
    assert put.status_code == 200, put.text
    try:
        got = (await api.get(path)).json()
        assert (got["max_concurrent_runs"], got["max_queued_runs"]) == (8, 1)
        refused = await _start_until(api, 429)
        assert refused.json()["error_code"] == Reason.QUOTA_EXCEEDED
        assert int(refused.headers["retry-after"]) >= 1
        assert "quotas.put" in await _audited(api, tenant_id)
        member = await _token_without_admin(api)
        own = {"authorization": f"Bearer {member}", "idempotency-key": uuid.uuid4().hex}
        assert (await api.get(path, headers=own)).status_code == 200
        assert (await api.put(path, json={}, headers=own)).status_code == 403
        assert (await api.get("/v1/tenants/ten_none/quotas")).status_code == 404
    finally:
        lifted = await api.put(path, json={}, headers={"idempotency-key": uuid.uuid4().hex})
    assert lifted.json().get("max_queued_runs", 0) == 0, lifted.text
    started = await _start_until(api, 202, priority=9)
    run = (await api.get(f"/v1/runs/{started.json()['run_id']}")).json()
    assert run["priority"] == 9
    assert (await _start(api, priority=10)).status_code == 400


async def test_a_spent_budget_ends_a_run_with_its_reason_and_is_shown(
    api: httpx.AsyncClient, admin: psycopg.AsyncConnection[Any]
) -> None:
    [[tenant_id]] = await rows(admin, "SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1")
    path = f"/v1/tenants/{tenant_id}"
    key = {"idempotency-key": uuid.uuid4().hex}
    put = await api.put(f"{path}/quotas", json={"principal_tokens_per_month": 1}, headers=key)
    assert put.json()["principal_tokens_per_month"] == 1, put.text
    try:
        run_id = (await _start(api)).json()["run_id"]
        async with asyncio.timeout(20):
            while (run := (await api.get(f"/v1/runs/{run_id}")).json())["state"] not in ("failed", "succeeded"):
                await asyncio.sleep(0.05)
        assert (run["state"], run["error_code"]) == ("failed", Reason.QUOTA_EXCEEDED)
        budgets = (await api.get(f"{path}/budgets")).json()["budgets"]
        assert [budget["period"] for budget in budgets] == ["day", "month"] * 2
        assert budgets[3]["limit_tokens"] == 1
        assert budgets[3]["principal_id"]
        unknown = await api.get("/v1/tenants/ten_none/budgets")
        assert (unknown.status_code, unknown.json()["error_code"]) == (404, Reason.TENANT_NOT_FOUND)
    finally:
        lifted = {"idempotency-key": uuid.uuid4().hex}
        assert (await api.put(f"{path}/quotas", json={}, headers=lifted)).status_code == 200


async def _start_until(api: httpx.AsyncClient, status: int, **more: Any) -> httpx.Response:
    """The first start that is answered so: what changed is told to the other process by a notification."""
    async with asyncio.timeout(10):
        while (started := await _start(api, **more)).status_code != status:
            await asyncio.sleep(0.05)
    return started


async def _start(api: httpx.AsyncClient, **more: Any) -> httpx.Response:
    body = {"title": "A plan", **more}
    return await api.post("/v1/runs/outline", json=body, headers={"idempotency-key": uuid.uuid4().hex})


async def _token_without_admin(api: httpx.AsyncClient) -> str:
    body = {"name": "reads", "scopes": ["settings:read", "runs:write"]}
    made = await api.post("/v1/tokens", json=body, headers={"idempotency-key": uuid.uuid4().hex})
    return str(made.json()["secret"])


async def test_limits_of_steps_and_runs_are_shown_and_set(api: httpx.AsyncClient) -> None:
    shown = (await api.get("/v1/pipelines/generate")).json()
    steps = {step["step"]: step for step in shown["steps"]}
    assert (steps["llm"]["timeout_s"], steps["llm"]["max_attempts"]) == (180, 3)
    assert steps["compile"]["timeout_s"] == 900
    assert shown["deadline_s"] == 14_400
    wrong = await _start(api, settings={"runs.step_timeouts": {"sing": 3}})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, Reason.SETTING_INVALID)
