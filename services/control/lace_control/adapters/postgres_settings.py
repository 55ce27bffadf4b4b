"""Versions of settings, and where their snapshots are, in Postgres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from lace_control.domain.settings import Entry, Scope, StoredSettings
from lace_platform.db.listener import SETTINGS_CHANGED
from lace_platform.db.transaction import Transaction

# The newest version of each wanted scope, with its values; a version without values gives one row of nulls.
_CURRENT = """
    SELECT wanted.number, newest.version, newest.updated_by, newest.updated_at,
           value.setting_id, value.key, value.value_json, value.priority, value.effective_from, value.effective_to
    FROM unnest(CAST(:tenants AS text[]), CAST(:types AS text[]), CAST(:ids AS text[]))
         WITH ORDINALITY AS wanted (tenant_id, scope_type, scope_id, number)
    CROSS JOIN LATERAL (
        SELECT version, updated_by, updated_at FROM control.settings_versions AS one
        WHERE one.tenant_id = wanted.tenant_id AND one.scope_type = wanted.scope_type
          AND one.scope_id = wanted.scope_id
        ORDER BY version DESC LIMIT 1
    ) AS newest
    LEFT JOIN control.settings AS value
        ON value.tenant_id = wanted.tenant_id AND value.scope_type = wanted.scope_type
       AND value.scope_id = wanted.scope_id AND value.version = newest.version
"""

_ADD_VERSION = """
    INSERT INTO control.settings_versions (tenant_id, scope_type, scope_id, version, updated_by, updated_at)
    VALUES (:tenant_id, :scope_type, :scope_id, :version, :updated_by, :updated_at)
"""

_ADD_VALUE = """
    INSERT INTO control.settings
        (setting_id, tenant_id, scope_type, scope_id, version, key, value_json, priority, effective_from, effective_to,
         updated_by, updated_at)
    VALUES (:setting_id, :tenant_id, :scope_type, :scope_id, :version, :key, CAST(:value AS jsonb), :priority,
        :effective_from, :effective_to, :updated_by, :updated_at)
"""


class PostgresSettingsRepository:
    """Tables control.settings_versions and control.settings, which only grow."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, tenant_id: str, scope: Scope) -> None:
        """Hold the scope until the end of the transaction; a row could not be locked before there is one."""
        name = "\x1f".join(("control.settings", tenant_id, scope.scope_type, scope.scope_id))
        await self._tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", {"name": name})

    async def current(self, tenant_id: str, scopes: Sequence[Scope]) -> Sequence[StoredSettings]:
        """The newest version of each scope, in their order."""
        wanted = {
            "tenants": [scope.tenant_id if scope.scope_type == "system" else tenant_id for scope in scopes],
            "types": [scope.scope_type for scope in scopes],
            "ids": [scope.scope_id for scope in scopes],
        }
        rows = await self._tx.fetch_all(_CURRENT, wanted)
        return [_stored(scope, [row for row in rows if row.number == number]) for number, scope in enumerate(scopes, 1)]

    async def add(self, tenant_id: str, settings: StoredSettings) -> None:
        """Keep a new version."""
        scope = settings.scope
        version = {
            "tenant_id": tenant_id,
            "scope_type": scope.scope_type,
            "scope_id": scope.scope_id,
            "version": settings.version,
            "updated_by": settings.updated_by,
            "updated_at": settings.updated_at,
        }
        await self._tx.execute(_ADD_VERSION, version)
        if settings.entries:
            await self._tx.execute(_ADD_VALUE, [{**version, **_values(entry)} for entry in settings.entries])
        await self._tx.notify_after_commit(SETTINGS_CHANGED)


class PostgresSnapshotRepository:
    """Table control.settings_snapshots."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def uri_of(self, tenant_id: str, settings_hash: str) -> str | None:
        """Where the snapshot is, if it is kept."""
        row = await self._tx.fetch_one(
            """
            SELECT settings_uri FROM control.settings_snapshots
            WHERE tenant_id = :tenant_id AND settings_hash = :settings_hash
            """,
            {"tenant_id": tenant_id, "settings_hash": settings_hash},
        )
        return None if row is None else str(row.settings_uri)

    async def add(self, tenant_id: str, settings_hash: str, settings_uri: str, created_at: datetime) -> None:
        """Note where it is kept; without effect when that is noted already."""
        row = {
            "tenant_id": tenant_id,
            "settings_hash": settings_hash,
            "settings_uri": settings_uri,
            "created_at": created_at,
        }
        await self._tx.execute(
            """
            INSERT INTO control.settings_snapshots (tenant_id, settings_hash, settings_uri, created_at)
            VALUES (:tenant_id, :settings_hash, :settings_uri, :created_at) ON CONFLICT DO NOTHING
            """,
            row,
        )


def _stored(scope: Scope, rows: Sequence[Row[Any]]) -> StoredSettings:
    if not rows:
        return StoredSettings(scope)
    first = rows[0]
    return StoredSettings(scope, first.version, first.updated_by, first.updated_at, tuple(_entries(rows)))


def _entries(rows: Sequence[Row[Any]]) -> Iterable[Entry]:
    for row in sorted((row for row in rows if row.setting_id is not None), key=lambda row: row.setting_id):
        yield Entry(row.setting_id, row.key, row.value_json, row.effective_from, row.effective_to, row.priority)


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "setting_id": entry.setting_id,
        "key": entry.key,
        "value": orjson.dumps(entry.value).decode(),
        "priority": entry.priority,
        "effective_from": entry.effective_from,
        "effective_to": entry.effective_to,
    }
