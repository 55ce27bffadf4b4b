"""Sources in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.db.transaction import Transaction

COLUMNS = """
    source_id, filename, title, format, media_type, size_bytes, sha256, raw_uri, state, error_code, error_message,
    page_count, unit_count, word_count, extraction, warnings_json, labels, run_id, created_by, created_at, series_id,
    version, previous_source_id, metadata_json, language, extractability, coded_warnings_json
"""
# The same file given again is the same source; labels can only be added, never lost.
_ADD = f"""
    INSERT INTO ingest.sources AS kept (
        tenant_id, source_id, filename, title, format, media_type, size_bytes, sha256, raw_uri, state, error_code,
        error_message, page_count, unit_count, word_count, extraction, warnings_json, labels, run_id, created_by,
        created_at, first_source_id, version, previous_source_id, metadata_json, language, extractability,
        coded_warnings_json)
    VALUES (:tenant_id, :source_id, :filename, :title, :format, :media_type, :size_bytes, :sha256, :raw_uri, :state,
            :error_code, :error_message, :page_count, :unit_count, :word_count, :extraction,
            CAST(:warnings AS jsonb), CAST(:labels AS text[]), :run_id, :created_by, :created_at,
            :series_id, :version, :previous_source_id, CAST(:metadata AS jsonb), :language, :extractability,
            CAST(:coded_warnings AS jsonb))
    ON CONFLICT (tenant_id, source_id) DO UPDATE SET labels = ARRAY(
        SELECT label FROM unnest(kept.labels || excluded.labels) AS label GROUP BY label ORDER BY label COLLATE "C")
    RETURNING {COLUMNS}
"""
_GET = f"SELECT {COLUMNS} FROM ingest.sources WHERE tenant_id = :tenant_id AND source_id = :source_id"
_NEWEST = f"""
    SELECT {COLUMNS} FROM ingest.sources
    WHERE tenant_id = :tenant_id AND labels <@ CAST(:held AS text[])
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:before_at AS timestamptz) IS NULL
           OR (created_at, source_id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS text)))
    ORDER BY created_at DESC, source_id DESC
    LIMIT :limit
"""
# Where none is named, of each document the newest version among those that are ready and may be seen.
_SEEN = """
    FROM ingest.sources
    WHERE tenant_id = :tenant_id AND state = 'ready' AND labels <@ CAST(:held AS text[])
"""
_BY_NAME = 'ORDER BY filename COLLATE "C", source_id COLLATE "C"'
_READY = f"""
    SELECT {COLUMNS} FROM (SELECT *, row_number() OVER (PARTITION BY series_id ORDER BY version DESC) AS age {_SEEN}
    ) AS seen
    WHERE age = 1
    {_BY_NAME}
"""
_READY_NAMED = f"""
    SELECT {COLUMNS} {_SEEN} AND source_id = ANY(CAST(:source_ids AS text[]))
    {_BY_NAME}
"""
_SETTLE = """
    UPDATE ingest.sources
    SET title = :title, state = :state, error_code = :error_code, error_message = :error_message,
        page_count = :page_count, unit_count = :unit_count, word_count = :word_count, extraction = :extraction,
        warnings_json = CAST(:warnings AS jsonb), coded_warnings_json = CAST(:coded_warnings AS jsonb),
        metadata_json = CAST(:metadata AS jsonb), language = :language, extractability = :extractability,
        run_id = :run_id, updated_at = clock_timestamp()
    WHERE tenant_id = :tenant_id AND source_id = :source_id
"""


class PostgresSourceRepository:
    """Table ingest.sources; see app.ports.SourceRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, source: Source) -> Source:
        """Keep a new source; gives the one that is kept."""
        row = await self._tx.fetch_one(_ADD, {"tenant_id": tenant_id, **_values(source)})
        assert row is not None
        return source_of(row)

    async def get(self, tenant_id: str, source_id: str) -> Source | None:
        """The source, if the tenant has it."""
        row = await self._tx.fetch_one(_GET, {"tenant_id": tenant_id, "source_id": source_id})
        return None if row is None else source_of(row)

    async def newest(
        self,
        tenant_id: str,
        labels: frozenset[str],
        state: SourceState | None,
        limit: int,
        before: tuple[datetime, str] | None,
    ) -> Sequence[Source]:
        """Newest first, within the labels held."""
        before_at, before_id = before or (None, None)
        rows = await self._tx.fetch_all(
            _NEWEST,
            {
                "tenant_id": tenant_id,
                "held": sorted(labels),
                "state": state.value if state else None,
                "limit": limit,
                "before_at": before_at,
                "before_id": before_id,
            },
        )
        return [source_of(row) for row in rows]

    async def ready(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """Those that are ready, by file name."""
        parameters = {"tenant_id": tenant_id, "held": sorted(labels), "source_ids": list(source_ids)}
        statement = _READY_NAMED if source_ids else _READY
        return [source_of(row) for row in await self._tx.fetch_all(statement, parameters)]

    async def settle(self, tenant_id: str, source: Source) -> None:
        """Keep what came of a reading."""
        values = _values(source)
        names = ("source_id", "title", "state", "error_code", "error_message", "page_count", "unit_count")
        more = ("word_count", "extraction", "warnings", "coded_warnings", "run_id", "metadata", "language")
        chosen = {name: values[name] for name in (*names, *more, "extractability")}
        await self._tx.execute(_SETTLE, {"tenant_id": tenant_id, **chosen})


def _values(source: Source) -> dict[str, Any]:
    return {
        "source_id": source.source_id,
        "filename": source.filename,
        "title": source.title,
        "format": source.format.value,
        "media_type": source.media_type,
        "size_bytes": source.size_bytes,
        "sha256": source.sha256,
        "raw_uri": source.raw_uri,
        "state": source.state.value,
        "error_code": source.error_code,
        "error_message": source.error_message,
        "page_count": source.page_count,
        "unit_count": source.unit_count,
        "word_count": source.word_count,
        "extraction": source.extraction,
        "warnings": orjson.dumps([warning.message for warning in source.warnings]).decode(),
        "coded_warnings": orjson.dumps(source.warnings).decode(),
        "metadata": orjson.dumps(source.metadata).decode(),
        "language": source.language,
        "extractability": source.extractability,
        "labels": list(source.labels),
        "run_id": source.run_id,
        "created_by": source.created_by,
        "created_at": source.created_at,
        "series_id": source.series_id,
        "version": source.version,
        "previous_source_id": source.previous_source_id,
    }


def source_of(row: Row[Any]) -> Source:
    """The source in a row of COLUMNS."""
    return Source(
        source_id=row.source_id,
        filename=row.filename,
        title=row.title,
        format=SourceFormat(row.format),
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        raw_uri=row.raw_uri,
        created_at=row.created_at,
        created_by=row.created_by,
        state=SourceState(row.state),
        error_code=row.error_code,
        error_message=row.error_message,
        page_count=row.page_count,
        unit_count=row.unit_count,
        word_count=row.word_count,
        extraction=row.extraction,
        warnings=warnings_of(row.coded_warnings_json)
        or tuple(ExtractionWarning(WarningCode.OTHER, message) for message in row.warnings_json),
        labels=tuple(row.labels),
        run_id=row.run_id,
        series_id=row.series_id,
        version=row.version,
        previous_source_id=row.previous_source_id,
        metadata=row.metadata_json,
        language=row.language,
        extractability=row.extractability,
    )


def warnings_of(coded: Sequence[Mapping[str, Any]]) -> tuple[ExtractionWarning, ...]:
    """Coded warnings; a reading before there were codes has none of its own."""
    return tuple(
        ExtractionWarning(WarningCode(told["code"]), told["message"], told["page"], told["count"]) for told in coded
    )
