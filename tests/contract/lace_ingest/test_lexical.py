"""What every lexical index promises, held to memory and to Postgres alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.documents import Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Filters, Query, Scope
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.db.database import Database
from lace_platform.ids import new_id

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
def work(request: pytest.FixtureRequest, database: Callable[[str], Database]) -> UnitsOfWork:
    return MemoryWork() if request.param == "memory" else PostgresWork(database("ingest"), lambda readout: [])


def source(name: str, *, title: str = "z", labels: Sequence[str] = (), **more: object) -> Source:
    made = Source(
        source_id=new_id("src"), filename=name, title=title, format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=10, sha256="0" * 64, raw_uri="lace-sources/x", created_at=NOW, created_by="prn_1",
        state=SourceState.READY, extraction="x/1", labels=tuple(labels),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def unit(
    order: int, text: str, *headings: str, table: UnitTable | None = None, kind: UnitKind = UnitKind.PARAGRAPH
) -> Unit:
    spans = (Span(0, len(text)),)
    kind = UnitKind.TABLE if table else kind
    return Unit(new_id("unt"), order, kind, text, sha256_hex(text.encode()), spans, headings, 2, 3, table, "")


async def keep(work: UnitsOfWork, tenant_id: str, made: Source, *units: Unit) -> Source:
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.sources.add(tenant_id, made)
        await unit_of_work.units.add(tenant_id, made, units)
        await unit_of_work.commit()
    return made


async def candidates(
    work: UnitsOfWork, tenant_id: str, scope: Scope, *texts: str, depth: int = 10
) -> Sequence[Sequence[Candidate]]:
    async with work(tenant_id) as unit_of_work:
        queries = [Query(str(at), text) for at, text in enumerate(texts)]
        return await unit_of_work.lexical.candidates(tenant_id, scope, queries, depth)


async def search(
    work: UnitsOfWork, tenant_id: str, *texts: str, depth: int = 10, held: Sequence[str] = (), **filters: object
) -> list[list[str]]:
    """The texts of the units found, after a look at their scores and ranks."""
    scope = Scope(frozenset(held), Filters(**filters))  # type: ignore[arg-type]
    found = await candidates(work, tenant_id, scope, *texts, depth=depth)
    for each in found:
        assert [one.rank for one in each] == list(range(1, len(each) + 1))
        keys = [(-one.score, one.unit_id) for one in each]
        assert keys == sorted(keys)
        assert all(one.score > 0 and one.score == round(one.score, 6) for one in each)
    async with work(tenant_id) as unit_of_work:
        units = await unit_of_work.units.get(tenant_id, [one.unit_id for each in found for one in each])
    named = {one.unit_id: one.text for _, one in units}
    return [[named[one.unit_id] for one in each] for each in found]


async def test_any_word_matches_and_more_and_rarer_words_rank_higher(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(
        work, tenant_id, source("a.md"),
        unit(0, "water water main pipe"), unit(1, "water pump house gate"), unit(2, "zebra pump lock door"),
        unit(3, "grass tree leaf root"),
    )  # fmt: skip
    [hits, none, rare] = await search(work, tenant_id, "how does the water pump work", "elephant", "zebra or water")
    assert hits[0] == "water pump house gate"
    assert set(hits) == {"water water main pipe", "water pump house gate", "zebra pump lock door"}
    assert none == []
    assert rare[0] == "zebra pump lock door"


async def test_headings_and_captions_count(work: UnitsOfWork, tenant_id: str) -> None:
    table = UnitTable(("A",), (("one",),), "Table 1: estuary")
    await keep(
        work, tenant_id, source("a.md"),
        unit(0, "nothing here", "Estuary"), unit(1, "one", table=table), unit(2, "elsewhere entirely"),
    )  # fmt: skip
    [hits] = await search(work, tenant_id, "estuary")
    assert set(hits) == {"nothing here", "one"}


async def test_limits_hold_and_equal_scores_stand_by_unit_id(work: UnitsOfWork, tenant_id: str) -> None:
    made = [unit(place, "iron bridge") for place in range(5)]
    await keep(work, tenant_id, source("b.md"), *made[:2])
    await keep(work, tenant_id, source("a.md"), *[replace(one, order=at) for at, one in enumerate(made[2:])])
    [found, more] = await candidates(work, tenant_id, Scope(frozenset()), "bridge", "iron bridge", depth=3)
    assert [one.unit_id for one in found] == sorted(one.unit_id for one in made)[:3]
    assert [one.unit_id for one in more] == [one.unit_id for one in found]


async def test_only_what_is_ready_is_found_in_its_present_extraction(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, source("a.md"), unit(0, "old bridge"))
    await keep(work, tenant_id, source("b.md", state=SourceState.PENDING), unit(0, "pending bridge"))
    newer = replace(made, extraction="x/2")
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.units.add(tenant_id, newer, [unit(0, "new bridge")])
        await unit_of_work.sources.settle(tenant_id, newer)
        await unit_of_work.commit()
    assert await search(work, tenant_id, "bridge") == [["new bridge"]]


async def test_units_added_again_are_found_once(work: UnitsOfWork, tenant_id: str) -> None:
    one = unit(0, "bridge of iron")
    made = await keep(work, tenant_id, source("a.md"), one)
    async with work(tenant_id) as unit_of_work:
        await unit_of_work.units.add(tenant_id, made, [one])
        await unit_of_work.commit()
    assert await search(work, tenant_id, "bridge") == [["bridge of iron"]]


async def test_filters_choose_sources_and_units(work: UnitsOfWork, tenant_id: str) -> None:
    first = await keep(
        work, tenant_id, source("a.md"), unit(0, "bridge one"), unit(1, "bridge two", kind=UnitKind.CODE)
    )
    await keep(work, tenant_id, source("b.md", labels=("x", "y")), unit(0, "bridge three"))
    everything = ["bridge one", "bridge three", "bridge two"]

    async def found(**filters: Any) -> list[str]:
        [hits] = await search(work, tenant_id, "bridge", held=("x", "y", "z"), **filters)
        return sorted(hits)

    assert await found() == everything
    assert await found(source_ids=frozenset((first.source_id,))) == ["bridge one", "bridge two"]
    assert await found(source_ids=frozenset(("src_none",))) == []
    assert await found(filenames=frozenset(("b.md", "c.md"))) == ["bridge three"]
    assert await found(labels=frozenset("xy")) == ["bridge three"]
    assert await found(labels=frozenset("xz")) == []
    assert await found(kinds=frozenset((UnitKind.CODE,))) == ["bridge two"]
    assert await found(kinds=frozenset((UnitKind.CODE,)), labels=frozenset("x")) == []


async def test_metadata_and_language_are_filters(work: UnitsOfWork, tenant_id: str) -> None:
    metadata = {"author": "Ada", "year": "1843"}
    await keep(work, tenant_id, source("a.md", metadata=metadata, language="en-GB"), unit(0, "bridge one"))
    await keep(work, tenant_id, source("b.md", metadata={"author": "Bab"}, language="de"), unit(0, "bridge two"))
    assert await search(work, tenant_id, "bridge", metadata={"author": "Ada"}) == [["bridge one"]]
    assert await search(work, tenant_id, "bridge", metadata={"author": "Ada", "year": "1844"}) == [[]]
    assert await search(work, tenant_id, "bridge", languages=frozenset(("DE", "fr"))) == [["bridge two"]]
    assert await search(work, tenant_id, "bridge", languages=frozenset(("en",))) == [["bridge one"]]


async def test_the_newest_version_answers_unless_another_is_named(work: UnitsOfWork, tenant_id: str) -> None:
    old = await keep(work, tenant_id, source("a.md", metadata={"state": "draft"}), unit(0, "bridge of old"))
    series = {"series_id": old.series_id, "previous_source_id": old.source_id}
    await keep(work, tenant_id, source("b.md", version=2, **series), unit(0, "bridge of now"))
    await keep(work, tenant_id, source("c.md", version=3, labels=("x",), **series), unit(0, "secret bridge"))
    await keep(work, tenant_id, source("d.md", version=4, state=SourceState.FAILED, error_code="E", **series))
    assert await search(work, tenant_id, "bridge") == [["bridge of now"]]
    assert await search(work, tenant_id, "bridge", held=("x",)) == [["secret bridge"]]
    assert await search(work, tenant_id, "bridge", source_ids=frozenset((old.source_id,))) == [["bridge of old"]]
    assert await search(work, tenant_id, "bridge", metadata={"state": "draft"}) == [[]]


async def test_a_filter_by_kind_changes_no_score(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, "bridge one"), unit(1, "bridge two", kind=UnitKind.CODE))
    [all_kinds] = await candidates(work, tenant_id, Scope(frozenset()), "bridge")
    scope = Scope(frozenset(), Filters(kinds=frozenset((UnitKind.CODE,))))
    [[code]] = await candidates(work, tenant_id, scope, "bridge")
    assert code.score in {one.score for one in all_kinds}


async def test_what_may_not_be_seen_changes_nothing(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, "iron bridge"), unit(1, "bridge toll"))
    scope = Scope(frozenset("x"))
    before = await candidates(work, tenant_id, scope, "iron bridge", "bridge tool")
    for labels in (("y",), ("x", "y")):
        await keep(work, tenant_id, source("b.md", labels=labels), unit(0, "iron iron tool"), unit(1, "bridge " * 50))
    await keep(work, new_id("ten"), source("c.md"), unit(0, "iron bridge tool"))
    assert await candidates(work, tenant_id, scope, "iron bridge", "bridge tool") == before


async def test_another_tenants_units_are_not_found(work: UnitsOfWork, tenant_id: str) -> None:
    made = await keep(work, tenant_id, source("a.md"), unit(0, "bridge"))
    other = new_id("ten")
    assert await search(work, other, "bridge") == [[]]
    assert await search(work, other, "bridge", source_ids=frozenset((made.source_id,))) == [[]]


async def test_many_blocks_of_one_source_are_one_index(work: UnitsOfWork, tenant_id: str) -> None:
    units = [unit(place, f"common word{place} {'rare' if place == 1500 else 'usual'} text") for place in range(1600)]
    await keep(work, tenant_id, source("a.md"), *units)
    [rare, common] = await search(work, tenant_id, "rare", "common usual", depth=3)
    assert rare == [units[1500].text]
    assert len(common) == 3
