"""The attempts in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_compiler.domain.attempt import Bundle, Compiled
from lace_platform.db.transaction import Transaction

# Two jobs for the same target may end at the same moment: the lock makes one of them wait for the other's number.
_LOCK_TARGET = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
_LAST_ATTEMPT = """
    SELECT coalesce(max(attempt), 0) AS last FROM compiled_artifacts
    WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id AND target = :target
"""
_INSERT = """
    INSERT INTO compiled_artifacts (
        tenant_id, compiled_id, artifact_id, revision_id, target, attempt, run_id, job_id, compiler_version,
        settings_hash, ir_hash, status, bundle_hash, bundle_uri, size_bytes, media_type, filename, error_code,
        error_message, warnings, created_at, labels
    ) VALUES (
        :tenant_id, :compiled_id, :artifact_id, :revision_id, :target, :attempt, :run_id, :job_id, :compiler_version,
        :settings_hash, :ir_hash, :status, :bundle_hash, :bundle_uri, :size_bytes, :media_type, :filename, :error_code,
        :error_message, :warnings, :created_at, :labels
    )
"""
_NEWEST = """
    SELECT * FROM compiled_artifacts
    WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id
      AND labels <@ CAST(:held AS text[]) AND (:revision_id = '' OR revision_id = :revision_id)
      AND (CAST(:created_at AS timestamptz) IS NULL OR (created_at, compiled_id) < (:created_at, :compiled_id))
    ORDER BY created_at DESC, compiled_id DESC
    LIMIT :limit
"""


class PostgresCompiledRepository:
    """Adds and reads rows of compiled_artifacts; the role may do nothing else with them."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def next_attempt(self, tenant_id: str, artifact_id: str, revision_id: str, target: str) -> int:
        """One more than the last; held until the transaction ends."""
        place = {"artifact_id": artifact_id, "revision_id": revision_id, "target": target, "tenant_id": tenant_id}
        await self._tx.execute(_LOCK_TARGET, {"name": "/".join(sorted(place.values()))})
        row = await self._tx.fetch_one(_LAST_ATTEMPT, place)
        return int(row.last) + 1 if row else 1

    async def add(self, tenant_id: str, run_id: str, job_id: str, compiled: Compiled) -> None:
        """One row."""
        await self._tx.execute(_INSERT, {"tenant_id": tenant_id, "run_id": run_id, "job_id": job_id, **_row(compiled)})

    async def newest(
        self,
        tenant_id: str,
        artifact_id: str,
        revision_id: str,
        limit: int,
        before: tuple[datetime, str] | None,
        labels: frozenset[str],
    ) -> Sequence[Compiled]:
        """Newest first, by time and id."""
        created_at, compiled_id = before or (None, "")
        parameters = {
            "tenant_id": tenant_id,
            "artifact_id": artifact_id,
            "revision_id": revision_id,
            "created_at": created_at,
            "compiled_id": compiled_id,
            "limit": limit,
            "held": sorted(labels),
        }
        return [_compiled(row) for row in await self._tx.fetch_all(_NEWEST, parameters)]


def _row(compiled: Compiled) -> dict[str, Any]:
    bundle = compiled.bundle
    return {
        "compiled_id": compiled.compiled_id,
        "artifact_id": compiled.artifact_id,
        "revision_id": compiled.revision_id,
        "target": compiled.target,
        "attempt": compiled.attempt,
        "compiler_version": compiled.compiler_version,
        "settings_hash": compiled.settings_hash,
        "ir_hash": compiled.ir_hash,
        "status": compiled.status.value,
        "bundle_hash": bundle.sha256 if bundle else None,
        "bundle_uri": bundle.uri if bundle else None,
        "size_bytes": bundle.size if bundle else None,
        "media_type": bundle.media_type if bundle else None,
        "filename": bundle.filename if bundle else None,
        "error_code": compiled.error_code,
        "error_message": compiled.error_message,
        "warnings": list(compiled.warnings),
        "created_at": compiled.created_at,
        "labels": list(compiled.labels),
    }


def _compiled(row: Row[Any]) -> Compiled:
    bundle = None
    if row.bundle_uri is not None:
        bundle = Bundle(row.bundle_uri, row.bundle_hash, row.size_bytes, row.media_type, row.filename)
    return Compiled(
        compiled_id=row.compiled_id,
        artifact_id=row.artifact_id,
        revision_id=row.revision_id,
        target=row.target,
        attempt=row.attempt,
        compiler_version=row.compiler_version,
        settings_hash=row.settings_hash,
        ir_hash=row.ir_hash,
        created_at=row.created_at,
        bundle=bundle,
        error_code=row.error_code,
        error_message=row.error_message,
        warnings=tuple(row.warnings),
        labels=tuple(row.labels),
    )
