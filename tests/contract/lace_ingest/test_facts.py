"""What every store of facts promises, held to memory and to Postgres alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lace_core.canonical import sha256_hex
from lace_core.contracts import Qualifier
from lace_core.librarian import Checked, Stated
from lace_core.verification.grounding import Verdict
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.facts import (
    BY_HAND,
    Fact,
    FactFilter,
    FactOrigin,
    FactState,
    Making,
    as_retired,
    new_fact,
    place_of,
)
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.db.database import Database
from lace_platform.ids import new_id

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
TEXT = "The bridge cost “ten” pounds. It is blue."
BY_MODEL = Making("run_1", "facts:src/1", "cal_1", "lace.extract_facts.v1", "f" * 64, "extractive/extractive-1")
PRESENT = FactFilter("x/1")


@pytest.fixture(params=["memory", "postgres"])
def work(request: pytest.FixtureRequest, database: Callable[[str], Database]) -> UnitsOfWork:
    return MemoryWork() if request.param == "memory" else PostgresWork(database("ingest"), lambda readout: [])


class Shelf:
    """A source with two units, and facts of it."""

    def __init__(self, work: UnitsOfWork, tenant_id: str) -> None:
        self.work, self.tenant_id = work, tenant_id
        self.source = Source(
            source_id=new_id("src"), filename="a.md", title="a", format=SourceFormat.MD, media_type="text/markdown",
            size_bytes=10, sha256="0" * 64, raw_uri="lace-sources/x", created_at=NOW, created_by="prn_1",
            state=SourceState.READY, extraction="x/1",
        )  # fmt: skip
        self.units = [
            Unit(
                new_id("unt"), order, UnitKind.PARAGRAPH, TEXT, sha256_hex(TEXT.encode()), (Span(0, 29),), ("Cost",), 4
            )
            for order in range(2)
        ]

    async def fill(self) -> None:
        async with self.work(self.tenant_id) as unit_of_work:
            await unit_of_work.sources.add(self.tenant_id, self.source)
            await unit_of_work.units.add(self.tenant_id, self.source, self.units)
            await unit_of_work.commit()

    def fact(self, start: int, end: int, *, order: int = 0, making: Making = BY_MODEL, **more: object) -> Fact:
        stated = Stated(
            statement=TEXT[start:end], unit_id=self.units[order].unit_id, start=start, end=end, quote=TEXT[start:end],
            qualifiers=(Qualifier(kind="name", text="“ten”"),), confidence=700,
        )  # fmt: skip
        checked = Checked(Verdict.SUPPORTED, ("quote: verbatim",))
        made = new_fact(self.source.source_id, "x/1", self.units[order], stated, checked, making, "prn_1", NOW)
        return replace(made, **more)  # type: ignore[arg-type]

    async def keep(self, *facts: Fact) -> int:
        async with self.work(self.tenant_id) as unit_of_work:
            added = await unit_of_work.facts.add(self.tenant_id, facts)
            await unit_of_work.commit()
        return added

    async def page(self, wanted: FactFilter = PRESENT, limit: int = 9, after: Fact | None = None) -> list[str]:
        async with self.work(self.tenant_id) as unit_of_work:
            place = place_of(after) if after else None
            found = await unit_of_work.facts.page(self.tenant_id, self.source.source_id, wanted, limit, place)
        return [fact.fact_id for fact in found]


@pytest.fixture
async def shelf(work: UnitsOfWork, tenant_id: str) -> Shelf:
    found = Shelf(work, tenant_id)
    await found.fill()
    return found


async def test_a_fact_comes_back_as_it_was_kept(shelf: Shelf) -> None:
    by_model, by_hand = shelf.fact(0, 29), shelf.fact(0, 29, making=BY_HAND, reasons=("odd “text”", "two"))
    assert await shelf.keep(by_model, by_hand) == 2
    async with shelf.work(shelf.tenant_id) as unit_of_work:
        assert await unit_of_work.facts.get(shelf.tenant_id, by_model.fact_id) == by_model
        assert await unit_of_work.facts.get(shelf.tenant_id, by_hand.fact_id) == by_hand
        assert await unit_of_work.facts.get(shelf.tenant_id, "fct_none") is None
    async with shelf.work(new_id("ten")) as unit_of_work:
        assert await unit_of_work.facts.get(new_id("ten"), by_model.fact_id) is None


async def test_the_same_fact_is_kept_once_and_stays_as_it_is(shelf: Shelf) -> None:
    fact = shelf.fact(0, 29)
    assert await shelf.keep(fact) == 1
    assert await shelf.keep(replace(fact, confidence=1), shelf.fact(30, 41)) == 1
    assert await shelf.keep() == 0
    async with shelf.work(shelf.tenant_id) as unit_of_work:
        assert await unit_of_work.facts.get(shelf.tenant_id, fact.fact_id) == fact


async def test_facts_are_listed_in_the_order_in_which_they_stand(shelf: Shelf) -> None:
    second, first, third = shelf.fact(30, 41), shelf.fact(0, 29), shelf.fact(0, 29, order=1)
    await shelf.keep(third, second, first)
    assert await shelf.page() == [first.fact_id, second.fact_id, third.fact_id]
    assert await shelf.page(limit=1) == [first.fact_id]
    assert await shelf.page(after=first, limit=1) == [second.fact_id]
    assert await shelf.page(after=third) == []


async def test_filters_hold_together(shelf: Shelf) -> None:
    cost, blue = shelf.fact(0, 29), shelf.fact(30, 41, order=1, confidence=100)
    by_hand = shelf.fact(0, 29, making=BY_HAND, extraction="x/0")
    review = shelf.fact(4, 15, state=FactState.REVIEW)
    older = shelf.fact(4, 10, extraction="x/0")
    await shelf.keep(cost, blue, by_hand, review, older)
    assert set(await shelf.page()) == {cost.fact_id, by_hand.fact_id, blue.fact_id}
    assert await shelf.page(FactFilter("x/0", origin=FactOrigin.EXTRACTED)) == [older.fact_id]
    assert await shelf.page(replace(PRESENT, state=FactState.REVIEW)) == [review.fact_id]
    assert await shelf.page(replace(PRESENT, origin=FactOrigin.MANUAL)) == [by_hand.fact_id]
    assert await shelf.page(replace(PRESENT, unit_id=shelf.units[1].unit_id)) == [blue.fact_id]
    assert blue.fact_id not in await shelf.page(replace(PRESENT, min_confidence=101))
    assert await shelf.page(replace(PRESENT, contains="BLUE")) == [blue.fact_id]
    assert await shelf.page(replace(PRESENT, contains="%")) == []


async def test_a_retired_fact_stays_and_is_listed_as_such(shelf: Shelf) -> None:
    fact = shelf.fact(0, 29)
    await shelf.keep(fact)
    retired = as_retired(fact, "prn_2", NOW)
    async with shelf.work(shelf.tenant_id) as unit_of_work:
        await unit_of_work.facts.settle(shelf.tenant_id, retired)
        await unit_of_work.commit()
    assert await shelf.page() == []
    assert await shelf.page(replace(PRESENT, state=FactState.RETIRED)) == [fact.fact_id]
    async with shelf.work(shelf.tenant_id) as unit_of_work:
        assert await unit_of_work.facts.get(shelf.tenant_id, fact.fact_id) == retired
    assert await shelf.keep(fact) == 0
    assert await shelf.page() == []


async def test_many_facts_come_in_the_order_asked_for(shelf: Shelf) -> None:
    first, second = shelf.fact(0, 29), shelf.fact(30, len(TEXT), order=1)
    await shelf.keep(first, second)
    asked = [second.fact_id, "fct_none", first.fact_id]
    async with shelf.work(shelf.tenant_id) as unit_of_work:
        assert list(await unit_of_work.facts.many(shelf.tenant_id, asked)) == [second, first]
    async with shelf.work(new_id("ten")) as unit_of_work:
        assert list(await unit_of_work.facts.many(new_id("ten"), asked)) == []
