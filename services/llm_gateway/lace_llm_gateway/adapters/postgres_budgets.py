"""Counters and leases of budgets in Postgres; the server's clock is that of the leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.budgets import LIMITS, UNLIMITED, Amount, BudgetLimits, Counter, CounterKey, Period
from lace_llm_gateway.domain.leases import Lease, LeaseOrder, LeaseReply, exchange, expire
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.transaction import Transaction

_AMOUNTS = "granted_tokens, granted_micro_usd, used_tokens, used_micro_usd, returned_tokens, returned_micro_usd"
_LEASE = f"tenant_id, lease_id, process_id, principal_id, day, {_AMOUNTS}"
_LEASE_TYPES = (
    "tenant_id text, lease_id text, process_id text, principal_id text, day date, granted_tokens bigint, "
    "granted_micro_usd bigint, used_tokens bigint, used_micro_usd bigint, returned_tokens bigint, "
    "returned_micro_usd bigint"
)
_KEY_TYPES = "tenant_id text, principal_id text, period text, starts_on date"
_COUNTER_TYPES = (
    f"{_KEY_TYPES}, spent_tokens bigint, spent_micro_usd bigint, leased_tokens bigint, leased_micro_usd bigint"
)

# Every transaction takes its rows in the order of their keys, so that none waits for another in a circle.
PUT_LIMITS = """
INSERT INTO llm_gateway.budget_limits AS known (tenant_id, limits, version)
SELECT tenant_id, limits, version
FROM json_to_recordset(CAST(:rows AS json)) AS told(tenant_id text, limits jsonb, version bigint)
ORDER BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET limits = excluded.limits, version = excluded.version
WHERE known.version < excluded.version
"""
GET_LIMITS = "SELECT tenant_id, limits, version FROM llm_gateway.budget_limits WHERE tenant_id = ANY(:tenant_ids)"
ADD_COUNTERS = f"""
INSERT INTO llm_gateway.budget_counters (tenant_id, principal_id, period, starts_on)
SELECT tenant_id, principal_id, period, starts_on FROM json_to_recordset(CAST(:rows AS json)) AS wanted({_KEY_TYPES})
ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING
"""
LOCK_COUNTERS = f"""
SELECT c.* FROM llm_gateway.budget_counters c
JOIN json_to_recordset(CAST(:rows AS json)) AS wanted({_KEY_TYPES}) USING (tenant_id, principal_id, period, starts_on)
ORDER BY c.tenant_id, c.principal_id, c.period, c.starts_on FOR UPDATE OF c
"""
PUT_COUNTERS = f"""
UPDATE llm_gateway.budget_counters c SET spent_tokens = n.spent_tokens, spent_micro_usd = n.spent_micro_usd,
  leased_tokens = n.leased_tokens, leased_micro_usd = n.leased_micro_usd
FROM json_to_recordset(CAST(:rows AS json)) AS n({_COUNTER_TYPES})
WHERE c.tenant_id = n.tenant_id AND c.principal_id = n.principal_id AND c.period = n.period
  AND c.starts_on = n.starts_on
"""
READ_COUNTERS = f"""
SELECT c.* FROM llm_gateway.budget_counters c
JOIN json_to_recordset(CAST(:rows AS json)) AS wanted({_KEY_TYPES}) USING (tenant_id, principal_id, period, starts_on)
"""
# Counters of which a lease still holds something stay until it is settled.
DROP_COUNTERS = """
WITH old AS (
  SELECT tenant_id, principal_id, period, starts_on FROM llm_gateway.budget_counters
  WHERE starts_on < :before AND leased_tokens = 0 AND leased_micro_usd = 0
  ORDER BY 1, 2, 3, 4 FOR UPDATE SKIP LOCKED
)
DELETE FROM llm_gateway.budget_counters c USING old
WHERE c.tenant_id = old.tenant_id AND c.principal_id = old.principal_id AND c.period = old.period
  AND c.starts_on = old.starts_on RETURNING c.starts_on
"""
LOCK_LEASES = f"""
SELECT {_LEASE} FROM llm_gateway.budget_leases WHERE lease_id = ANY(:lease_ids) AND process_id = :process_id
ORDER BY lease_id FOR UPDATE
"""
PUT_LEASES = f"""
INSERT INTO llm_gateway.budget_leases ({_LEASE}, expires_at)
SELECT {_LEASE}, clock_timestamp() + make_interval(secs => :life_s)
FROM json_to_recordset(CAST(:rows AS json)) AS n({_LEASE_TYPES}) ORDER BY lease_id
ON CONFLICT (tenant_id, lease_id) DO UPDATE SET ({_AMOUNTS}, expires_at) =
  (excluded.granted_tokens, excluded.granted_micro_usd, excluded.used_tokens, excluded.used_micro_usd,
   excluded.returned_tokens, excluded.returned_micro_usd, excluded.expires_at)
"""
DROP_LEASES = "DELETE FROM llm_gateway.budget_leases WHERE lease_id = ANY(:lease_ids)"
RENEW = """
WITH own AS (
  SELECT tenant_id, lease_id FROM llm_gateway.budget_leases WHERE process_id = :process_id ORDER BY lease_id FOR UPDATE
)
UPDATE llm_gateway.budget_leases l SET expires_at = clock_timestamp() + make_interval(secs => :life_s)
FROM own WHERE l.tenant_id = own.tenant_id AND l.lease_id = own.lease_id RETURNING l.lease_id
"""
# Which leases to look at; nothing is locked yet, since counters come before leases in every transaction.
OVER = f"SELECT {_LEASE} FROM llm_gateway.budget_leases WHERE expires_at <= clock_timestamp() LIMIT 100"
STILL_OVER = f"""
SELECT {_LEASE} FROM llm_gateway.budget_leases
WHERE lease_id = ANY(:lease_ids) AND expires_at <= clock_timestamp() ORDER BY lease_id FOR UPDATE
"""
# A call that was not settled may have used all that it reserved. Calls begin after their lease, within its day.
USED = """
SELECT l.lease_id,
  coalesce(sum(CASE WHEN c.state IN ('pending', 'abandoned') THEN c.reserved_tokens
    ELSE c.input_tokens + c.output_tokens END), 0) AS tokens,
  coalesce(sum(CASE WHEN c.state IN ('pending', 'abandoned') THEN c.reserved_micro_usd
    ELSE c.cost_micro_usd END), 0) AS micro_usd
FROM llm_gateway.budget_leases l JOIN llm_gateway.llm_calls c
  ON c.tenant_id = l.tenant_id AND c.started_at >= l.begun_at - interval '1 hour' AND c.budget_lease = l.lease_id
WHERE l.lease_id = ANY(:lease_ids) GROUP BY l.lease_id
"""
_Row = dict[str, Any]


class PostgresBudgets:
    """See app.budgets.ports.BudgetStore and BudgetReader; writes across tenants, reads within one."""

    def __init__(self, database: Database, system: SystemDatabase) -> None:
        self._database = database
        self._system = system
        self._told: dict[str, int] = {}

    async def exchange(self, orders: Sequence[LeaseOrder], life_s: float) -> Sequence[LeaseReply]:
        """See app.budgets.ports.BudgetStore.exchange."""
        try:
            async with self._system.transaction() as tx:
                limits = await self._limits(tx, orders)
                counters = await _counters(tx, {key for order in orders for key in order.lease.keys})
                kept = await _leases(tx, orders)
                replies: list[LeaseReply] = []
                for order in orders:
                    tenant_limits = limits.get(order.lease.tenant_id, UNLIMITED)
                    replies.append(exchange(order, kept.get(order.lease.lease_id), tenant_limits, counters))
                await _put_counters(tx, counters)
                await _put_leases(tx, orders, replies, life_s)
                await tx.commit()
        except (DBAPIError, psycopg.Error) as error:
            raise _away() from error
        self._told.update({order.lease.tenant_id: order.limits.version for order in orders})
        return replies

    async def renew(self, process_id: str, life_s: float) -> frozenset[str]:
        """See app.budgets.ports.BudgetStore.renew."""
        try:
            rows = await self._system.execute_now(RENEW, {"process_id": process_id, "life_s": life_s})
        except psycopg.Error as error:
            raise _away() from error
        return frozenset(row.lease_id for row in rows)

    async def reconcile(self) -> int:
        """See app.budgets.ports.BudgetStore.reconcile; by many processes at once each lease is settled once."""
        try:
            rows = await self._system.execute_now(OVER)
            return await self._expire([_lease(row) for row in rows]) if rows else 0
        except (DBAPIError, psycopg.Error) as error:
            raise _away() from error

    async def counters(self, tenant_id: str, keys: Sequence[CounterKey]) -> Mapping[CounterKey, Counter]:
        """See app.budgets.ports.BudgetReader.counters."""
        async with self._database.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(READ_COUNTERS, {"rows": _json(_key(key) for key in keys)})
        found = dict(_counter(row) for row in rows)
        return {key: found.get(key, Counter()) for key in keys}

    async def expire(self, before: datetime) -> int:
        """See app.ports.Expiring; counters of periods that began before that day."""
        try:
            return len(await self._system.execute_now(DROP_COUNTERS, {"before": before.date()}))
        except psycopg.Error as error:
            raise _away() from error

    async def limits(self, tenant_id: str) -> BudgetLimits | None:
        """What any process was told last of a tenant; None where none was."""
        async with self._database.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(GET_LIMITS, {"tenant_ids": [tenant_id]})
        return _limits(rows[0]) if rows else None

    async def _limits(self, tx: Transaction, orders: Sequence[LeaseOrder]) -> Mapping[str, BudgetLimits]:
        told = {
            order.lease.tenant_id: order.limits
            for order in sorted(orders, key=lambda order: order.limits.version)
            if order.limits.version > self._told.get(order.lease.tenant_id, 0)
        }
        if told:
            await tx.execute(PUT_LIMITS, {"rows": _json(_told(*each) for each in told.items())})
        rows = await tx.fetch_all(GET_LIMITS, {"tenant_ids": sorted({order.lease.tenant_id for order in orders})})
        return {row.tenant_id: _limits(row) for row in rows}

    async def _expire(self, leases: Sequence[Lease]) -> int:
        async with self._system.transaction() as tx:
            counters = await _counters(tx, {key for lease in leases for key in lease.keys})
            wanted = {"lease_ids": [lease.lease_id for lease in leases]}
            over = [_lease(row) for row in await tx.fetch_all(STILL_OVER, wanted)]
            ids = {"lease_ids": [lease.lease_id for lease in over]}
            used = {row.lease_id: Amount(int(row.tokens), int(row.micro_usd)) for row in await tx.fetch_all(USED, ids)}
            for lease in over:
                expire(lease, used.get(lease.lease_id, Amount()), counters)
            await _put_counters(tx, counters)
            await tx.execute(DROP_LEASES, ids)
            await tx.commit()
        return len(over)


async def _counters(tx: Transaction, keys: Iterable[CounterKey]) -> dict[CounterKey, Counter]:
    """The counters, locked; those that were never written are."""
    rows = {"rows": _json(_key(key) for key in sorted(keys))}
    await tx.execute(ADD_COUNTERS, rows)
    return dict(_counter(row) for row in await tx.fetch_all(LOCK_COUNTERS, rows))


async def _put_counters(tx: Transaction, counters: Mapping[CounterKey, Counter]) -> None:
    rows = [
        {
            **_key(key),
            "spent_tokens": counter.spent.tokens,
            "spent_micro_usd": counter.spent.micro_usd,
            "leased_tokens": counter.leased.tokens,
            "leased_micro_usd": counter.leased.micro_usd,
        }
        for key, counter in counters.items()
    ]
    await tx.execute(PUT_COUNTERS, {"rows": _json(rows)})


async def _leases(tx: Transaction, orders: Sequence[LeaseOrder]) -> Mapping[str, Lease]:
    wanted = [order.lease.lease_id for order in orders]
    rows = await tx.fetch_all(LOCK_LEASES, {"lease_ids": wanted, "process_id": orders[0].lease.process_id})
    return {row.lease_id: _lease(row) for row in rows}


async def _put_leases(
    tx: Transaction, orders: Sequence[LeaseOrder], replies: Sequence[LeaseReply], life_s: float
) -> None:
    pairs = [(order, reply.lease) for order, reply in zip(orders, replies, strict=True) if reply.lease is not None]
    kept = [lease for order, lease in pairs if not order.close]
    closed = [lease.lease_id for order, lease in pairs if order.close]
    if kept:
        await tx.execute(PUT_LEASES, {"rows": _json(map(_lease_row, kept)), "life_s": life_s})
    if closed:
        await tx.execute(DROP_LEASES, {"lease_ids": closed})


def _json(rows: Iterable[_Row]) -> str:
    return orjson.dumps(list(rows)).decode()


def _key(key: CounterKey) -> _Row:
    return {
        "tenant_id": key.tenant_id,
        "principal_id": key.principal_id,
        "period": key.period.value,
        "starts_on": key.starts_on,
    }


def _counter(row: Any) -> tuple[CounterKey, Counter]:
    key = CounterKey(row.tenant_id, row.principal_id, Period(row.period), row.starts_on)
    spent, leased = Amount(row.spent_tokens, row.spent_micro_usd), Amount(row.leased_tokens, row.leased_micro_usd)
    return key, Counter(spent, leased)


def _lease_row(lease: Lease) -> _Row:
    return {
        "tenant_id": lease.tenant_id,
        "lease_id": lease.lease_id,
        "process_id": lease.process_id,
        "principal_id": lease.principal_id,
        "day": lease.day,
        "granted_tokens": lease.granted.tokens,
        "granted_micro_usd": lease.granted.micro_usd,
        "used_tokens": lease.used.tokens,
        "used_micro_usd": lease.used.micro_usd,
        "returned_tokens": lease.returned.tokens,
        "returned_micro_usd": lease.returned.micro_usd,
    }


def _lease(row: Any) -> Lease:
    return Lease(
        lease_id=row.lease_id,
        process_id=row.process_id,
        tenant_id=row.tenant_id,
        principal_id=row.principal_id,
        day=row.day,
        granted=Amount(row.granted_tokens, row.granted_micro_usd),
        used=Amount(row.used_tokens, row.used_micro_usd),
        returned=Amount(row.returned_tokens, row.returned_micro_usd),
    )


def _told(tenant_id: str, limits: BudgetLimits) -> _Row:
    values = {name: getattr(limits, name) for name in LIMITS}
    return {"tenant_id": tenant_id, "limits": values, "version": limits.version}


def _limits(row: Any) -> BudgetLimits:
    # What a newer version set beside is not known here.
    return BudgetLimits(**{name: int(row.limits.get(name, 0)) for name in LIMITS}, version=row.version)


def _away() -> LaceError:
    return LaceError(
        Reason.SERVICE_UNAVAILABLE, "The budgets cannot be read; try again.", retryable=True, retry_after=1.0
    )
