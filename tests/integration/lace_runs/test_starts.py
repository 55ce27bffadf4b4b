"""Starts that are made together: each once, under its key, and in the hands of a worker that has room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import PIPELINES
from lace_core.settings import resolve
from lace_platform.auth import Identity
from lace_platform.clock import utc_now
from lace_platform.rpc import CallContext, acting_as
from lace_runs.adapters.starts import KEEP_SETTINGS, GroupStart
from lace_runs.app import starting
from lace_runs.app.ports import Caller, Claimed, Resolved
from lace_runs.app.runs import GRANT, Start, start_run
from lace_runs.domain.quotas import Limits
from lace_runs.domain.runs import Request, Run, RunState
from tests.doubles.runs_world import World

ROUTE = "/lace.runs.v1.RunService/StartRun"
RESOLVED = Resolved({**resolve([]).values, "runs.bench_pipelines": True, "compile.targets": []}, "0" * 64, "")


@pytest.fixture(autouse=True)
async def nothing_left(world: World) -> AsyncIterator[None]:
    """What these tests start and nobody does is not left for the workers of others."""
    yield
    await world.sql(
        """UPDATE runs.runs SET state = 'cancelled', worker_id = NULL
           WHERE tenant_id = :tenant_id AND state IN ('queued', 'running')""",
        tenant_id=world.tenant_id,
    )


class Hands:
    """Takes so many runs, and keeps them."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.begun: list[Claimed] = []

    @asynccontextmanager
    async def open(self, wanted: int) -> AsyncIterator[int]:
        yield min(wanted, self.room)

    def begin(self, work: Claimed) -> None:
        self.begun.append(work)


@asynccontextmanager
async def _group(world: World, hands: Any, worker_id: str = "wrk_one", **values: Any) -> AsyncIterator[GroupStart]:
    group = GroupStart(world.system, hands, worker_id, lambda: None, **values)
    await group.start()
    try:
        yield group
    finally:
        await group.close()


async def _start(
    world: World, group: GroupStart, key: str, pipeline_id: str = "noop10", body: bytes = b"{}", **request: Any
) -> tuple[str, bool]:
    """The id of the run, and whether it was made without a look."""
    who = world.caller(key)
    start = Start(pipeline_id, Request(**request))
    said: list[str] = []

    def encode(run: Run) -> bytes:
        said.append(run.run_id)
        return run.run_id.encode()

    with acting_as(_call(who)):
        asked = (ROUTE, body)
        answer = await starting.start_at_once(
            group, who, start, PIPELINES[pipeline_id], RESOLVED, utc_now(), asked, encode
        )
    return said[0], answer is not None


def _call(who: Caller) -> CallContext:
    now = utc_now()
    identity = Identity(
        principal_id=who.principal_id, tenant_id=who.tenant_id, roles=frozenset(), scopes=frozenset(GRANT),
        labels=frozenset(), kind="user", run_id=None, token_id=None, issued_at=now, expires_at=now + timedelta(hours=1),
        epoch=0,
    )  # fmt: skip
    return CallContext(identity, who.request_id, who.correlation_id, idempotency_key=who.idempotency_key)


async def _messages(world: World, run_ids: Sequence[str]) -> int:
    async with world.system.transaction() as tx:
        statement = "SELECT count(*) AS sent FROM runs.outbox_events WHERE key = ANY(:keys)"
        row = await tx.fetch_one(statement, {"keys": list(run_ids)})
    return int(row.sent) if row else 0


async def test_a_run_is_its_workers_from_its_first_commit_on_and_is_done(world: World) -> None:
    async with world.worker() as (lease, worker), _group(world, worker, lease.worker_id) as group:
        async with asyncio.timeout(10):
            while worker._behind:  # its first look at what waits
                await asyncio.sleep(0.01)
        made = await asyncio.gather(*(_start(world, group, f"key-{number}") for number in range(20)))
        for run_id, at_once in made:
            assert at_once
            run = await world.until(run_id, "succeeded")
            assert (run.epoch, run.steps_done) == (1, 10)
            events = await world.events(run_id)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert events[0].draft.event_type == "pipeline.run.requested"


async def test_what_there_is_no_room_for_waits_and_its_dispatch_is_sent(world: World) -> None:
    hands = Hands(room=2)
    async with _group(world, hands) as group:
        made = [await _start(world, group, f"key-{number}") for number in range(2)]
        hands.room = 0
        made += [await _start(world, group, "key-2")]
    runs = [await world.get(run_id) for run_id, _ in made]
    assert [(run.state, run.epoch) for run in runs] == [(RunState.RUNNING, 1)] * 2 + [(RunState.QUEUED, 0)]
    assert [work.run for work in hands.begun] == runs[:2]
    assert [await _messages(world, [run.run_id]) for run in runs] == [0, 0, 1]


async def test_a_claim_that_hangs_keeps_no_start_waiting(world: World) -> None:
    async with world.worker() as (lease, worker), _group(world, worker, lease.worker_id) as group:
        async with worker._claiming, asyncio.timeout(30):
            run_id, at_once = await _start(world, group, "key")
            assert (at_once, (await world.get(run_id)).state) == (True, RunState.QUEUED)
        assert (await world.until(run_id, "succeeded")).epoch == 1


async def test_where_events_are_published_the_first_one_is(world: World) -> None:
    async with _group(world, Hands(room=1), publish_events=True) as group:
        run_id, _ = await _start(world, group, "key")
    assert await _messages(world, [run_id]) == 1


async def test_a_writing_run_begins_its_artifact(world: World) -> None:
    async with _group(world, Hands(room=0)) as group:
        run_id, at_once = await _start(world, group, "key", "generate", title="Weirs", language="de")
    run = await world.get(run_id)
    async with world.open(world.tenant_id) as work:
        record = await work.artifacts.get(world.tenant_id, run.artifact_id)
    assert at_once
    assert (record.title, record.language, record.created_by) == ("Weirs", "de", "prn_test")


async def test_a_key_that_was_used_starts_nothing(world: World) -> None:
    async with _group(world, Hands(room=1)) as group:
        assert (await _start(world, group, "key"))[1]
        assert not (await _start(world, group, "key"))[1]
        assert not (await _start(world, group, "key", "generate", title="Another"))[1]
    async with world.open(world.tenant_id) as work:
        assert len(await work.runs.list(world.tenant_id, "", None, 10)) == 1


async def test_a_key_is_answered_alike_whichever_way_its_first_request_took(world: World) -> None:
    async with _group(world, Hands(room=1)) as group:
        run_id, _ = await _start(world, group, "key", body=b'{"pipeline_id":"noop10"}')

    async def never() -> bytes:
        raise AssertionError("its effect has happened")

    with acting_as(_call(world.caller("key"))):
        async with world.open(world.tenant_id) as work:
            assert await work.once(ROUTE, b'{"pipeline_id":"noop10"}', never) == (run_id.encode(), True)
        async with world.open(world.tenant_id) as work:
            with pytest.raises(LaceError) as refused:
                await work.once(ROUTE, b'{"pipeline_id":"outline"}', never)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_a_run_whose_keys_record_is_gone_is_not_started_again(world: World) -> None:
    async with world.open(world.tenant_id) as work:
        run = await start_run(work, world.caller("key"), Start("noop10", Request()), RESOLVED, utc_now())
        await work.commit()
    async with _group(world, Hands(room=1)) as group:
        assert await _start(world, group, "key") == (run.run_id, False)


async def test_while_a_key_is_being_answered_it_is_not_answered_again(world: World) -> None:
    async with _group(world, Hands(room=1)) as group:
        made = await asyncio.gather(*(_start(world, group, "key") for _ in range(3)), return_exceptions=True)
        started = [answer for answer in made if not isinstance(answer, BaseException)]
        refused = [answer.reason for answer in made if isinstance(answer, LaceError)]
        assert [at_once for _, at_once in started] == [True]
        assert refused == [Reason.IDEMPOTENCY_IN_PROGRESS] * 2


async def test_a_key_that_a_transaction_holds_is_in_progress(world: World) -> None:
    async with _group(world, Hands(room=1)) as group:
        with acting_as(_call(world.caller("key"))):
            async with world.open(world.tenant_id) as work:

                async def effect() -> bytes:
                    with pytest.raises(LaceError) as refused:
                        await _start(world, group, "key")
                    assert refused.value.reason is Reason.IDEMPOTENCY_IN_PROGRESS
                    return b""

                await work.once(ROUTE, b"{}", effect)


async def test_one_that_cannot_be_written_leaves_the_others_to_be_made_by_themselves(world: World) -> None:
    async with _group(world, Hands(room=9)) as group:
        made = await asyncio.gather(
            _start(world, group, "one"), _start(world, group, "two", "generate", title="No \x00 text")
        )
        assert [at_once for _, at_once in made] == [False, False]
        assert (await _start(world, group, "one"))[1]


class Lost:
    """A database whose connection is lost after it has committed and before it has answered."""

    def __init__(self, world: World) -> None:
        self._system = world.system

    async def execute_now(self, sql: str, parameters: Any = None) -> Sequence[Any]:
        rows = await self._system.execute_now(sql, parameters)
        if sql == KEEP_SETTINGS:
            return rows
        raise psycopg.OperationalError("the connection is lost")


async def test_a_run_whose_start_was_not_heard_of_is_done_once(world: World) -> None:
    async with world.worker() as (lease, worker):
        async with asyncio.timeout(10):
            while worker._behind:
                await asyncio.sleep(0.01)
        group = GroupStart(Lost(world), worker, lease.worker_id, lambda: None)  # type: ignore[arg-type]
        await group.start()
        run_id, at_once = await _start(world, group, "key")
        await group.close()
        assert not at_once
        run = await world.until(run_id, "succeeded")
    assert (run.epoch, run.steps_done) == (2, 10)


def test_what_has_to_be_looked_at_is_not_started_at_once() -> None:
    pipeline = PIPELINES["generate"]
    told = Resolved(RESOLVED.values, "", "", Limits(version=1))
    assert starting.needs_no_look(Start("generate", Request()), pipeline, RESOLVED)
    assert not starting.needs_no_look(Start("generate", Request()), pipeline, told)
    assert not starting.needs_no_look(Start("generate", Request(), "art_1"), pipeline, RESOLVED)
