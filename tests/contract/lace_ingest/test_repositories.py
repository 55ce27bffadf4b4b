"""What every store of sources and units promises, held to memory and to Postgres alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import Mutation, UnitsOfWork
from lace_ingest.domain.documents import Box, Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.jobs import ReadJob, Readout
from lace_ingest.domain.outlines import Section
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.auth import Identity
from lace_platform.db.database import Database
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
ODD = ExtractionWarning(WarningCode.PAGES_WITHOUT_TEXT, "odd “text”", 3, 2)
NONE: frozenset[str] = frozenset()


@pytest.fixture(params=["memory", "postgres"])
def work(request: pytest.FixtureRequest, database: Callable[[str], Database]) -> UnitsOfWork:
    return MemoryWork() if request.param == "memory" else PostgresWork(database("ingest"), lambda readout: [])


def source(name: str, *, minutes: int = 0, **more: object) -> Source:
    made = Source(
        source_id=new_id("src"), filename=name, title=name.partition(".")[0], format=SourceFormat.MD,
        media_type="text/markdown", size_bytes=10, sha256="0" * 64, raw_uri="lace-sources/x",
        created_at=NOW + timedelta(minutes=minutes), created_by="prn_1",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def unit(order: int, text: str, *headings: str, table: UnitTable | None = None) -> Unit:
    kind = UnitKind.TABLE if table else UnitKind.PARAGRAPH
    spans = (Span(0, len(text)),)
    return Unit(new_id("unt"), order, kind, text, sha256_hex(text.encode()), spans, headings, 2, 3, table, "")


def ready(name: str, *, title: str = "", labels: tuple[str, ...] = ()) -> Source:
    made = source(name, state=SourceState.READY, extraction="x/1", labels=labels)
    return replace(made, title=title or made.title)


async def keep(work: UnitsOfWork, tenant_id: str, made: Source, *units: Unit) -> Source:
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.sources.add(tenant_id, made)
        await unit_of_work.units.add(tenant_id, made, units)
        await unit_of_work.commit()
    return made


async def test_a_source_comes_back_as_it_was_kept(work: UnitsOfWork, tenant_id: str) -> None:
    made = source("a.md", labels=("a", "b"), warnings=(ODD,), run_id="run_1", metadata={"author": "Ö"})
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.sources.add(tenant_id, made) == made
        await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.sources.get(tenant_id, made.source_id) == made
        assert await unit_of_work.sources.get(tenant_id, "src_none") is None


async def test_what_is_not_committed_is_not_there(work: UnitsOfWork, tenant_id: str) -> None:
    made = source("a.md")
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.sources.add(tenant_id, made)
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.sources.get(tenant_id, made.source_id) is None


async def test_a_source_added_twice_is_one_and_gathers_labels(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, source("a.md", labels=("b",)))
    again = replace(made, labels=("a",), title="other", created_at=NOW + timedelta(days=1))
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.sources.add(tenant_id, again) == replace(made, labels=("a", "b"))


async def test_another_tenants_sources_are_not_there(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, ready("a.md"), unit(0, "bridge"))
    other = new_id("ten")
    async with work(other) as unit_of_work:
        assert await unit_of_work.sources.get(other, made.source_id) is None
        assert await unit_of_work.sources.ready(other, NONE, [made.source_id]) == []
        assert await unit_of_work.units.page(other, made, 10, -1) == []
        assert await unit_of_work.units.sections(other, [made]) in ({}, {made.source_id: ()})


async def test_the_newest_come_first_and_pages_follow_on(work: UnitsOfWork, tenant_id: str) -> None:
    made = [await keep(work, tenant_id, source(f"{n}.md", minutes=n // 2)) for n in range(5)]
    expected = sorted(made, key=lambda one: (one.created_at, one.source_id), reverse=True)
    async with work(tenant_id) as unit_of_work:
        first = await unit_of_work.sources.newest(tenant_id, NONE, None, 3, None)
        last = first[-1]
        rest = await unit_of_work.sources.newest(tenant_id, NONE, None, 3, (last.created_at, last.source_id))
    assert [*first, *rest] == expected


async def test_labels_and_states_are_filters(work: UnitsOfWork, tenant_id: str) -> None:
    open_one = await keep(work, tenant_id, ready("a.md"))
    labelled = await keep(work, tenant_id, ready("b.md", labels=("x", "y")))
    failed = source("c.md", state=SourceState.FAILED, error_code="SOURCE_NO_TEXT", error_message="m", minutes=1)
    await keep(work, tenant_id, failed)
    async with work(tenant_id) as unit_of_work:
        sources = unit_of_work.sources
        assert await sources.ready(tenant_id, NONE, []) == [open_one]
        assert await sources.ready(tenant_id, frozenset("x"), []) == [open_one]
        assert await sources.ready(tenant_id, frozenset("xyz"), []) == [open_one, labelled]
        assert await sources.ready(tenant_id, frozenset("xy"), [labelled.source_id]) == [labelled]
        assert await sources.newest(tenant_id, NONE, SourceState.FAILED, 9, None) == [failed]
        assert await sources.newest(tenant_id, NONE, None, 9, None) == [failed, open_one]


async def test_settling_keeps_what_came_of_a_reading(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, source("a.md"))
    settled = replace(
        made, state=SourceState.READY, title="T", page_count=1, unit_count=2, word_count=3, extraction="x/1",
        warnings=(ODD,), run_id="run_9", metadata={"title": "T"}, language="zh-Hant", extractability=700,
    )  # fmt: skip
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.sources.settle(tenant_id, settled)
        await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.sources.get(tenant_id, made.source_id) == settled


async def test_units_come_back_as_they_were_read(work: UnitsOfWork, tenant_id: str) -> None:
    table = UnitTable(("A", "B"), (("1", "é | ü"), ("", "2")), "Cap", (0,))
    note = replace(unit(2, "A note."), kind=UnitKind.FOOTNOTE, note_mark="†", start=21, end=28)
    told = replace(unit(0, "Some “text”.", "H", "I"), notes=(note.unit_id,), boxes=(Box(1, 72.0, 90.5, 300.25, 101.0),))
    units = [told, replace(unit(1, "A | B", table=table), language="py"), replace(note, referred_from=(told.unit_id,))]
    made = await keep(work, tenant_id, ready("a.md"), *units)
    async with work(tenant_id) as unit_of_work:
        found = [replace(one, line=0) for one in await unit_of_work.units.page(tenant_id, made, 10, -1)]
        assert found == [replace(one, line=0) for one in units]
        assert [one.order for one in await unit_of_work.units.page(tenant_id, made, 10, 0)] == [1, 2]
        ids = [units[1].unit_id, "unt_none", units[0].unit_id]
        pairs = await unit_of_work.units.get(tenant_id, ids)
        assert [(source_id, one.order) for source_id, one in pairs] == [(made.source_id, 1), (made.source_id, 0)]


async def test_units_added_again_stay_as_they_are(work: UnitsOfWork, tenant_id: str) -> None:
    one = unit(0, "bridge of iron")
    made = await keep(work, tenant_id, ready("a.md"), one)
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.units.add(tenant_id, made, [one])
        assert len(await unit_of_work.units.page(tenant_id, made, 10, -1)) == 1


async def test_only_the_present_extraction_is_read_and_found(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, ready("a.md"), unit(0, "old bridge"))
    newer = replace(made, extraction="x/2")
    async with work(tenant_id) as unit_of_work:
        fresh = unit(0, "new bridge")
        await unit_of_work.units.add(tenant_id, newer, [fresh])
        await unit_of_work.sources.settle(tenant_id, newer)
        assert [one.text for one in await unit_of_work.units.page(tenant_id, newer, 9, -1)] == ["new bridge"]


async def test_sections_follow_the_reading_order(work: UnitsOfWork, tenant_id: str) -> None:
    table = UnitTable(("A",), (("1",),), "")
    made = await keep(
        work, tenant_id, ready("a.md"),
        unit(0, "Opening words."), unit(1, "1", "Zeta", table=table), unit(2, "Zeta begins. It goes on.", "Zeta"),
        unit(3, "Alpha too.", "Alpha"), unit(4, "Zeta again.", "Zeta"),
    )  # fmt: skip
    empty = await keep(work, tenant_id, ready("b.md"))
    async with work(tenant_id) as unit_of_work:
        found = await unit_of_work.units.sections(tenant_id, [made, empty])
    assert list(found[made.source_id]) == [
        Section((), 2, 0, "Opening words."),
        Section(("Zeta",), 8, 1, "Zeta begins. It goes on."),
        Section(("Alpha",), 2, 0, "Alpha too."),
    ]
    assert not found.get(empty.source_id)


async def test_a_job_is_claimed_once(work: UnitsOfWork, tenant_id: str) -> None:
    job = ReadJob(new_id("evt"), "job_1", "run_1", tenant_id, "src_1", {})
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.claim(job)
    async with work(tenant_id) as unit_of_work:
        assert await unit_of_work.claim(job)  # the first did not commit
        await unit_of_work.report(Readout(job, source("a.md"), NOW, NOW))
        await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        assert not await unit_of_work.claim(job)


async def test_a_request_takes_effect_once(work: UnitsOfWork, tenant_id: str) -> None:
    made = source("a.md")
    request = Mutation("UploadSource/a.md", b'{"sha256": "1"}')
    identity = _identity(tenant_id)
    call = CallContext(identity, "req_1", "cor_1", idempotency_key="key-1")
    with acting_as(call):
        for _ in range(2):
            async with work(tenant_id) as unit_of_work:
                assert (
                    await unit_of_work.once(request, lambda: unit_of_work.sources.add(tenant_id, made), Source) == made
                )
                await unit_of_work.commit()
        async with work(tenant_id) as unit_of_work:
            other = Mutation(request.route, b'{"sha256": "2"}')
            with pytest.raises(LaceError) as refused:
                await unit_of_work.once(other, lambda: unit_of_work.sources.add(tenant_id, made), Source)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


def _identity(tenant_id: str) -> Identity:
    return Identity(
        "prn_1", tenant_id, frozenset(), frozenset(), frozenset(), "user", None, None, NOW, NOW + timedelta(hours=1), 0
    )
