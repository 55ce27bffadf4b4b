"""Statements on one connection: prepared once, told apart by their types, and ended where nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from lace_platform.db import session as module
from lace_platform.db.adaptation import adapt
from lace_platform.db.session import Session


@pytest.fixture
async def connection(postgres: Any) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as opened:
        adapt(opened)
        yield opened


@pytest.fixture
def session(connection: psycopg.AsyncConnection[Any]) -> Session:
    return Session(connection)


async def _prepared(session: Session) -> int:
    found = await session.execute("SELECT count(*) AS n FROM pg_prepared_statements")
    return int(found.rows[0].n)


async def test_values_come_back_as_they_went(session: Session) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    given = {
        "n": 7,
        "t": "it's 100% :t",
        "l": ["a", None],
        "d": {"k": [1]},
        "at": at,
        "age": timedelta(hours=3),
        "o": None,
    }
    sql = """SELECT CAST(:n AS bigint) AS n, CAST(:t AS text) AS t, CAST(:l AS text[]) AS l, :d AS d,
        CAST(:at AS timestamptz) AS at, :age AS age, CAST(:o AS text) AS o, CAST(:n AS bigint) % 4 AS rest"""
    [row] = (await session.execute(sql, given)).rows
    assert (row._asdict() | {"rest": 3}) == {**given, "rest": 3}
    assert row.rest == 3


async def test_it_says_how_many_rows_it_changed(session: Session) -> None:
    await session.execute("CREATE TEMPORARY TABLE t (n int); INSERT INTO t VALUES (1), (2)")
    changed = await session.execute("UPDATE t SET n = n + :by", {"by": 1})
    assert (changed.rows, changed.rowcount) == ([], 2)
    assert (await session.execute("SELECT n FROM t ORDER BY n")).rows == [(2,), (3,)]


async def test_a_statement_is_prepared_once_for_the_types_that_it_gets(session: Session) -> None:
    before = await _prepared(session)
    for value in (1, 2, 3):
        assert (await session.execute("SELECT :v AS v", {"v": value})).rows == [(value,)]
    assert await _prepared(session) == before + 1
    assert (await session.execute("SELECT :v AS v", {"v": True})).rows == [(True,)]
    assert await _prepared(session) == before + 2


async def test_only_so_many_stay_prepared(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PREPARED", 3)
    for number in range(10):
        found = await session.execute(f"SELECT :v + {number} AS v", {"v": 1})
        assert found.rows == [(1 + number,)]
    assert await _prepared(session) <= 3


async def test_an_error_has_its_own_name_and_leaves_the_connection_of_use(session: Session) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await session.execute("SELECT 1 / :n", {"n": 0})
    with pytest.raises(psycopg.errors.SyntaxError):
        await session.execute("SELEKT :n", {"n": 0})
    assert (await session.execute("SELECT 1 / :n AS n", {"n": 1})).rows == [(1,)]


async def test_what_somebody_else_had_forgotten_is_prepared_again(session: Session) -> None:
    assert (await session.execute("SELECT :n AS n", {"n": 1})).rows == [(1,)]
    await session.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        await session.execute("SELECT :n AS n", {"n": 1})
    assert (await session.execute("SELECT :n AS n", {"n": 1})).rows == [(1,)]


async def test_a_large_value_goes_in_one_statement(session: Session) -> None:
    text = "x" * 20_000_000
    assert (await session.execute("SELECT length(:t) AS n", {"t": text})).rows == [(len(text),)]


async def test_who_is_cancelled_ends_the_statement_and_the_connection_stays_of_use(session: Session) -> None:
    began = asyncio.get_running_loop().time()
    task = asyncio.create_task(session.execute("SELECT pg_sleep(:s)", {"s": 20}))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - began < 10
    assert (await session.execute("SELECT 1 AS n")).rows == [(1,)]


async def test_a_session_that_was_ended_is_a_lost_connection(
    session: Session, connection: psycopg.AsyncConnection[Any], postgres: Any
) -> None:
    assert session.is_alive
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
    assert not session.is_alive
    with pytest.raises(psycopg.OperationalError):
        await session.execute("SELECT 1 AS n")


async def test_who_is_cancelled_while_he_prepares_leaves_the_next_a_name(session: Session) -> None:
    for turns in range(6):  # at each wait of the statement, the first of which is for its preparation
        cancelled = asyncio.create_task(session.execute(f"SELECT CAST(:n AS int) + {turns} AS n", {"n": 1}))
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        [row] = (await session.execute(f"SELECT CAST(:n AS int) * {turns} AS n", {"n": 3})).rows
        assert row.n == 3 * turns
