"""The second lock: rows of another tenant stay out of sight even for a query that forgets the tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from lace.ingest.v1 import bundles_pb2
from lace_platform.db.database import Database
from lace_platform.ids import new_id

TABLES = (
    "sources", "source_units", "extractions", "bundles", "bundle_versions", "lexical_blocks", "lexical_postings",
    "lexical_trigrams", "facts",
)  # fmt: skip


_FACT = """
    INSERT INTO ingest.facts (
        tenant_id, fact_id, source_id, unit_id, extraction, place, statement, span_start, span_end, quote, quote_hash,
        qualifiers_json, confidence, origin, state, verdict, reasons_json, heading_path, page, run_id, step_id,
        call_id, contract, template_hash, model, created_by, created_at, retired_by)
    SELECT tenant_id, 'fct_' || unit_id, source_id, unit_id, extraction, place, text, 0, char_length(text), text,
           text_hash, '[]', 1000, 'manual', 'active', 'supported', '[]', heading_path, page, '', '',
           '', '', '', '', 'prn_1', now(), ''
    FROM ingest.source_units
"""


@pytest.fixture
async def two_tenants(service: Any, tenant_id: str, database: Callable[[str], Database]) -> tuple[str, str]:
    """Two tenants with a source each, read, a bundle of it, and a fact of each of its units."""
    tenants = (tenant_id, new_id("ten"))
    for tenant in tenants:
        with service.calling(tenant):
            source = await service.upload("a.md", b"# T\n\nThe bridge is old.\n")
            await service.ingest(tenant, source.source_id)
        with service.calling(tenant, key="bundle"):
            asked = bundles_pb2.CreateBundleRequest(name="one", source_ids=[source.source_id])
            await service.bundles.CreateBundle(asked)
        async with database("ingest").transaction(tenant) as tx:
            await tx.execute(_FACT)
            await tx.commit()
    return tenants


@pytest.mark.parametrize("table", TABLES)
async def test_a_query_without_a_tenant_sees_its_own_only(
    table: str, two_tenants: tuple[str, str], database: Callable[[str], Database]
) -> None:
    for tenant in two_tenants:
        async with database("ingest").transaction(tenant) as tx:
            rows = await tx.fetch_all(f"SELECT DISTINCT tenant_id FROM ingest.{table}")
        assert [row.tenant_id for row in rows] == [tenant]


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_cannot_be_moved_to_another_tenant(
    table: str, two_tenants: tuple[str, str], database: Callable[[str], Database]
) -> None:
    async with database("ingest").transaction(two_tenants[0]) as tx:
        with pytest.raises(ProgrammingError, match="row-level security"):
            await tx.execute(f"UPDATE ingest.{table} SET tenant_id = :other", {"other": two_tenants[1]})
