"""Who is claimed when: fair between tenants, by priority within one, cheaply however long the queue, within quotas."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.ids import new_id
from lace_runs.adapters import claims
from lace_runs.adapters.lease import WorkerLease
from lace_runs.domain.quotas import Limits
from lace_runs.domain.runs import RunState, Trigger
from tests.doubles.runs_world import World

_VERSIONS = itertools.count(1000)

# Many runs at once, as if they had been started one after the other; the version keeps other tests' workers off.
QUEUE = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  settings, effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
  traceparent, created_at, priority)
SELECT %(tenant)s, %(prefix)s || n, 'noop10', %(version)s, 'queued', '{}', '', 'prn_test', '{}', '', '', '[]', '[]', '',
  '', '', '', now() + n * interval '1 microsecond', %(priority)s
FROM generate_series(1, %(count)s) AS n
"""


@pytest.fixture
async def admin(postgres: Any) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The database as its administrator; what the test queued is gone afterwards."""
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        yield connection
        await connection.execute("DELETE FROM runs.runs WHERE pipeline_version >= 1000")


class Queue:
    """Runs of a version that nobody else can run."""

    def __init__(self, admin: psycopg.AsyncConnection[Any]) -> None:
        self._admin = admin
        self.version = next(_VERSIONS)
        self.can_run = [f"noop10/{self.version}"]

    async def add(self, tenant: str, count: int, priority: int = 5) -> list[str]:
        prefix = new_id("run")
        values = {"tenant": tenant, "prefix": prefix, "count": count, "priority": priority, "version": self.version}
        await self._admin.execute(QUEUE, values)
        return [f"{prefix}{n}" for n in range(1, count + 1)]

    async def end(self, run_ids: Sequence[str]) -> None:
        ended = "UPDATE runs.runs SET state = 'succeeded', worker_id = NULL WHERE run_id = ANY(%s)"
        await self._admin.execute(ended, [list(run_ids)])


@pytest.fixture
def queue(admin: psycopg.AsyncConnection[Any]) -> Queue:
    return Queue(admin)


@asynccontextmanager
async def _workers(world: World, count: int) -> AsyncIterator[list[WorkerLease]]:
    made = [WorkerLease(world.system, world.dsn, world.password, lease_ms=5000, renewal_ms=1000) for _ in range(count)]
    await asyncio.gather(*(lease.start() for lease in made))
    try:
        yield made
    finally:
        await asyncio.gather(*(lease.close() for lease in made))


async def test_ten_thousand_runs_of_one_tenant_delay_anothers_by_one_place(world: World, queue: Queue) -> None:
    greedy, modest = new_id("ten"), new_id("ten")
    await queue.add(greedy, 10_000)
    [single] = await queue.add(modest, 1)
    async with _workers(world, 1) as [lease]:
        first = {claimed.run.tenant_id: claimed.run.run_id for claimed in await lease.claim([], queue.can_run, 2)}
        assert set(first) == {greedy, modest}
        assert first[modest] == single

        held = [first[greedy], single]
        held += [claimed.run.run_id for claimed in await lease.claim(held, queue.can_run, 40)]
        [late] = await queue.add(modest, 1)
        await queue.end([held.pop(0)])
        [claimed] = await lease.claim(held, queue.can_run, 1)
        assert claimed.run.run_id == late, "a place that became free goes to who has less"


async def test_tenants_share_evenly_and_each_by_priority_and_age(world: World, queue: Queue) -> None:
    tenants = sorted(new_id("ten") for _ in range(3))
    wanted = []
    for tenant in tenants:
        old = await queue.add(tenant, 3)
        urgent = await queue.add(tenant, 1, priority=9)
        await queue.add(tenant, 1, priority=0)
        wanted += [*urgent, *old]
    async with _workers(world, 1) as [lease]:
        taken: list[str] = []
        shares: Counter[str] = Counter()
        for _ in range(4):
            for claimed in await lease.claim(taken, queue.can_run, 3):
                taken.append(claimed.run.run_id)
                shares[claimed.run.tenant_id] += 1
            assert len(set(shares.values())) == 1, "after every round all have the same"
    assert set(taken) == set(wanted)


async def test_a_run_that_came_without_a_claim_counts_for_its_tenant(world: World, queue: Queue) -> None:
    early, late = new_id("ten"), new_id("ten")
    await queue.add(early, 2)
    await queue.add(late, 1)
    async with _workers(world, 2) as (lease, other):
        [given] = await other.claim([], queue.can_run, 1)
        assert given.run.tenant_id == early
        lease.holds(given.run)
        [claimed] = await lease.claim([given.run.run_id], queue.can_run, 1)
    assert claimed.run.tenant_id == late


async def test_a_claim_reads_the_head_of_the_queue_only(
    world: World, queue: Queue, admin: psycopg.AsyncConnection[Any]
) -> None:
    tenant = new_id("ten")
    touched = []
    for count in (100, 10_000):
        await queue.add(tenant, count)
        await admin.execute("VACUUM (ANALYZE) runs.runs")
        root = await _plan(world, queue)
        touched.append(root["Shared Hit Blocks"] + root["Shared Read Blocks"])
    scanned = [node["Node Type"] for node in _nodes(root) if node.get("Relation Name") == "runs"]
    assert scanned
    assert "Seq Scan" not in scanned
    assert touched[1] < touched[0] + 100, f"pages for one of 100 runs, and for one of 10,100: {touched}"


async def _plan(world: World, queue: Queue) -> dict[str, Any]:
    values: dict[str, Any] = {"worker_id": new_id("wrk"), "held": [], "can_run": queue.can_run, "room": 1}
    values |= {"counted": [], "tenants": [], "counts": []}
    async with world.system.transaction() as tx:
        plan = await tx.fetch_one("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + claims.CLAIM_ALL, values)
    assert plan is not None
    found: dict[str, Any] = plan[0][0]["Plan"]
    return found


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def test_a_tenants_runs_stay_within_its_places_across_workers(
    world: World, queue: Queue, admin: psycopg.AsyncConnection[Any]
) -> None:
    bound, free = new_id("ten"), new_id("ten")
    await queue.add(bound, 30)
    await queue.add(free, 30)
    limits = Limits(max_concurrent_runs=3, version=1)
    async with world.open(bound) as work:
        await work.quotas.put(bound, limits)
        await work.commit()
    async with _workers(world, 4) as workers:
        held: dict[str, list[str]] = {lease.worker_id: [] for lease in workers}

        async def claim(lease: WorkerLease) -> None:
            own = held[lease.worker_id]
            own += [claimed.run.run_id for claimed in await lease.claim(own, queue.can_run, 4)]

        for _ in range(3):
            await asyncio.gather(*(claim(lease) for lease in workers))
        rows = await admin.execute(
            "SELECT tenant_id, array_agg(run_id) FROM runs.runs WHERE tenant_id = ANY(%s) AND state = 'running' "
            "GROUP BY tenant_id",
            [[bound, free]],
        )
        running = dict(await rows.fetchall())
        assert len(running[bound]) == 3
        assert len(running[free]) > 3
        await queue.end([running[bound][0]])
        for lease in workers:
            held[lease.worker_id] = [run_id for run_id in held[lease.worker_id] if run_id != running[bound][0]]
        before = sum(map(len, held.values()))
        await asyncio.sleep(claims.LOOK_AROUND_S)
        for lease in workers:
            await claim(lease)
        assert sum(map(len, held.values())) > before
        count = await (
            await admin.execute("SELECT count(*) FROM runs.runs WHERE tenant_id = %s AND state = 'running'", [bound])
        ).fetchone()
    assert count == (3,)


async def test_what_is_only_to_be_cancelled_needs_no_place(world: World) -> None:
    waiting = await world.start("noop10")
    await world.control(waiting.run_id, Trigger.CANCEL)
    async with _workers(world, 1) as [lease]:
        claimed = [work.run for work in await lease.claim([], ["noop10/1"], 0)]
    mine = [run for run in claimed if run.tenant_id == world.tenant_id]
    assert [(run.run_id, run.state) for run in mine] == [(waiting.run_id, RunState.QUEUED)]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_queued_runs=5, version=1), Reason.QUOTA_EXCEEDED),
        (Limits(runs_per_minute=5, version=1), Reason.RATE_LIMITED),
    ],
)
async def test_of_starts_at_once_no_more_come_through_than_may(world: World, limits: Limits, reason: Reason) -> None:
    answers = await asyncio.gather(*(world.start("noop10", limits=limits) for _ in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, LaceError)]
    assert len(answers) - len(refused) == 5
    for refusal in refused:
        assert (refusal.reason, refusal.retryable) == (reason, True)
        assert refusal.retry_after is not None
        assert 1 <= refusal.retry_after <= 60
    lifted = Limits(version=2)
    assert (await world.start("noop10", limits=lifted)).state is RunState.QUEUED
    stale = await world.start("noop10", limits=limits)
    assert stale.state is RunState.QUEUED, "what control said before is not what it says now"
