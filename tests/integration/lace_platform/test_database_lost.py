"""A server that goes away in the middle of a transaction is a database that cannot be reached, and no fault of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction


@pytest.fixture
async def own(postgres: Any, database: Callable[[str], Database]) -> Any:
    """A pool of one, whose session another one can end."""
    found = postgres.database("runs", pool_size=1)
    yield found
    await found.close()


async def _end_session(postgres: Any, tx: Transaction) -> None:
    [row] = await tx.fetch_all("SELECT pg_backend_pid() AS pid")
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [row.pid])


@pytest.mark.parametrize("commits", [False, True])
async def test_it_may_be_tried_again(postgres: Any, own: Database, tenant_id: str, commits: bool) -> None:
    with pytest.raises(LaceError) as lost:
        async with own.transaction(tenant_id) as tx:
            await _end_session(postgres, tx)
            await (tx.commit() if commits else tx.execute("SELECT 1"))
    assert (lost.value.reason, lost.value.retryable) == (Reason.SERVICE_UNAVAILABLE, True)
    async with own.transaction(tenant_id) as tx:
        assert (await tx.fetch_all("SELECT 1 AS one"))[0].one == 1


async def test_other_failures_keep_their_names(own: Database, tenant_id: str) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as failed:
        async with own.transaction(tenant_id) as tx:
            await tx.execute("SELECT 1 / 0")
    assert isinstance(failed.value.orig, psycopg.errors.DivisionByZero)
