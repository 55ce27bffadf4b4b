"""The ledger in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_llm_gateway.domain.calls import (
    LASTING_FAILURES,
    Call,
    CallKey,
    CallState,
    CountMethod,
    Settlement,
)
from lace_llm_gateway.domain.exchange import FinishReason
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction

_INSERT = """
    INSERT INTO llm_calls (
        tenant_id, call_id, run_id, step_id, attempt, contract, provider, requested_model, temperature_milli,
        input_hash, template_hash, prompt_sample, started_at, state
    ) VALUES (
        :tenant_id, :call_id, :run_id, :step_id, :attempt, :contract, :provider, :requested_model, :temperature_milli,
        :input_hash, :template_hash, :prompt_sample, :started_at, 'pending'
    )
"""
_SETTLE = """
    UPDATE llm_calls SET
        state = :state, output = :output, output_hash = :output_hash, output_sample = :output_sample,
        finish_reason = :finish_reason, resolved_model = :resolved_model, answered_model = :answered_model,
        fingerprint = :fingerprint, input_tokens = :input_tokens, output_tokens = :output_tokens,
        count_method = :count_method, cost_micro_usd = :cost_micro_usd, tries = :tries, repairs = :repairs,
        duration_ms = :duration_ms, error_code = :error_code, error_message = :error_message
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state IN ('pending', 'abandoned')
"""
_SAME_KEY = """
    tenant_id = :tenant_id AND run_id = :run_id AND step_id = :step_id AND attempt = :attempt
    AND contract = :contract AND provider = :provider AND requested_model = :requested_model
    AND temperature_milli = :temperature_milli AND input_hash = :input_hash
"""
_ANSWERED = f"""
    SELECT * FROM llm_calls
    WHERE {_SAME_KEY} AND (state = 'succeeded' OR (state = 'failed' AND error_code = ANY(:lasting)))
    ORDER BY started_at DESC, call_id DESC LIMIT 1
"""
_ABANDON = f"""
    UPDATE llm_calls SET state = 'abandoned', error_code = 'INTERNAL',
        error_message = 'The process that made this call ended before it was settled.'
    WHERE {_SAME_KEY} AND state = 'pending' AND started_at < :before
"""
_OF_RUN = """
    SELECT * FROM llm_calls
    WHERE tenant_id = :tenant_id AND run_id = :run_id
      AND (CAST(:started_at AS timestamptz) IS NULL OR (started_at, call_id) > (:started_at, :call_id))
    ORDER BY started_at, call_id LIMIT :limit
"""


class PostgresUnits:
    """Opens units of work under the service's own role and row level security."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        """Within a tenant."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx)


class PostgresUnitOfWork:
    """One transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.calls = PostgresCallRepository(tx)

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()


class PostgresCallRepository:
    """Rows of llm_calls."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, call: Call) -> None:
        """One pending row."""
        row = {
            "tenant_id": tenant_id,
            "call_id": call.call_id,
            "template_hash": call.template_hash,
            "prompt_sample": call.prompt_sample,
            "started_at": call.started_at,
            **_key(call.key),
        }
        await self._tx.execute(_INSERT, row)

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """The row's outcome, once; a call that was given up for dead and answers after all is settled too."""
        row = {name: getattr(settlement, name) for name in Settlement.__dataclass_fields__}
        row["state"] = settlement.state.value
        row["finish_reason"] = settlement.finish_reason.value if settlement.finish_reason else None
        row["count_method"] = settlement.count_method.value if settlement.count_method else None
        await self._tx.execute(_SETTLE, {"tenant_id": tenant_id, "call_id": call_id, **row})

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """The newest row of the key with an outcome that holds."""
        parameters = {"tenant_id": tenant_id, "lasting": sorted(LASTING_FAILURES), **_key(key)}
        row = await self._tx.fetch_one(_ANSWERED, parameters)
        return _call(row) if row else None

    async def abandon(self, tenant_id: str, key: CallKey, before: datetime) -> int:
        """Pending rows of the key that began before then."""
        result = await self._tx.execute(_ABANDON, {"tenant_id": tenant_id, "before": before, **_key(key)})
        return int(result.rowcount)

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """Oldest first, by time and id."""
        started_at, call_id = after or (None, "")
        parameters = {
            "tenant_id": tenant_id,
            "run_id": run_id,
            "started_at": started_at,
            "call_id": call_id,
            "limit": limit,
        }
        return [_call(row) for row in await self._tx.fetch_all(_OF_RUN, parameters)]


def _key(key: CallKey) -> dict[str, Any]:
    return {
        "run_id": key.run_id,
        "step_id": key.step_id,
        "attempt": key.attempt,
        "contract": key.contract,
        "provider": key.provider,
        "requested_model": key.model,
        "temperature_milli": key.temperature_milli,
        "input_hash": key.input_hash,
    }


def _call(row: Row[Any]) -> Call:
    key = CallKey(
        run_id=row.run_id,
        step_id=row.step_id,
        attempt=row.attempt,
        contract=row.contract,
        provider=row.provider,
        model=row.requested_model,
        temperature_milli=row.temperature_milli,
        input_hash=row.input_hash,
    )
    settlement = None if row.state == CallState.PENDING.value else _settlement(row)
    return Call(row.call_id, key, row.template_hash, row.prompt_sample, row.started_at, settlement)


def _settlement(row: Row[Any]) -> Settlement:
    values = {name: getattr(row, name) for name in Settlement.__dataclass_fields__}
    values["state"] = CallState(row.state)
    values["finish_reason"] = FinishReason(row.finish_reason) if row.finish_reason else None
    values["count_method"] = CountMethod(row.count_method) if row.count_method else None
    return Settlement(**values)
