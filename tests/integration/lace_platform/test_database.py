"""Transactions: tenant, rollback, commit, notifications, lost connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from lace_core.errors import LaceError, Reason
from lace_platform.db.database import Database, Transaction
from lace_platform.ids import new_id

if TYPE_CHECKING:
    from tests.conftest import PostgresServer
    from tests.integration.lace_platform.conftest import Probe


async def _names(db: Database, tenant_id: str) -> list[str]:
    async with db.transaction(tenant_id) as tx:
        return [row.name for row in await tx.fetch_all("SELECT name FROM things ORDER BY name")]


async def _add(tx: Transaction, tenant_id: str, name: str) -> None:
    await tx.execute("INSERT INTO things VALUES (:tenant_id, :name)", {"tenant_id": tenant_id, "name": name})


async def test_committed_work_is_there_and_uncommitted_is_not(probe: Probe, tenant_id: str) -> None:
    async with probe.db.transaction(tenant_id) as tx:
        await _add(tx, tenant_id, "kept")
        await tx.commit()
    async with probe.db.transaction(tenant_id) as tx:
        await _add(tx, tenant_id, "left without commit")
    with pytest.raises(ZeroDivisionError):
        async with probe.db.transaction(tenant_id) as tx:
            await _add(tx, tenant_id, "left by an error")
            raise ZeroDivisionError
    assert await _names(probe.db, tenant_id) == ["kept"]


async def test_a_cancelled_transaction_is_rolled_back_and_its_connection_returned(probe: Probe, tenant_id: str) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with probe.db.transaction(tenant_id) as tx:
            await _add(tx, tenant_id, "never")
            entered.set()
            await tx.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await entered.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _names(probe.db, tenant_id) == []
    assert "Current Checked out connections: 0" in probe.db.engine.pool.status()


async def test_who_is_cancelled_twice_in_a_statement_stays_cancelled(probe: Probe, tenant_id: str) -> None:
    async def linger() -> None:
        async with probe.db.transaction(tenant_id) as tx:
            entered.set()
            await tx.execute("SELECT pg_sleep(20)")

    entered = asyncio.Event()
    task = asyncio.create_task(linger())
    await entered.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # the driver was still asking the server to stop: it gives the connection up
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _names(probe.db, tenant_id) == []


async def test_nothing_runs_after_the_commit(probe: Probe, tenant_id: str) -> None:
    async with probe.db.transaction(tenant_id) as tx:
        await tx.commit()
        with pytest.raises(RuntimeError):
            await tx.execute("SELECT 1")
        with pytest.raises(RuntimeError):
            await tx.commit()


async def test_a_query_that_forgets_the_tenant_sees_only_its_own(probe: Probe, tenant_id: str) -> None:
    other = new_id("ten")
    for tenant in (tenant_id, other):
        async with probe.db.transaction(tenant) as tx:
            await _add(tx, tenant, f"of {tenant}")
            await tx.commit()
    async with probe.db.transaction(tenant_id) as tx:
        assert await tx.fetch_all("SELECT tenant_id FROM things") == [(tenant_id,)]
        assert (await tx.execute("UPDATE things SET name = 'taken' WHERE tenant_id = :t", {"t": other})).rowcount == 0
        assert (await tx.execute("DELETE FROM things")).rowcount == 1


async def test_a_row_cannot_be_written_into_another_tenant(probe: Probe, tenant_id: str) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        async with probe.db.transaction(tenant_id) as tx:
            await _add(tx, new_id("ten"), "smuggled")


async def test_the_tenant_does_not_outlive_its_transaction(probe: Probe, tenant_id: str) -> None:
    """A pooled connection, used raw without a tenant, shows nothing of the tenant before."""
    async with probe.db.transaction(tenant_id) as tx:
        await _add(tx, tenant_id, "secret")
        await tx.commit()
    async with probe.db.engine.connect() as raw:
        assert (await raw.exec_driver_sql("SELECT count(*) FROM probe.things")).scalar_one() == 0


async def test_a_hostile_tenant_id_is_only_text(probe: Probe) -> None:
    hostile = "x'); DROP TABLE probe.things; --"
    async with probe.db.transaction(hostile) as tx:
        row = await tx.fetch_one("SELECT current_setting('lace.tenant_id') AS tenant")
    assert row is not None
    assert row.tenant == hostile


async def test_the_system_role_sees_every_tenant(probe: Probe, tenant_id: str) -> None:
    other = new_id("ten")
    for tenant in (tenant_id, other):
        async with probe.db.transaction(tenant) as tx:
            await _add(tx, tenant, "seen")
            await tx.commit()
    async with probe.system.transaction() as tx:
        rows = await tx.fetch_all("SELECT tenant_id FROM things WHERE tenant_id = ANY(:t)", {"t": [tenant_id, other]})
    assert {row.tenant_id for row in rows} == {tenant_id, other}


async def test_values_come_back_as_they_went(probe: Probe, tenant_id: str) -> None:
    value = {"a": [1, 2.5, None, "ä"], "b": {"c": True}}
    async with probe.db.transaction(tenant_id) as tx:
        row = await tx.fetch_one(
            "SELECT :v AS jsonb_value, CAST(:list AS text[]) AS names, 10 % 3 AS rest, current_setting('timezone') tz",
            {"v": value, "list": ["x", "y"]},
        )
    assert row is not None
    assert (row.jsonb_value, row.names, row.rest, row.tz) == (value, ["x", "y"], 1, "UTC")


async def test_many_rows_in_one_call_and_a_broken_constraint(probe: Probe, tenant_id: str) -> None:
    rows = [{"tenant_id": tenant_id, "name": f"n{i}"} for i in range(20)]
    async with probe.db.transaction(tenant_id) as tx:
        await tx.execute("INSERT INTO things VALUES (:tenant_id, :name)", rows)
        await tx.commit()
    assert len(await _names(probe.db, tenant_id)) == 20
    with pytest.raises(IntegrityError):
        async with probe.db.transaction(tenant_id) as tx:
            await _add(tx, tenant_id, "n3")


async def test_the_rowcount_tells_an_insert_from_a_conflict(probe: Probe, tenant_id: str) -> None:
    row = {"tenant_id": tenant_id, "name": "once"}
    async with probe.db.transaction(tenant_id) as tx:
        insert = "INSERT INTO things VALUES (:tenant_id, :name) ON CONFLICT DO NOTHING"
        assert [(await tx.execute(insert, row)).rowcount for _ in range(2)] == [1, 0]


async def test_a_transaction_without_a_tenant_is_refused(probe: Probe) -> None:
    with pytest.raises(ValueError, match="needs a tenant"):
        async with probe.db.transaction(""):
            pass


async def test_callbacks_run_after_the_commit_and_only_then(probe: Probe, tenant_id: str) -> None:
    called: list[str] = []

    def failing() -> None:
        called.append("failing")
        raise ValueError("logged")

    async with probe.db.transaction(tenant_id) as tx:
        tx.on_commit(failing)
        tx.on_commit(lambda: called.append("second"))
        assert called == []
        await tx.commit()
    async with probe.db.transaction(tenant_id) as tx:
        tx.on_commit(lambda: called.append("never"))
    assert called == ["failing", "second"]


async def test_a_notification_goes_out_after_the_commit(probe: Probe, tenant_id: str) -> None:
    """Whoever is woken already sees the row."""
    waiting = probe.listener.subscribe("probe_channel")
    await waiting.wait(0.5)  # the wake-up that a new channel gives
    async with probe.db.transaction(tenant_id) as tx:
        await _add(tx, tenant_id, "told")
        await tx.notify_after_commit("probe_channel")
        await tx.notify_after_commit("probe_channel")
        assert not await waiting.wait(0.1)
        await tx.commit()
    assert await waiting.wait(2)
    assert await _names(probe.db, tenant_id) == ["told"]
    async with probe.db.transaction(tenant_id) as tx:
        await tx.notify_after_commit("probe_channel")
    assert not await waiting.wait(0.1)
    waiting.close()


async def test_a_failed_notification_does_not_fail_the_commit(probe: Probe, tenant_id: str) -> None:
    async with probe.db.transaction(tenant_id) as tx:
        await _add(tx, tenant_id, "kept")
        await tx.notify_after_commit("x" * 100)  # longer than a channel's name may be
        await tx.commit()
    assert await _names(probe.db, tenant_id) == ["kept"]


async def _end_sessions(probe: Probe, application_name: str) -> None:
    async with await psycopg.AsyncConnection.connect(probe.admin_dsn, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (application_name,),
        )
    await asyncio.sleep(0.03)  # until the sessions have seen it


async def test_the_pool_gets_over_lost_connections(probe: Probe, tenant_id: str) -> None:
    async def hold() -> None:
        async with probe.db.transaction(tenant_id) as tx:
            await tx.execute("SELECT pg_sleep(0.02)")

    await asyncio.gather(*(hold() for _ in range(5)))
    await _end_sessions(probe, "lace_probe")
    await asyncio.gather(*(hold() for _ in range(5)))


async def test_the_autocommit_connection_gets_over_a_lost_connection(probe: Probe) -> None:
    assert (await probe.system.execute_now("SELECT CAST(:n AS integer) AS n", {"n": 7}))[0].n == 7
    await _end_sessions(probe, "lace_probe_system")
    assert await probe.system.execute_now("SELECT 8 AS n") == [(8,)]


async def test_one_autocommit_statement_is_committed(probe: Probe, tenant_id: str) -> None:
    insert = "INSERT INTO things SELECT :tenant_id, unnest(CAST(:names AS text[])) RETURNING name"
    rows = await probe.system.execute_now(insert, {"tenant_id": tenant_id, "names": ["a", "b%"]})
    assert [row.name for row in rows] == ["a", "b%"]
    assert await probe.system.execute_now("UPDATE things SET name = name WHERE false") == []
    assert await _names(probe.db, tenant_id) == ["a", "b%"]


async def test_the_listener_gets_over_a_lost_connection(probe: Probe, tenant_id: str) -> None:
    waiting = probe.listener.subscribe("probe_other")
    await waiting.wait(0.5)
    await _end_sessions(probe, "lace_probe_listener")
    assert await waiting.wait(3), "a lost connection wakes everyone, since notifications may be lost with it"
    await asyncio.sleep(0.05)
    async with probe.db.transaction(tenant_id) as tx:
        await tx.notify_after_commit("probe_other")
        await tx.commit()
    assert await waiting.wait(2)
    waiting.close()


async def test_an_unreachable_database_is_a_retryable_error(postgres: PostgresServer) -> None:
    away = type(postgres)("postgresql://x@/lace?host=/nowhere", "s").database("probe")
    with pytest.raises(LaceError) as caught:
        async with away.transaction("ten_x"):
            pass
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert caught.value.retryable
    await away.close()


async def test_a_text_that_no_database_keeps_is_the_callers_mistake(probe: Probe, tenant_id: str) -> None:
    for statement in ("SELECT * FROM things WHERE name = :name", text("SELECT * FROM things WHERE name = :name")):
        with pytest.raises(LaceError) as failure:
            async with probe.db.transaction(tenant_id) as tx:
                await tx.fetch_all(statement, {"name": "a\0b"})
        assert failure.value.reason is Reason.INVALID_ARGUMENT


async def test_what_a_statement_was_given_is_not_told_by_its_failure(probe: Probe, tenant_id: str) -> None:
    with pytest.raises(DBAPIError) as failure:
        async with probe.db.transaction(tenant_id) as tx:
            await tx.execute(text("SELECT 1 / length(CAST(:name AS text) || '') FROM nowhere"), {"name": "a secret"})
    assert "a secret" not in str(failure.value)
