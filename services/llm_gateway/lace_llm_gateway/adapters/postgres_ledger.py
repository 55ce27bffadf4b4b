"""The ledger in Postgres: rows of all tenants share statements and commits, reads are held to one tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson
import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from lace_llm_gateway.adapters.group_writer import GroupWriter
from lace_llm_gateway.adapters.ledger_sql import ANSWERED, ANSWERED_OR_ADDED, OF_RUN, RECORD, SETTLE, USAGE
from lace_llm_gateway.domain.calls import (
    LASTING_FAILURES,
    Call,
    CallKey,
    CallState,
    CountMethod,
    Settlement,
)
from lace_llm_gateway.domain.exchange import FinishReason
from lace_llm_gateway.domain.grounding import evidence_json, evidence_of
from lace_llm_gateway.domain.routing import Result, Tried
from lace_llm_gateway.domain.usage import Usage, UsageQuery
from lace_platform.db.database import Database, SystemDatabase

# What was not waited for joins what comes after it; more than this many waiting rows are waited for after all.
_PAUSE_S = 0.05
_MOST_WAITING = 5_000
_Row = dict[str, Any]

log = structlog.get_logger(__name__)


class PostgresLedger:
    """See app.calls.ledger.Ledger; `database` is the own role of the service, `system` reaches across tenants."""

    def __init__(self, database: Database, system: SystemDatabase) -> None:
        self._database = database
        self._system = system
        self._intents: GroupWriter[_Row, Call | None] = GroupWriter("intents", self._begin, patient=False)
        self._settlements: GroupWriter[_Row, None] = GroupWriter("settlements", self._settle, patient=True)
        self._records: GroupWriter[tuple[str, Call], None] = GroupWriter(
            "records", self._record, patient=True, pause_s=_PAUSE_S
        )

    async def begin(self, tenant_id: str, call: Call) -> Call | None:
        """See app.calls.ledger.Ledger.begin."""
        return await self._intents.put(_intent(tenant_id, call))

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """See app.calls.ledger.Ledger.answered."""
        rows = orjson.dumps([{"tenant_id": tenant_id, **_key(key)}]).decode()
        try:
            async with self._database.transaction(tenant_id) as tx:
                found = await tx.fetch_all(ANSWERED, {"rows": rows, "lasting": sorted(LASTING_FAILURES)})
        except (DBAPIError, psycopg.Error) as error:  # who asks is about to be refused, and is told why
            log.warning("answer_not_looked_up", error=str(error))
            return None
        return _call(found[0]) if found else None

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """See app.calls.ledger.Ledger.settle."""
        await self._settlements.put({"tenant_id": tenant_id, "call_id": call_id, **_outcome(settlement)})

    async def record(self, tenant_id: str, call: Call) -> None:
        """See app.calls.ledger.Ledger.record."""
        written = self._records.put((tenant_id, call))
        if len(self._records) > _MOST_WAITING:
            await written

    async def flush(self) -> None:
        """See app.calls.ledger.Ledger.flush."""
        for writer in (self._intents, self._settlements, self._records):
            await writer.flush()

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """See app.calls.ledger.Ledger.of_run."""
        await self._records.flush()
        started_at, call_id = after or (None, "")
        place = {"started_at": started_at, "call_id": call_id, "limit": limit}
        async with self._database.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(OF_RUN, {"tenant_id": tenant_id, "run_id": run_id, **place})
        return [_call(row) for row in rows]

    async def usage(
        self, tenant_id: str, query: UsageQuery, limit: int, after: tuple[str, str] | None
    ) -> Sequence[Usage]:
        """See app.calls.ledger.Ledger.usage."""
        await self._records.flush()
        first, second = after or ("", "")
        parameters = {
            "tenant_id": tenant_id,
            "start": query.start,
            "end": query.end,
            "from_start": after is None,
            "first": first,
            "second": second,
            "limit": limit,
        }
        async with self._database.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(USAGE[query.by], parameters)
        return [_usage(row) for row in rows]

    async def close(self) -> None:
        """See app.calls.ledger.Ledger.close."""
        for writer in (self._intents, self._settlements, self._records):
            await writer.close()

    async def _begin(self, rows: Sequence[_Row]) -> Sequence[Call | None]:
        parameters = {"rows": orjson.dumps(rows).decode(), "lasting": sorted(LASTING_FAILURES)}
        found = await self._system.execute_now(ANSWERED_OR_ADDED, parameters)
        known = {row.asked: _call(row) for row in found}
        return [known.get(row["call_id"]) for row in rows]

    async def _settle(self, rows: Sequence[_Row]) -> Sequence[None]:
        await self._system.execute_now(SETTLE, {"rows": orjson.dumps(rows).decode()})
        return [None] * len(rows)

    async def _record(self, calls: Sequence[tuple[str, Call]]) -> Sequence[None]:
        rows = [_intent(tenant_id, call) | _recorded(call) for tenant_id, call in calls]
        await self._system.execute_now(RECORD, {"rows": orjson.dumps(rows).decode()})
        return [None] * len(calls)


def _intent(tenant_id: str, call: Call) -> _Row:
    return {
        "tenant_id": tenant_id,
        "call_id": call.call_id,
        "principal_id": call.principal_id,
        "template_id": call.template_id,
        "template_version": call.template_version,
        "template_hash": call.template_hash,
        "prompt_sample": _storable(call.prompt_sample),
        "started_at": call.started_at,
        "trace_id": call.trace_id,
        **_key(call.key),
        "budget_lease": call.held.lease_id,
        "reserved_tokens": call.held.tokens,
        "reserved_micro_usd": call.held.micro_usd,
    }


def _key(key: CallKey) -> _Row:
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


def _recorded(call: Call) -> _Row:
    """The outcome without the answer itself: nobody asks a call outside runs again, so that it is not kept."""
    assert call.settlement is not None
    return {**_outcome(call.settlement), "output": ""}


def _outcome(settlement: Settlement) -> _Row:
    return {
        "state": settlement.state,
        "output": settlement.output,
        "output_hash": settlement.output_hash,
        "output_sample": _storable(settlement.output_sample),
        "finish_reason": settlement.finish_reason,
        "resolved_model": settlement.resolved_model,
        "answered_model": settlement.answered_model,
        "fingerprint": settlement.fingerprint,
        "input_tokens": settlement.input_tokens,
        "output_tokens": settlement.output_tokens,
        "count_method": settlement.count_method,
        "cost_micro_usd": settlement.cost_micro_usd,
        "tries": settlement.tries,
        "repairs": settlement.repairs,
        "duration_ms": settlement.duration_ms,
        "error_code": settlement.error_code,
        "error_message": _storable(settlement.error_message),
        "response_api": settlement.response_api,
        "grounding": evidence_json(settlement.grounding) if settlement.grounding else None,
        "trail": [tried.as_json() for tried in settlement.trail],
        "hedged": settlement.hedged,
    }


def _usage(row: Any) -> Usage:
    sums = (row.calls, row.failed_calls, row.input_tokens, row.output_tokens, row.cost_micro_usd)
    return Usage((row.first, row.second), *map(int, sums))


def _storable(text: str) -> str:
    """Postgres has no place for the character 0, and a sample can do without it."""
    return text.replace("\0", "\ufffd")


def _call(row: Any) -> Call:
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
    return Call(
        call_id=row.call_id,
        key=key,
        template_hash=row.template_hash,
        prompt_sample=row.prompt_sample,
        trace_id=row.trace_id,
        started_at=row.started_at,
        settlement=None if row.state == CallState.PENDING.value else _settlement(row),
        principal_id=row.principal_id,
        template_id=row.template_id,
        template_version=row.template_version,
    )


def _settlement(row: Any) -> Settlement:
    values = {field.name: getattr(row, field.name) for field in fields(Settlement)}
    values["state"] = CallState(row.state)
    values["finish_reason"] = FinishReason(row.finish_reason) if row.finish_reason else None
    values["count_method"] = CountMethod(row.count_method) if row.count_method else None
    values["grounding"] = evidence_of(row.grounding) if row.grounding else None
    values["trail"] = tuple(Tried(**{**each, "result": Result(each["result"])}) for each in row.trail)
    return Settlement(**values)
