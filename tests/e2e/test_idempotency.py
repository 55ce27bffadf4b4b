"""Every mutation of the API, sent again and again, at once, and after its answer was lost: one effect, one answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from lace_platform.db.database import SystemDatabase
from lace_platform.db.transaction import Transaction
from lace_platform.rpc.context import call_or_none
from lace_proto.descriptors import RestMethod, rest_methods
from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import MUTATIONS, Asked, Mutation, Stage

METHODS = {method.name: method for method in rest_methods() if method.rest.idempotent}
_QUICK = ("CreateArtifact", "StartRun", "PauseRun", "PutUserSettings")  # enough for every change


@pytest.fixture
async def stage(api: httpx.AsyncClient, installation: RunningInstallation) -> Stage:
    return Stage(api, installation.admin_dsn)


@pytest.fixture
async def somebody_else(installation: RunningInstallation, stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """The same tenant's other administrator."""
    made = await stage.change("POST", "/v1/principals", {"name": "other", "roles": ["system_admin"]})
    token = await stage.change("POST", "/v1/tokens", {"name": "other", "principal_id": made["principal_id"]})
    headers = {"authorization": f"Bearer {token['secret']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        yield client


class Request:
    """One request of a mutation under one key, to be sent as often as wanted."""

    def __init__(self, method: RestMethod, asked: Asked, key: str = "") -> None:
        self.method, self.asked = method, asked
        self.mark = uuid.uuid4().hex
        self.key = key or self.mark

    async def send(self, api: httpx.AsyncClient, body: Any = None, path: Any = None) -> httpx.Response:
        """The answer; while the first of the same key is under way, it waits for its answer as it is told to."""
        headers = {"idempotency-key": self.key, "x-correlation-id": self.mark}
        place = self.method.path.format_map(path or self.asked.path)
        while True:
            json = self.asked.body if body is None else body
            answer = await api.request(self.method.http_verb, place, json=json, headers=headers)
            if answer.status_code != 409 or answer.json()["error_code"] != "IDEMPOTENCY_IN_PROGRESS":
                return answer
            assert answer.json()["retryable"] is True
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.05)  # sooner than asked, to make it harder

    async def effects(self, stage: Stage, mutation: Mutation) -> int:
        return int(await stage.sql(mutation.count, mark=self.mark, subject=self.asked.subject))


def _alike(answers: list[httpx.Response], mutation: Mutation) -> None:
    """Byte for byte the same; of secrets, that only one of the answers has them."""
    assert {answer.status_code for answer in answers} <= {200, 201, 202, 204}, answers[0].text
    bodies = [orjson.loads(answer.content) for answer in answers]
    for name in mutation.once:
        assert sum(bool(body[name]) for body in bodies) <= 1, "a secret was shown twice"
        bodies = [{**body, name: ""} for body in bodies]
    assert len({orjson.dumps(body) for body in bodies}) == 1
    if not mutation.once:
        assert len({answer.content for answer in answers}) == 1
    for header in ("location", "etag"):
        assert len({answer.headers.get(header) for answer in answers}) == 1


def test_there_is_a_case_for_every_mutation_of_the_contract() -> None:
    assert set(MUTATIONS) == set(METHODS)


def _sendings() -> list[Any]:
    """Every method once, twice and fifty times at once."""
    return [
        pytest.param(name, times, marks=() if name in _QUICK and times == 2 else pytest.mark.slow)
        for name in METHODS
        for times in (1, 2, 50)
    ]


@pytest.mark.parametrize(("name", "times"), _sendings())
async def test_however_often_it_is_sent_at_once_it_is_one_effect_and_one_answer(
    name: str, times: int, stage: Stage
) -> None:
    mutation = MUTATIONS[name]
    request = Request(METHODS[name], await mutation.prepare(stage))
    before = await request.effects(stage, mutation)
    answers = list(await asyncio.gather(*(request.send(stage.api) for _ in range(times))))
    answers.append(await request.send(stage.api))
    _alike(answers, mutation)
    assert (before, await request.effects(stage, mutation)) == (0, 1)


@pytest.mark.one_process  # others are killed by tests/chaos
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in METHODS]
)
async def test_an_answer_that_was_lost_behind_the_commit_is_given_again(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation = MUTATIONS[name]
    request = Request(METHODS[name], await mutation.prepare(stage), key=f"lost-{uuid.uuid4().hex}")
    commit, execute_now = Transaction.commit, SystemDatabase.execute_now
    begun: list[str] = []
    lost: list[str] = []

    def break_off() -> None:
        lost.append(request.key)
        raise ConnectionAbortedError("as if the process were gone")

    async def commit_and_break(transaction: Transaction) -> None:
        call = call_or_none()
        first = call is not None and call.idempotency_key == request.key and not begun
        begun.extend([request.key] if first else [])  # before the commit: what it starts has the same call, and commits
        await commit(transaction)
        if first:
            break_off()

    async def execute_and_break(database: SystemDatabase, sql: str, parameters: Any = None) -> Any:
        rows = await execute_now(database, sql, parameters)
        if request.key in str(parameters) and not lost:  # one of many that were committed together
            break_off()
        return rows

    monkeypatch.setattr(Transaction, "commit", commit_and_break)
    monkeypatch.setattr(SystemDatabase, "execute_now", execute_and_break)
    broken = await request.send(stage.api)
    assert lost == [request.key]
    # A start that was committed with others is looked up by its key before it is answered, and so not lost at all.
    assert broken.status_code == 500 or name in ("StartRun", "StartExtractFacts", "StartImport")
    answers = [*([broken] if broken.is_success else []), *[await request.send(stage.api) for _ in range(2)]]
    _alike(answers, mutation)
    assert await request.effects(stage, mutation) == 1


@pytest.mark.one_process  # keys are kept in the same tables wherever the services are
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in METHODS]
)
async def test_the_same_key_is_refused_for_another_request_and_another_principal(
    name: str, stage: Stage, somebody_else: httpx.AsyncClient
) -> None:
    mutation = MUTATIONS[name]
    asked = await mutation.prepare(stage)
    request = Request(METHODS[name], asked)
    assert (await request.send(stage.api)).is_success
    refused = await request.send(stage.api, asked.other, asked.other_path)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    operations = [orjson.loads(detail["description"]) for detail in refused.json()["details"]]
    assert operations
    assert all(operation["op"] in ("add", "remove", "replace", "move") for operation in operations)
    stranger = await request.send(somebody_else)
    assert (stranger.status_code, stranger.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert "principal" in stranger.json()["message"]
    assert await request.effects(stage, mutation) == 1


async def test_what_was_answered_once_is_answered_again_when_it_could_not_be_asked_any_more(stage: Stage) -> None:
    artifact_id = await stage.document(1)
    path = f"/v1/artifacts/{artifact_id}"
    root = (await stage.api.get(path)).json()["nodes"][0]["node_id"]
    inserted = {"idempotency_key": "below", "insert_node": {"parent_id": root, "title": "Below"}}
    await stage.change("PATCH", path, {"actions": [inserted]})
    node_id = (await stage.api.get(path)).json()["nodes"][1]["node_id"]
    body = {"artifact_id": artifact_id, "node_id": node_id, "instructions": "Shorter."}
    asked = Asked({"pipeline_id": "patch"}, body, {})
    request = Request(METHODS["StartRun"], asked)
    first = await request.send(stage.api)
    assert first.status_code == 202, first.text
    async with asyncio.timeout(30):
        while (await stage.api.get(first.headers["location"])).json()["state"] not in ("failed", "succeeded"):
            await asyncio.sleep(0.05)
    await stage.change("PATCH", path, {"actions": [{"idempotency_key": "r", "remove_node": {"node_id": node_id}}]})
    refused = await Request(METHODS["StartRun"], asked).send(stage.api)
    assert (refused.status_code, refused.json()["error_code"]) == (404, "NODE_NOT_FOUND")
    assert (await request.send(stage.api)).content == first.content
