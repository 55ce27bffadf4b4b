"""What every store of bundles promises, and bundles themselves against a model of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.bundles import Bundle, BundleVersion, hash_of
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source
from lace_platform.db.database import Database
from lace_platform.ids import new_id

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
def work(request: pytest.FixtureRequest, database: Callable[[str], Database]) -> UnitsOfWork:
    return MemoryWork() if request.param == "memory" else PostgresWork(database("ingest"), lambda readout: [])


def bundle(name: str, *labels: str) -> Bundle:
    return Bundle(new_id("bnd"), name, "for “tests”", labels, "prn_1", NOW, NOW)


def version(of: Bundle, number: int, *source_ids: str) -> BundleVersion:
    made_at = NOW + timedelta(hours=number)
    return BundleVersion(of.bundle_id, number, source_ids, hash_of(source_ids), "why", "prn_2", made_at)


async def keep(work: UnitsOfWork, tenant_id: str, made: Bundle, *versions: BundleVersion) -> bool:
    async with work(tenant_id) as unit_of_work:
        added = await unit_of_work.bundles.add(tenant_id, made)
        for one in versions:
            await unit_of_work.bundles.add_version(tenant_id, one)
        await unit_of_work.commit()
    return added


async def test_a_bundle_is_found_by_id_and_name_with_its_newest_version(work: UnitsOfWork, tenant_id: str) -> None:
    made = bundle("budget-2026", "a", "b")
    first, second = version(made, 1, "src_b", "src_a"), version(made, 2, "src_a")
    assert await keep(work, tenant_id, made, first, second)
    newest = replace(made, version=2, updated_at=second.created_at)
    async with work(tenant_id) as unit_of_work:
        bundles = unit_of_work.bundles
        assert await bundles.find(tenant_id, "budget-2026") == newest
        assert await bundles.find(tenant_id, made.bundle_id, hold=True) == newest
        assert await bundles.find(tenant_id, "other") is None
        assert await bundles.version(tenant_id, made.bundle_id, 1) == first
        assert await bundles.version(tenant_id, made.bundle_id, 3) is None
        assert await bundles.versions(tenant_id, made.bundle_id, 9, None) == [second, first]
        assert await bundles.versions(tenant_id, made.bundle_id, 1, 2) == [first]


async def test_a_name_is_taken_once_in_a_tenant(work: UnitsOfWork, tenant_id: str) -> None:
    made = bundle("one")
    assert await keep(work, tenant_id, made)
    assert not await keep(work, tenant_id, bundle("one"))
    other = new_id("ten")
    assert await keep(work, other, bundle("one"))
    async with work(other) as unit_of_work:
        assert await unit_of_work.bundles.find(other, made.bundle_id) is None


async def test_bundles_are_listed_by_name_within_the_labels_held(work: UnitsOfWork, tenant_id: str) -> None:
    for name, labels in (("b", ()), ("a", ("x",)), ("C", ()), ("d", ("x", "y"))):
        await keep(work, tenant_id, bundle(name, *labels))
    async with work(tenant_id) as unit_of_work:
        bundles = unit_of_work.bundles
        held = frozenset("x")
        assert [one.name for one in await bundles.by_name(tenant_id, held, 9, "")] == ["C", "a", "b"]
        assert [one.name for one in await bundles.by_name(tenant_id, held, 1, "a")] == ["b"]
        assert [one.name for one in await bundles.by_name(tenant_id, frozenset(), 9, "")] == ["C", "b"]


async def test_sources_are_given_whatever_their_labels(work: UnitsOfWork, tenant_id: str) -> None:
    made = Source(
        source_id=new_id("src"), filename="a.md", title="a", format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=10, sha256="0" * 64, raw_uri="lace-sources/x", created_at=NOW, created_by="prn_1", labels=("x",),
    )  # fmt: skip
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.sources.add(tenant_id, made)
        assert await unit_of_work.bundles.sources(tenant_id, ["src_none", made.source_id]) == [made]
        assert await unit_of_work.bundles.sources(tenant_id, []) == []


async def test_who_changes_a_bundle_waits_for_who_holds_it(database: Callable[[str], Database], tenant_id: str) -> None:
    work = PostgresWork(database("ingest"), lambda readout: [])
    made = bundle("shared")
    await keep(work, tenant_id, made)

    async def change(source_id: str) -> None:
        async with work(tenant_id) as unit_of_work:
            held = await unit_of_work.bundles.find(tenant_id, "shared", hold=True)
            assert held is not None
            await unit_of_work.bundles.add_version(tenant_id, version(held, held.version + 1, source_id))
            await unit_of_work.commit()

    await asyncio.gather(*(change(f"src_{n}") for n in range(6)))
    async with work(tenant_id) as unit_of_work:
        found = await unit_of_work.bundles.versions(tenant_id, made.bundle_id, 9, None)
    assert [one.version for one in found] == [6, 5, 4, 3, 2, 1]
