"""Batches in Postgres, in the same transactions as the runs of their templates, the outbox and handled messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, select

from lace_core.canonical import canonical_json
from lace_llm_gateway.adapters.postgres_templates import PostgresTemplateUnit, Recorded
from lace_llm_gateway.adapters.sql_templates import run_of_row
from lace_llm_gateway.adapters.tables import INFRASTRUCTURE
from lace_llm_gateway.adapters.template_tables import TEMPLATE_RUNS
from lace_llm_gateway.app.batches.ports import BatchPlace
from lace_llm_gateway.domain.batches import (
    Batch,
    BatchState,
    DriftPolicy,
    ExecutionMode,
    ModelLock,
    Progress,
)
from lace_llm_gateway.domain.stored_templates import GroundingMode, TemplateRun, TemplateRunState
from lace_platform import outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.transaction import Transaction
from lace_platform.ids import new_id
from lace_platform.jobs import handle_once

REQUESTED = "llm.batch.requested"
RECORDED = "llm.batch.recorded"
HANDLER = "llm_gateway.batch"
_HANDLER_VERSION = 1

_COLUMNS = (
    "tenant_id", "batch_id", "template_id", "template_sha256", "state", "variables", "locales", "modes", "replicates",
    "drift_policy", "execution_mode", "provider", "model", "locked_version", "locked_fingerprint", "locks", "dispatch",
    "error_code", "error_message", "created_by", "created_at", "updated_at",
)  # fmt: skip
_INSERT = f"INSERT INTO batches ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_OF_ID = "SELECT * FROM batches WHERE tenant_id = :tenant_id AND batch_id = :batch_id"
_SAVE = """
    UPDATE batches SET state = :state, locked_version = :locked_version, locked_fingerprint = :locked_fingerprint,
        locks = :locks, dispatch = :dispatch, execution_mode = :execution_mode, error_code = :error_code,
        error_message = :error_message, updated_at = :updated_at
    WHERE tenant_id = :tenant_id AND batch_id = :batch_id
"""
_LISTED = """
    SELECT * FROM batches
    WHERE tenant_id = :tenant_id AND template_id = :template_id
      AND (CAST(:state AS text) = '' OR state = :state)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, batch_id) < (:at, :batch_id))
    ORDER BY created_at DESC, batch_id DESC LIMIT :limit
"""
# A run that tells no fingerprint is compared by its version alone, as domain.batches.ModelLock does.
# That a batch's id is not empty is said for the index, which holds the runs of batches alone.
_PROGRESS = """
    SELECT b.batch_id, counted.*
    FROM unnest(CAST(:batch_ids AS text[]), CAST(:versions AS text[]), CAST(:fingerprints AS text[]))
        AS b(batch_id, version, fingerprint)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE state = 'failed') AS failed,
            count(*) FILTER (WHERE state = 'running') AS running,
            count(*) FILTER (WHERE state IN ('succeeded', 'failed') AND answered_model || resolved_model <> '' AND (
                coalesce(nullif(answered_model, ''), resolved_model) <> b.version
                OR (r.fingerprint <> '' AND b.fingerprint <> '' AND r.fingerprint <> b.fingerprint))) AS drifted,
            coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
            coalesce(sum(cost_micro_usd), 0) AS cost_micro_usd
        FROM template_runs AS r
        WHERE r.tenant_id = :tenant_id AND r.batch_id = b.batch_id AND r.batch_id <> '') AS counted
"""
_CLAIM = """
    UPDATE batches SET holder = :holder, held_until = :until,
        state = CASE state WHEN 'queued' THEN 'running' ELSE state END,
        updated_at = CASE state WHEN 'queued' THEN :now ELSE updated_at END
    WHERE tenant_id = :tenant_id AND batch_id = :batch_id AND state IN ('queued', 'running', 'pausing')
      AND (held_until IS NULL OR held_until < :now)
    RETURNING *
"""
_RENEW = """
    UPDATE batches SET held_until = :until
    WHERE tenant_id = :tenant_id AND batch_id = :batch_id AND holder = :holder AND held_until IS NOT NULL
    RETURNING state
"""
_RELEASE = """
    UPDATE batches SET holder = '', held_until = NULL
    WHERE tenant_id = :tenant_id AND batch_id = :batch_id AND holder = :holder
"""
_HELD = """
    SELECT 1 FROM batches WHERE tenant_id = :tenant_id AND batch_id = :batch_id AND held_until >= :now
"""
_REQUEUE = """
    UPDATE template_runs SET state = 'queued', ended_at = NULL, output = '', response_output_sha256 = '',
        error_code = '', error_message = :cause
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND batch_id <> ''
      AND state IN ('running', 'failed', 'cancelled')
"""
_CANCEL_RUNS = """
    UPDATE template_runs SET state = 'cancelled', ended_at = clock_timestamp(), error_code = 'RUN_CANCELLED',
        error_message = 'The batch ended before this run was made.'
    WHERE tenant_id = :tenant_id AND batch_id = :batch_id AND state = ANY(:states)
"""
# A batch that is queued for the bus has its message on the way: it is looked for only when that takes long.
_ORPHANS = """
    SELECT tenant_id, batch_id FROM batches
    WHERE state IN ('queued', 'running', 'pausing') AND (held_until IS NULL OR held_until < :now)
      AND NOT (state = 'queued' AND updated_at > CAST(:now AS timestamptz) - interval '30 seconds')
    ORDER BY updated_at LIMIT :limit
"""


@dataclass(frozen=True)
class BatchPayloads:
    """How what is sent becomes the JSON of the contract's messages."""

    requested: Callable[[str, str, int, str], bytes]
    recorded: Callable[[Batch, Progress], bytes]
    run_recorded: Recorded


class PostgresBatchUnits:
    """Opens units of work."""

    def __init__(self, database: Database, now: Callable[[], datetime], payloads: BatchPayloads) -> None:
        self._database = database
        self._now = now
        self._payloads = payloads

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresBatchUnit]:
        """Within a tenant."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresBatchUnit(tx, self._now, self._payloads)


class PostgresBatchUnit(PostgresTemplateUnit):
    """One transaction."""

    def __init__(self, tx: Transaction, now: Callable[[], datetime], payloads: BatchPayloads) -> None:
        super().__init__(tx, now, payloads.run_recorded)
        self.batches = PostgresBatchRepository(tx)
        self._transaction = tx
        self._payloads = payloads

    async def request(self, tenant_id: str, batch_id: str, dispatch: int, run_id: str = "") -> None:
        """One message in the outbox."""
        payload = self._payloads.requested(tenant_id, batch_id, dispatch, run_id)
        await self._send(tenant_id, REQUESTED, batch_id or run_id, payload)

    async def tell(self, tenant_id: str, batch: Batch, progress: Progress) -> None:
        """One message in the outbox."""
        await self._send(tenant_id, RECORDED, batch.batch_id, self._payloads.recorded(batch, progress))

    async def handled(self, tenant_id: str, event_id: str, topic: str) -> bool:
        """The message's row in job_executions."""
        message = Envelope(event_id, tenant_id, topic, key="", payload=b"")
        return await handle_once(self._transaction, INFRASTRUCTURE, message, HANDLER, _HANDLER_VERSION)

    def after_commit(self, action: Callable[[], None]) -> None:
        """In memory."""
        self._transaction.on_commit(action)

    async def _send(self, tenant_id: str, topic: str, key: str, payload: bytes) -> None:
        await outbox.add(self._transaction, INFRASTRUCTURE, Envelope(new_id("evt"), tenant_id, topic, key, payload))


class PostgresBatchRepository:
    """Rows of batches, and those of template_runs that belong to one."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, batch: Batch) -> None:
        """One row."""
        await self._tx.execute(_INSERT, {**_row(batch), "tenant_id": tenant_id})

    async def get(self, tenant_id: str, batch_id: str) -> Batch | None:
        """By its id."""
        row = await self._tx.fetch_one(_OF_ID, {"tenant_id": tenant_id, "batch_id": batch_id})
        return _batch(row) if row else None

    async def hold(self, tenant_id: str, batch_id: str) -> Batch | None:
        """By its id, locked."""
        row = await self._tx.fetch_one(f"{_OF_ID} FOR UPDATE", {"tenant_id": tenant_id, "batch_id": batch_id})
        return _batch(row) if row else None

    async def save(self, tenant_id: str, batch: Batch) -> None:
        """What changes of a row."""
        await self._tx.execute(_SAVE, {**_row(batch), "tenant_id": tenant_id})

    async def listed(
        self, tenant_id: str, template_id: str, state: BatchState | None, limit: int, after: BatchPlace | None
    ) -> Sequence[Batch]:
        """Newest first."""
        at, batch_id = after or (None, "")
        wanted = {"tenant_id": tenant_id, "template_id": template_id, "state": state.value if state else ""}
        rows = await self._tx.fetch_all(_LISTED, {**wanted, "at": at, "batch_id": batch_id, "limit": limit})
        return [_batch(row) for row in rows]

    async def progress(self, tenant_id: str, batches: Sequence[Batch]) -> Mapping[str, Progress]:
        """Counted from the runs' rows."""
        wanted = {
            "tenant_id": tenant_id,
            "batch_ids": [batch.batch_id for batch in batches],
            "versions": [batch.lock.version if batch.lock else None for batch in batches],
            "fingerprints": [batch.lock.fingerprint if batch.lock else "" for batch in batches],
        }
        names = Progress.__dataclass_fields__
        return {
            row.batch_id: Progress(**{name: int(getattr(row, name)) for name in names})
            for row in await self._tx.fetch_all(_PROGRESS, wanted)
        }

    async def claim(self, tenant_id: str, batch_id: str, holder: str, now: datetime, until: datetime) -> Batch | None:
        """By one process."""
        wanted = {"tenant_id": tenant_id, "batch_id": batch_id, "holder": holder, "now": now, "until": until}
        row = await self._tx.fetch_one(_CLAIM, wanted)
        return _batch(row) if row else None

    async def renew(self, tenant_id: str, batch_id: str, holder: str, until: datetime) -> BatchState | None:
        """By its holder."""
        wanted = {"tenant_id": tenant_id, "batch_id": batch_id, "holder": holder, "until": until}
        row = await self._tx.fetch_one(_RENEW, wanted)
        return BatchState(row.state) if row else None

    async def release(self, tenant_id: str, batch_id: str, holder: str) -> None:
        """By its holder."""
        await self._tx.execute(_RELEASE, {"tenant_id": tenant_id, "batch_id": batch_id, "holder": holder})

    async def held(self, tenant_id: str, batch_id: str, now: datetime) -> bool:
        """By anyone."""
        wanted = {"tenant_id": tenant_id, "batch_id": batch_id, "now": now}
        return await self._tx.fetch_one(_HELD, wanted) is not None

    async def runs_in(
        self, tenant_id: str, batch_id: str, states: Collection[TemplateRunState]
    ) -> Sequence[TemplateRun]:
        """By index."""
        runs = TEMPLATE_RUNS.c
        wanted = select(TEMPLATE_RUNS).where(
            runs.tenant_id == tenant_id, runs.batch_id == batch_id, runs.state.in_([state.value for state in states])
        )
        rows = await self._tx.fetch_all(wanted.order_by(runs.batch_run_index))
        return [run_of_row(row) for row in rows]

    async def requeue(self, tenant_id: str, run_id: str, cause: str = "") -> bool:
        """Back to queued; the message says why."""
        wanted = {"tenant_id": tenant_id, "run_id": run_id, "cause": cause}
        return (await self._tx.execute(_REQUEUE, wanted)).rowcount == 1

    async def cancel_runs(self, tenant_id: str, batch_id: str, states: Collection[TemplateRunState]) -> None:
        """To cancelled."""
        wanted = {"tenant_id": tenant_id, "batch_id": batch_id, "states": [state.value for state in states]}
        await self._tx.execute(_CANCEL_RUNS, wanted)


class PostgresOrphans:
    """See app.batches.ports.Orphans."""

    def __init__(self, database: SystemDatabase) -> None:
        self._database = database

    async def find(self, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Oldest first."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch_all(_ORPHANS, {"now": now, "limit": limit})
        return [(row.tenant_id, row.batch_id) for row in rows]


def _row(batch: Batch) -> dict[str, Any]:
    row = {name: getattr(batch, name, None) for name in _COLUMNS}
    return {
        **row,
        "state": batch.state.value,
        "drift_policy": batch.drift_policy.value,
        "execution_mode": batch.execution_mode.value,
        "variables": canonical_json(dict(batch.variables)).decode(),
        "locales": list(batch.locales),
        "modes": [mode.value for mode in batch.modes],
        "locked_version": batch.lock.version if batch.lock else None,
        "locked_fingerprint": batch.lock.fingerprint if batch.lock else None,
    }


def _batch(row: Row[Any]) -> Batch:
    plain = {name: getattr(row, name) for name in Batch.__dataclass_fields__ if name in _COLUMNS and name not in _TYPED}
    locked = row.locked_version is not None
    return Batch(
        **plain,
        state=BatchState(row.state),
        drift_policy=DriftPolicy(row.drift_policy),
        execution_mode=ExecutionMode(row.execution_mode),
        variables=orjson.loads(row.variables),
        locales=tuple(row.locales),
        modes=tuple(GroundingMode(mode) for mode in row.modes),
        lock=ModelLock(row.locked_version, row.locked_fingerprint) if locked else None,
    )


_TYPED = ("state", "drift_policy", "execution_mode", "variables", "locales", "modes")
