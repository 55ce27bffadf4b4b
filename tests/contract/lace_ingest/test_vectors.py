"""What every store of vectors promises, and the work that is left, held to memory and to Postgres alike."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.retrieval.memory_vectors import MemoryVectorQueue
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.app.vector_ports import VectorQueue
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.query import Filters, Scope, VectorSearch
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel, UnitVector, VectorSet
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.ids import new_id

MODEL = EmbeddingModel("local", "tiny", 3)
EVERYONE = Scope(frozenset())


@dataclass
class World:
    """A store of vectors and the queue of what it lacks."""

    work: UnitsOfWork
    queue: VectorQueue


@pytest.fixture(params=["memory", "postgres"])
async def world(
    request: pytest.FixtureRequest,
    database: Callable[[str], Database],
    system_database: Callable[[str], SystemDatabase],
) -> World:
    if request.param == "memory":
        kept = MemoryWork()
        return World(kept, MemoryVectorQueue(kept, lambda: 0.0))
    queue = PostgresVectorQueue(system_database("ingest"))
    assert await queue.ready()
    return World(PostgresWork(database("ingest"), lambda readout: []), queue)


def unit(order: int, text: str = "bridge", kind: UnitKind = UnitKind.PARAGRAPH) -> Unit:
    return Unit(new_id("unt"), order, kind, text, sha256_hex(text.encode()), (Span(0, len(text)),), ("Head",))


async def keep(world: World, tenant_id: str, *units: Unit, labels: tuple[str, ...] = (), name: str = "a.md") -> Source:
    source = Source(
        source_id=new_id("src"), filename=name, title="T", format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=9, sha256="0" * 64, raw_uri="lace-sources/x", created_at=datetime(2026, 5, 6, tzinfo=UTC),
        created_by="prn_1", state=SourceState.READY, extraction="x/1", labels=labels, unit_count=len(units),
    )  # fmt: skip
    async with world.work(tenant_id) as work:
        await work.sources.add(tenant_id, source)
        await work.units.add(tenant_id, source, units)
        await work.commit()
    return source


async def taken(world: World, tenant_id: str, model: EmbeddingModel = MODEL, lease: str = "one") -> VectorSet:
    space_id = await world.queue.enqueue(tenant_id, model)
    found = await world.queue.take([space_id], lease, 60)
    assert found is not None
    return found


async def embed(
    world: World, tenant_id: str, vectors: dict[str, list[list[float]]], model: EmbeddingModel = MODEL
) -> None:
    """Gives each unit its vectors."""
    space_id = await world.queue.enqueue(tenant_id, model)
    while one := await world.queue.take([space_id], "one", 60):
        units = await world.queue.units(one, 100)
        made = [
            UnitVector(unit.unit_id, part, array("f", numbers))
            for unit in units
            for part, numbers in enumerate(vectors[unit.unit_id])
        ]
        assert await world.queue.store(one, "one", units, made)


async def nearest(
    world: World, tenant_id: str, scope: Scope = EVERYONE, depth: int = 9, model: EmbeddingModel = MODEL
) -> list[tuple[str, Decimal]]:
    async with world.work(tenant_id) as work:
        vectors = [array("f", [1, 0, 0])]
        found = await work.vectors.candidates(tenant_id, scope, model, vectors, depth, 1000)
    return [(candidate.unit_id, candidate.score) for candidate in found.candidates[0]]


async def test_the_nearest_piece_of_a_unit_speaks_for_it(world: World, tenant_id: str) -> None:
    far, near = unit(0), unit(1)
    await keep(world, tenant_id, far, near)
    await embed(world, tenant_id, {far.unit_id: [[0, 2, 0], [3, 3, 0]], near.unit_id: [[0, 0, 1], [5, 0, 0]]})
    half = Decimal(round(math.sqrt(0.5) * 1_000_000)).scaleb(-6)
    assert await nearest(world, tenant_id) == [(near.unit_id, Decimal("1.000000")), (far.unit_id, half)]
    assert await nearest(world, tenant_id, depth=1) == [(near.unit_id, Decimal("1.000000"))]


async def test_units_that_are_equally_near_stand_in_the_order_of_their_ids(world: World, tenant_id: str) -> None:
    units = [unit(number) for number in range(6)]
    await keep(world, tenant_id, *units)
    await embed(world, tenant_id, {one.unit_id: [[1, 1, 0]] for one in units})
    found = [unit_id for unit_id, _ in await nearest(world, tenant_id, depth=4)]
    assert found == sorted(one.unit_id for one in units)[:4]


async def test_labels_sources_and_kinds_bound_the_search(world: World, tenant_id: str) -> None:
    open_one, secret, code = unit(0), unit(0), unit(1, kind=UnitKind.CODE)
    source = await keep(world, tenant_id, open_one, code)
    await keep(world, tenant_id, secret, labels=("x",), name="b.md")
    await embed(
        world, tenant_id, {open_one.unit_id: [[1, 1, 0]], secret.unit_id: [[1, 0, 0]], code.unit_id: [[1, 2, 0]]}
    )

    async def ids(held: frozenset[str] = frozenset(), **filters: frozenset[object]) -> list[str]:
        return [one for one, _ in await nearest(world, tenant_id, Scope(held, Filters(**filters)))]  # type: ignore[arg-type]

    assert await ids() == [open_one.unit_id, code.unit_id]
    assert await ids(frozenset("x")) == [secret.unit_id, open_one.unit_id, code.unit_id]
    assert await ids(frozenset("x"), source_ids=frozenset((source.source_id,))) == [open_one.unit_id, code.unit_id]
    assert await ids(frozenset("x"), kinds=frozenset((UnitKind.CODE,))) == [code.unit_id]
    async with world.work(tenant_id) as work:
        every = [open_one.unit_id, secret.unit_id, "unt_none"]
        vectors = [array("f", [1, 0, 0])]
        [cosines] = await work.vectors.cosines(tenant_id, EVERYONE, MODEL, vectors, [every])
        assert list(cosines) == [open_one.unit_id]


async def test_another_tenants_vectors_are_not_there(world: World, tenant_id: str) -> None:
    other, mine = new_id("ten"), unit(0)
    await keep(world, tenant_id, mine)
    await embed(world, tenant_id, {mine.unit_id: [[1, 0, 0]]})
    async with world.work(other) as work:
        vectors = [array("f", [1, 0, 0])]
        found = await work.vectors.candidates(other, EVERYONE, MODEL, vectors, 9, 1000)
        assert (found.candidates, found.search) == ([[]], VectorSearch.NONE)
        assert await work.vectors.cosines(other, EVERYONE, MODEL, vectors, [[mine.unit_id]]) == [{}]
        assert (await work.vectors.coverage(other, EVERYONE)).embedded == {}


async def test_models_and_lengths_live_side_by_side(world: World, tenant_id: str) -> None:
    one = unit(0)
    source = await keep(world, tenant_id, one)
    short = EmbeddingModel("local", "tiny", 2)
    await embed(world, tenant_id, {one.unit_id: [[0, 1, 0]]})
    await embed(world, tenant_id, {one.unit_id: [[3, 4]]}, short)
    async with world.work(tenant_id) as work:
        found = await work.vectors.candidates(tenant_id, EVERYONE, short, [array("f", [1, 0])], 9, 1000)
        assert [(hit.unit_id, hit.score) for hit in found.candidates[0]] == [(one.unit_id, Decimal("0.600000"))]
        progress = await work.vectors.progress(tenant_id, [source.source_id])
    assert [(made.model, made.dimensions) for made in progress[source.source_id]] == [
        ("local/tiny", 2),
        ("local/tiny", 3),
    ]
    assert await nearest(world, tenant_id) == [(one.unit_id, Decimal("0.000000"))]


async def test_work_goes_on_where_it_stopped_and_says_how_far_it_is(world: World, tenant_id: str) -> None:
    units = [unit(number) for number in range(3)]
    source = await keep(world, tenant_id, *units)
    one = await taken(world, tenant_id)
    first = await world.queue.units(one, 2)
    assert [text.place for text in first] == [0, 1]
    assert first[0].heading_path == ("Head",)
    assert await world.queue.store(one, "one", first, [UnitVector(first[0].unit_id, 0, array("f", [1, 0, 0]))])
    async with world.work(tenant_id) as work:
        coverage = await work.vectors.coverage(tenant_id, EVERYONE)
        assert (coverage.units, coverage.embedded) == (3, {("local/tiny", 3): 2})
        [progress] = (await work.vectors.progress(tenant_id, [source.source_id]))[source.source_id]
        assert (progress.units, progress.embedded, progress.error_code) == (3, 2, "")
    again = await taken(world, tenant_id)
    assert [text.place for text in await world.queue.units(again, 2)] == [2]


async def test_a_set_is_one_workers_at_a_time_and_a_late_one_changes_nothing(world: World, tenant_id: str) -> None:
    one = unit(0)
    await keep(world, tenant_id, one)
    held = await taken(world, tenant_id)
    assert await world.queue.take([held.space_id], "two", 60) is None
    units = await world.queue.units(held, 9)
    made = [UnitVector(one.unit_id, 0, array("f", [1, 0, 0]))]
    assert not await world.queue.store(held, "two", units, made)
    assert await nearest(world, tenant_id) == []
    assert await world.queue.store(held, "one", units, made)
    assert not await world.queue.store(held, "one", units, made)
    assert await world.queue.take([held.space_id], "two", 60) is None


async def test_what_a_dead_worker_held_is_taken_by_the_next(world: World, tenant_id: str) -> None:
    await keep(world, tenant_id, unit(0))
    space_id = await world.queue.enqueue(tenant_id, MODEL)
    first = await world.queue.take([space_id], "dead", 0)
    second = await world.queue.take([space_id], "next", 60)
    assert first is not None
    assert second is not None
    assert (second.set_id, second.attempts) == (first.set_id, 2)


async def test_what_failed_rests_and_says_why(world: World, tenant_id: str) -> None:
    source = await keep(world, tenant_id, unit(0))
    held = await taken(world, tenant_id)
    await world.queue.put_back(held, "one", "PROVIDER_UNAVAILABLE", 60)
    assert await world.queue.take([held.space_id], "two", 60) is None
    async with world.work(tenant_id) as work:
        [progress] = (await work.vectors.progress(tenant_id, [source.source_id]))[source.source_id]
    assert (progress.embedded, progress.error_code) == (0, "PROVIDER_UNAVAILABLE")


async def test_tenants_take_turns(world: World, tenant_id: str) -> None:
    tenants = (tenant_id, new_id("ten"))
    spaces = []
    for owner in tenants:
        await keep(world, owner, unit(0), unit(1))
        await keep(world, owner, unit(0), unit(1), name="b.md")
        spaces.append(await world.queue.enqueue(owner, MODEL))
    turns = []
    for _ in range(4):
        held = await world.queue.take(spaces, "one", 60)
        assert held is not None
        turns.append(held.tenant_id)
    if isinstance(world.queue, PostgresVectorQueue):  # the clock of memory stands still
        assert turns[0] != turns[1]
        assert turns[2] != turns[3]
    assert sorted(turns) == sorted(tenants * 2)


async def test_a_tenant_is_named_until_each_reading_has_its_set(world: World, tenant_id: str) -> None:
    await keep(world, tenant_id, unit(0))
    assert (await world.queue.tenants({}))[tenant_id] == "prn_1"
    space_id = await world.queue.enqueue(tenant_id, MODEL)
    assert tenant_id not in await world.queue.tenants({tenant_id: space_id})
    await keep(world, tenant_id, unit(0), name="b.md")
    assert tenant_id in await world.queue.tenants({tenant_id: space_id})
    assert await world.queue.enqueue(tenant_id, MODEL) == space_id
    assert tenant_id not in await world.queue.tenants({tenant_id: space_id})
    other = await world.queue.enqueue(tenant_id, replace(MODEL, model="other"))
    assert other != space_id


async def test_each_of_several_questions_has_the_answer_that_it_has_alone(world: World, tenant_id: str) -> None:
    units = [unit(number) for number in range(8)]
    await keep(world, tenant_id, *units)
    await embed(world, tenant_id, {one.unit_id: [[1, at % 3, at % 2]] for at, one in enumerate(units)})
    asked = [array("f", [1, 0, 0]), array("f", [0, 1, 0]), array("f", [1, 0, 2])]
    async with world.work(tenant_id) as work:
        together = await work.vectors.candidates(tenant_id, EVERYONE, MODEL, asked, 5, 1000)
        alone = [await work.vectors.candidates(tenant_id, EVERYONE, MODEL, [one], 5, 1000) for one in asked]
    assert [list(found) for found in together.candidates] == [list(found.candidates[0]) for found in alone]
    assert all(len(found) == 5 for found in together.candidates)
