"""Starts of runs, committed together: one statement and one commit for all that come at one time.

A start that needs no look at anything is written with its artifact, its first event and the answer to its request in
one statement, by the role that reaches across tenants: each row names the tenant of a verified identity. Where the key
was used before, or anything else is not as a first request finds it, nothing of that start is written, and it is made
in a transaction of its own. While this process' worker has room and nothing waits, a run is the worker's from its first
commit on: nobody claims it, and no message is sent that would wake who does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import structlog

from lace_core.ids import derive
from lace_platform.db.database import SystemDatabase
from lace_platform.idempotency import KEPT, FirstAnswer, first_answer, in_progress
from lace_platform.rpc import current_call
from lace_runs.adapters.boundary import OUTBOX_CHANNEL
from lace_runs.adapters.event_groups import groups_of
from lace_runs.adapters.runs import said_of
from lace_runs.adapters.tables import INFRASTRUCTURE
from lace_runs.adapters.work import WORK_CHANNEL
from lace_runs.app.ports import EVENT_REFERENCE, Claimed, Fresh, Hands
from lace_runs.domain.events import SCHEMA_VERSION
from lace_runs.domain.runs import RunState

log = structlog.get_logger(__name__)

_BATCH = 100
_EVERY_S = 0.004  # a start that finds nothing under way is written at once; under load they are written together

# Of a tenant's settings each set is written once, before the first start under it.
KEEP_SETTINGS = """
INSERT INTO runs.settings_snapshots (tenant_id, settings_hash, settings)
SELECT s.tenant_id, s.settings_hash, s.settings
FROM json_to_recordset(CAST(:settings AS json)) AS s(tenant_id text, settings_hash text, settings jsonb)
ON CONFLICT DO NOTHING
"""
_MOST_KNOWN = 1000
# A start whose settings are not kept after all is made in a transaction of its own, which keeps them.
# Who gets a key's lock after its holder's commit may still not see that one's record: the insert finds it all the same.
COMMIT_STARTS = f"""
WITH asked AS MATERIALIZED (
  SELECT x.*, pg_try_advisory_xact_lock(hashtextextended(x.lock, 0)) AS is_free
  FROM json_to_recordset(CAST(:starts AS json)) AS x(lock text, tenant_id text, route text, key text,
    principal_id text, request_hash text, request_json text, response text, run_id text, pipeline_id text,
    pipeline_version int, request jsonb, artifact_id text, settings_hash text, settings_uri text, scopes jsonb,
    labels jsonb, request_id text, correlation_id text, traceparent text, created_at timestamptz, priority smallint,
    state text, worker_id text, epoch bigint, title text, language text, events json, message_id text)
), answer AS (
  INSERT INTO runs.idempotency_keys (tenant_id, route, key, principal_id, request_hash, request_json, response,
    expires_at)
  SELECT a.tenant_id, a.route, a.key, a.principal_id, a.request_hash, decode(a.request_json, 'hex'),
    decode(a.response, 'hex'), now() + make_interval(secs => :kept_s)
  FROM asked a WHERE a.is_free AND NOT EXISTS (SELECT FROM runs.runs r WHERE r.run_id = a.run_id)
    AND EXISTS (SELECT FROM runs.settings_snapshots s
      WHERE s.tenant_id = a.tenant_id AND s.settings_hash = a.settings_hash)
  ON CONFLICT (tenant_id, route, key) DO NOTHING
  RETURNING tenant_id, route, key
), fresh AS MATERIALIZED (
  SELECT a.* FROM asked a JOIN answer USING (tenant_id, route, key)
), artifact AS (
  INSERT INTO runs.artifacts (tenant_id, artifact_id, title, language, created_by, created_at, updated_at)
  SELECT tenant_id, artifact_id, title, language, principal_id, created_at, created_at
  FROM fresh WHERE artifact_id <> '' ON CONFLICT DO NOTHING
), run AS (
  INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
    effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
    traceparent, created_at, priority, next_sequence, worker_id, epoch)
  SELECT f.tenant_id, f.run_id, f.pipeline_id, f.pipeline_version, f.state, f.request, f.artifact_id, f.principal_id,
    f.settings_hash, f.settings_uri, f.scopes, f.labels, f.request_id, f.correlation_id, f.key,
    f.traceparent, f.created_at, f.priority, 2, f.worker_id, f.epoch
  FROM fresh f
), event AS (
  INSERT INTO runs.event_groups (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
  SELECT tenant_id, run_id, 1, 0, {SCHEMA_VERSION}, events FROM fresh
), reference AS ( -- the first event, which is also the dispatch
  INSERT INTO runs.outbox_events (id, tenant_id, topic, key, payload_json, schema_version)
  SELECT message_id, tenant_id, '{EVENT_REFERENCE}', run_id, json_build_object('first', 1, 'last', 1), 1
  FROM fresh WHERE message_id IS NOT NULL
)
SELECT a.run_id, a.is_free, f.run_id IS NOT NULL AS is_new FROM asked a LEFT JOIN fresh f USING (run_id)
"""

_Entry = tuple[Fresh, FirstAnswer, asyncio.Future[bool]]


class GroupStart:
    """See app.ports.Starts. `worker_id` is the worker that `hands` belongs to; `wake` wakes it.

    With `publish_events` every run's first event is published; without it, only where it has to wake a worker.
    """

    def __init__(
        self,
        database: SystemDatabase,
        hands: Hands,
        worker_id: str,
        wake: Callable[[], None],
        *,
        publish_events: bool = False,
    ) -> None:
        self._database = database
        self._hands = hands
        self._worker_id = worker_id
        self._wake = wake
        self._publish_events = publish_events
        self._waiting: list[_Entry] = []
        self._locks: set[str] = set()
        self._settings_kept: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to commit in the background."""
        self._task = asyncio.create_task(self._run(), name="group-start")

    async def close(self) -> None:
        """Stop; starts that wait are made in transactions of their own."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._settle(self._waiting, ())

    async def add(self, fresh: Fresh) -> bool:
        """See Starts.add."""
        answer = first_answer(INFRASTRUCTURE, current_call(), fresh.route, fresh.body, fresh.answer)
        if answer.lock in self._locks:
            raise in_progress()
        if self._task is None:
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._locks.add(answer.lock)
        future.add_done_callback(lambda _: self._locks.discard(answer.lock))
        self._waiting.append((fresh, answer, future))
        self._woken.set()
        return await asyncio.shield(future)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                began = time.monotonic()
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                try:
                    await self._commit(batch)
                finally:
                    self._settle(batch, ())  # whatever happened, nobody waits for ever
                await asyncio.sleep(max(0.0, began + _EVERY_S - time.monotonic()))

    async def _commit(self, batch: Sequence[_Entry]) -> None:
        """Write the starts, and give the worker those that are its."""
        async with self._hands.open(len(batch)) as room:
            taken = {f.run.run_id: replace(f.run, state=RunState.RUNNING, epoch=1) for f, _, _ in batch[:room]}
            try:
                await self._keep_settings(batch)
                rows = await self._database.execute_now(COMMIT_STARTS, self._parameters(batch, taken))
            except (psycopg.Error, OSError) as error:
                # What has been written after all is found by its key.
                log.warning("starts_not_written", starts=len(batch), error=str(error))
                return
            written = {row.run_id for row in rows if row.is_new}
            for run_id, run in taken.items():
                if run_id in written:
                    self._hands.begin(Claimed(run, {}, {}, {}, ()))
        self._settle(batch, rows)
        await self._tell(written, taken)

    async def _keep_settings(self, batch: Sequence[_Entry]) -> None:
        pinned = {(f.run.tenant_id, f.run.settings_hash): f.run.settings for f, _, _ in batch}
        fresh = pinned.keys() - self._settings_kept
        if not fresh:
            return
        rows = [{"tenant_id": key[0], "settings_hash": key[1], "settings": pinned[key]} for key in sorted(fresh)]
        await self._database.execute_now(KEEP_SETTINGS, {"settings": orjson.dumps(rows).decode()})
        if len(self._settings_kept) > _MOST_KNOWN:
            self._settings_kept.clear()
        self._settings_kept |= fresh

    def _settle(self, batch: Sequence[_Entry], rows: Iterable[Any]) -> None:
        found = {row.run_id: row for row in rows}
        for fresh, _, future in batch:
            if future.done():
                continue
            row = found.get(fresh.run.run_id)
            if row is not None and not row.is_free:
                future.set_exception(in_progress())
            else:
                future.set_result(row is not None and row.is_new)

    async def _tell(self, written: set[str], taken: Iterable[str]) -> None:
        """Wake who is to take the runs that nobody has, and the relay for what is to be published."""
        waiting = written.difference(taken)
        if waiting:
            self._wake()
        channels = [
            *([WORK_CHANNEL] if waiting else ()),
            *([OUTBOX_CHANNEL] if waiting or self._publish_events else ()),
        ]
        if not channels or not written:
            return
        try:
            await self._database.notify(channels)
        except (psycopg.Error, OSError):
            log.warning("notify_lost", channels=channels)  # the polls behind it find the rows

    def _parameters(self, batch: Sequence[_Entry], taken: Iterable[str]) -> dict[str, Any]:
        own = set(taken)
        starts = [self._row(fresh, answer, fresh.run.run_id in own) for fresh, answer, _ in batch]
        return {"starts": orjson.dumps(starts).decode(), "kept_s": KEPT.total_seconds()}

    def _row(self, fresh: Fresh, answer: FirstAnswer, is_taken: bool) -> dict[str, Any]:
        run = fresh.run
        sends = self._publish_events or not is_taken
        row = vars(answer) | {name: getattr(run, name) for name in _PLAIN}
        return row | {
            **groups_of([fresh.event])[0],
            "request_json": None if answer.request_json is None else answer.request_json.hex(),
            "response": answer.response.hex(),
            "request": said_of(run.request),
            "title": run.request.title,
            "language": run.request.language,
            "state": RunState.RUNNING if is_taken else run.state,
            "worker_id": self._worker_id if is_taken else None,
            "epoch": 1 if is_taken else 0,
            "message_id": derive("msg", run.run_id) if sends else None,
        }


_PLAIN: Sequence[str] = (
    "run_id",
    "pipeline_id",
    "pipeline_version",
    "artifact_id",
    "settings_hash",
    "settings_uri",
    "scopes",
    "labels",
    "request_id",
    "correlation_id",
    "traceparent",
    "created_at",
    "priority",
)
