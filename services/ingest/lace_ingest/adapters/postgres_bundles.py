"""Bundles and their versions in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from lace_ingest.adapters.postgres_sources import COLUMNS, source_of
from lace_ingest.domain.bundles import Bundle, BundleVersion
from lace_ingest.domain.sources import Source
from lace_platform.db.transaction import Transaction

_BUNDLE = "bundle_id, name, description, labels, created_by, created_at, updated_at, version"
_VERSION = "bundle_id, version, source_ids, sha256, note, created_by, created_at"
_ADD = f"""
    INSERT INTO ingest.bundles (tenant_id, {_BUNDLE})
    VALUES (:tenant_id, :bundle_id, :name, :description, CAST(:labels AS text[]), :created_by, :created_at, :updated_at,
            :version)
    ON CONFLICT DO NOTHING
"""
_FIND = f"SELECT {_BUNDLE} FROM ingest.bundles WHERE tenant_id = :tenant_id AND :name IN (bundle_id, name)"
_HOLD = f"{_FIND} FOR UPDATE"
_BY_NAME = f"""
    SELECT {_BUNDLE} FROM ingest.bundles
    WHERE tenant_id = :tenant_id AND labels <@ CAST(:held AS text[])
      AND name COLLATE "C" > CAST(:after AS text) COLLATE "C"
    ORDER BY name COLLATE "C"
    LIMIT :limit
"""
_ADD_VERSION = f"""
    WITH added AS (
        INSERT INTO ingest.bundle_versions (tenant_id, {_VERSION})
        VALUES (:tenant_id, :bundle_id, :version, CAST(:source_ids AS text[]), :sha256, :note, :created_by, :created_at)
    )
    UPDATE ingest.bundles SET version = :version, updated_at = :created_at
    WHERE tenant_id = :tenant_id AND bundle_id = :bundle_id
"""
_VERSIONS = f"""
    SELECT {_VERSION} FROM ingest.bundle_versions
    WHERE tenant_id = :tenant_id AND bundle_id = :bundle_id
      AND (CAST(:before AS integer) IS NULL OR version < CAST(:before AS integer))
      AND (CAST(:number AS integer) IS NULL OR version = CAST(:number AS integer))
    ORDER BY version DESC
    LIMIT :limit
"""
_SOURCES = f"""
    SELECT {COLUMNS} FROM ingest.sources
    WHERE tenant_id = :tenant_id AND source_id = ANY(CAST(:source_ids AS text[]))
"""


class PostgresBundleRepository:
    """Tables ingest.bundles and ingest.bundle_versions; see app.bundle_ports.BundleRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, bundle: Bundle) -> bool:
        """Keep a new bundle."""
        values = {name: getattr(bundle, name) for name in _BUNDLE.split(", ")}
        done = await self._tx.execute(_ADD, {"tenant_id": tenant_id, **values, "labels": list(bundle.labels)})
        return done.rowcount == 1

    async def find(self, tenant_id: str, name: str, *, hold: bool = False) -> Bundle | None:
        """By id or name."""
        row = await self._tx.fetch_one(_HOLD if hold else _FIND, {"tenant_id": tenant_id, "name": name})
        return None if row is None else _bundle(row)

    async def by_name(self, tenant_id: str, labels: frozenset[str], limit: int, after: str) -> Sequence[Bundle]:
        """By name, within the labels held."""
        parameters = {"tenant_id": tenant_id, "held": sorted(labels), "limit": limit, "after": after}
        return [_bundle(row) for row in await self._tx.fetch_all(_BY_NAME, parameters)]

    async def add_version(self, tenant_id: str, version: BundleVersion) -> None:
        """Keep the next version, and count it."""
        values = {name: getattr(version, name) for name in _VERSION.split(", ")}
        parameters = {"tenant_id": tenant_id, **values, "source_ids": list(version.source_ids)}
        await self._tx.execute(_ADD_VERSION, parameters)

    async def version(self, tenant_id: str, bundle_id: str, number: int) -> BundleVersion | None:
        """One version."""
        found = await self._versions(tenant_id, bundle_id, 1, None, number)
        return found[0] if found else None

    async def versions(self, tenant_id: str, bundle_id: str, limit: int, before: int | None) -> Sequence[BundleVersion]:
        """Newest first."""
        return await self._versions(tenant_id, bundle_id, limit, before, None)

    async def sources(self, tenant_id: str, source_ids: Sequence[str]) -> Sequence[Source]:
        """By id."""
        parameters = {"tenant_id": tenant_id, "source_ids": list(source_ids)}
        return [source_of(row) for row in await self._tx.fetch_all(_SOURCES, parameters)]

    async def _versions(
        self, tenant_id: str, bundle_id: str, limit: int, before: int | None, number: int | None
    ) -> Sequence[BundleVersion]:
        parameters = {
            "tenant_id": tenant_id, "bundle_id": bundle_id, "limit": limit, "before": before, "number": number,
        }  # fmt: skip
        return [_version(row) for row in await self._tx.fetch_all(_VERSIONS, parameters)]


def _bundle(row: Row[Any]) -> Bundle:
    values = {name: getattr(row, name) for name in _BUNDLE.split(", ")}
    return Bundle(**{**values, "labels": tuple(row.labels)})


def _version(row: Row[Any]) -> BundleVersion:
    values = {name: getattr(row, name) for name in _VERSION.split(", ")}
    return BundleVersion(**{**values, "source_ids": tuple(row.source_ids)})
