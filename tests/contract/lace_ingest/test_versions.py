"""What every store of versions and extractions promises, held to memory and to Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_label
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import Caller, UnitsOfWork
from lace_ingest.app.versions import add_version
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.extractions import Extraction
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.db.database import Database
from lace_platform.ids import new_id

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
NONE: frozenset[str] = frozenset()


@pytest.fixture(params=["memory", "postgres"])
def work(request: pytest.FixtureRequest, database: Callable[[str], Database]) -> UnitsOfWork:
    return MemoryWork() if request.param == "memory" else PostgresWork(database("ingest"), lambda readout: [])


def source(*labels: str, ready: bool = True) -> Source:
    state = SourceState.READY if ready else SourceState.PENDING
    return Source(
        source_id=new_id("src"), filename="a.md", title="a", format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=10, sha256="0" * 64, raw_uri="lace-sources/x", created_at=NOW, created_by="prn_1", state=state,
        extraction="x/1" if ready else "", labels=labels,
    )  # fmt: skip


async def give(work: UnitsOfWork, caller: Caller, made: Source, version_of: str = "") -> Source:
    async with work(caller.tenant_id) as unit_of_work:
        if version_of:
            kept = await add_version(unit_of_work, caller, made, version_of)
        else:
            kept = await unit_of_work.sources.add(caller.tenant_id, made)
        await unit_of_work.commit()
    return kept


async def refused(work: UnitsOfWork, caller: Caller, made: Source, version_of: str) -> Reason:
    with pytest.raises(LaceError) as found:
        await give(work, caller, made, version_of)
    return found.value.reason


async def test_versions_are_numbered_and_linked(work: UnitsOfWork, tenant_id: str) -> None:
    caller = Caller(tenant_id, "prn_1")
    first = await give(work, caller, source())
    assert (first.series_id, first.version, first.previous_source_id) == (first.source_id, 1, "")
    second = await give(work, caller, source(), first.source_id)
    third = await give(work, caller, source(), first.source_id)  # any version names the document
    assert (second.series_id, second.version, second.previous_source_id) == (first.source_id, 2, first.source_id)
    assert (third.series_id, third.version, third.previous_source_id) == (first.source_id, 3, second.source_id)
    async with work(tenant_id) as unit_of_work:
        series = unit_of_work.series
        assert await series.versions(tenant_id, NONE, first.source_id, 2, None) == [third, second]
        assert await series.versions(tenant_id, NONE, first.source_id, 2, 2) == [first]
        assert await unit_of_work.sources.get(tenant_id, third.source_id) == third


async def test_the_same_source_again_is_the_version_that_it_was(work: UnitsOfWork, tenant_id: str) -> None:
    caller = Caller(tenant_id, "prn_1")
    first, other = await give(work, caller, source()), await give(work, caller, source())
    second = await give(work, caller, source(), first.source_id)
    assert await give(work, caller, replace(first, version=1), second.source_id) == first
    assert await give(work, caller, replace(second, series_id="", version=1), first.source_id) == second
    assert await refused(work, caller, other, first.source_id) is Reason.SOURCE_VERSION_CONFLICT
    async with work(tenant_id) as unit_of_work:
        assert len(await unit_of_work.series.versions(tenant_id, NONE, first.source_id, 9, None)) == 2


async def test_a_document_that_the_caller_may_not_see_has_no_next_version(work: UnitsOfWork, tenant_id: str) -> None:
    cleared = Caller(tenant_id, "prn_2", frozenset("x"))
    hidden = await give(work, cleared, source("x"))
    caller = Caller(tenant_id, "prn_1")
    assert await refused(work, caller, source(), hidden.source_id) is Reason.SOURCE_NOT_FOUND
    assert await refused(work, caller, source(), "src_none") is Reason.SOURCE_NOT_FOUND
    other = Caller(new_id("ten"), "prn_1", frozenset("x"))
    assert await refused(work, other, source(), hidden.source_id) is Reason.SOURCE_NOT_FOUND


async def test_labels_that_the_caller_does_not_hold_are_not_lost(work: UnitsOfWork, tenant_id: str) -> None:
    cleared = Caller(tenant_id, "prn_2", frozenset("x"))
    first = await give(work, cleared, source())
    second = await give(work, cleared, source("x"), first.source_id)
    assert await refused(work, Caller(tenant_id, "prn_1"), source(), first.source_id) is Reason.PERMISSION_DENIED
    third = await give(work, cleared, source(), first.source_id)  # who holds them may leave them out
    assert (third.version, third.labels, third.previous_source_id) == (3, (), second.source_id)


async def test_where_none_is_named_the_newest_that_can_be_seen_is_meant(work: UnitsOfWork, tenant_id: str) -> None:
    mine = owner_label("prn_1")
    caller = Caller(tenant_id, "prn_1", frozenset((mine,)))
    first = await give(work, caller, source())
    second = await give(work, caller, source(mine), first.source_id)
    pending = await give(work, caller, source(ready=False), first.source_id)
    async with work(tenant_id) as unit_of_work:
        sources, series = unit_of_work.sources, unit_of_work.series
        assert await sources.ready(tenant_id, caller.labels, []) == [second]
        assert await sources.ready(tenant_id, NONE, []) == [first]
        named = await sources.ready(tenant_id, caller.labels, [first.source_id, second.source_id, pending.source_id])
        assert {one.source_id for one in named} == {first.source_id, second.source_id}
        assert await series.newest_ready(tenant_id, caller.labels, [first.series_id]) == {first.series_id: second}
        assert await series.newest_ready(tenant_id, NONE, [first.series_id, "src_none"]) == {first.series_id: first}
        assert await series.hold(tenant_id, first.series_id) == pending
        assert await series.hold(tenant_id, "src_none") is None


def unit(text: str) -> Unit:
    digest = sha256_hex(text.encode())
    return Unit(new_id("unt"), 0, UnitKind.PARAGRAPH, text, digest, (Span(0, len(text)),))


async def test_extractions_are_kept_as_they_were_made(work: UnitsOfWork, tenant_id: str) -> None:
    made = await give(work, Caller(tenant_id, "prn_1"), source())
    records = [
        Extraction(made.source_id, f"x/{n}", f"T{n}", n, 10 * n, 100 * n, "run_1", NOW + timedelta(minutes=n // 2))
        for n in range(1, 4)
    ]
    told = ExtractionWarning(WarningCode.PAGES_WITHOUT_TEXT, "Page “3” has none.", 3, 2)
    records[0] = replace(records[0], warnings=(told,), metadata={"author": "Ü"}, language="de", extractability=870)
    old, new = unit("old words"), unit("new words")
    async with work(tenant_id) as unit_of_work:
        for record in records:
            await unit_of_work.extractions.add(tenant_id, record)
        await unit_of_work.extractions.add(tenant_id, replace(records[0], title="other", unit_count=0))
        await unit_of_work.units.add(tenant_id, replace(made, extraction="x/1"), [old])
        await unit_of_work.units.add(tenant_id, replace(made, extraction="x/2"), [new])
        await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        extractions = unit_of_work.extractions
        first = await extractions.of_source(tenant_id, made.source_id, 2, None)
        before = (first[-1].created_at, first[-1].extraction)
        rest = await extractions.of_source(tenant_id, made.source_id, 2, before)
        assert [*first, *rest] == [records[2], records[1], records[0]]
        assert await extractions.get(tenant_id, made.source_id, "x/2") == records[1]
        assert await extractions.get(tenant_id, made.source_id, "x/9") is None
        assert await extractions.of_unit(tenant_id, old.unit_id) == "x/1"
        assert await extractions.of_unit(tenant_id, new.unit_id) == "x/2"
        assert await extractions.of_unit(tenant_id, "unt_none") is None
    other = new_id("ten")
    async with work(other) as unit_of_work:
        assert await unit_of_work.extractions.of_source(other, made.source_id, 9, None) == []
        assert await unit_of_work.extractions.of_unit(other, old.unit_id) is None


async def test_next_versions_given_at_once_have_numbers_without_a_gap(
    database: Callable[[str], Database], tenant_id: str
) -> None:
    work = PostgresWork(database("ingest"), lambda readout: [])
    caller = Caller(tenant_id, "prn_1")
    first = await give(work, caller, source())
    given = await asyncio.gather(*(give(work, caller, source(), first.source_id) for _ in range(8)))
    assert sorted(one.version for one in given) == list(range(2, 10))
    by_number = {one.version: one for one in (first, *given)}
    assert all(by_number[n].previous_source_id == by_number[n - 1].source_id for n in range(2, 10))
