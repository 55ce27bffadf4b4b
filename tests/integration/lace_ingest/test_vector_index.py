"""Vectors in Postgres beyond the size up to which all are compared: a tenant's own index, and who may make it."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import ProgrammingError

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.adapters.retrieval.postgres_vectors import PostgresVectorIndex
from lace_ingest.app.model_ports import EmbeddedTexts
from lace_ingest.app.ports import Caller
from lace_ingest.app.retrieval.ranking import find
from lace_ingest.app.vector_ports import Nearest
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.policy import policy_of
from lace_ingest.domain.retrieval.query import Mode, Query, Scope, VectorSearch
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel, UnitVector
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.ids import new_id

MODEL = EmbeddingModel("local", "synthetic", 16)
SOURCES, UNITS, QUERIES = 10, 60, 12
TABLES = ("vector_spaces", "vector_sets", "unit_vectors")


@dataclass(frozen=True)
class Indexed:
    """A tenant with an index over its vectors; every second source carries the label x."""

    tenant_id: str
    space_id: int
    database: Database

    async def search(self, labels: Sequence[str], exact_units: int, queries: Sequence[array[float]]) -> Nearest:
        async with self.database.transaction(self.tenant_id) as tx:
            scope = Scope(frozenset(labels))
            return await PostgresVectorIndex(tx).candidates(self.tenant_id, scope, MODEL, queries, 10, exact_units)


async def fill(database: Database, queue: PostgresVectorQueue, tenant_id: str, chance: random.Random) -> int:
    work = PostgresWork(database, lambda news: [])
    async with work(tenant_id) as unit_of_work:
        for number in range(SOURCES):
            source = Source(
                source_id=new_id("src"), filename=f"{number}.md", title="T", format=SourceFormat.MD,
                media_type="text/markdown", size_bytes=9, sha256="0" * 64, raw_uri="lace-sources/x",
                created_at=datetime(2026, 5, 6, tzinfo=UTC), created_by="prn_1", state=SourceState.READY,
                extraction="x/1", labels=("x",) if number % 2 else (), unit_count=UNITS,
            )  # fmt: skip
            units = [
                Unit(new_id("unt"), at, UnitKind.PARAGRAPH, f"w{at}", sha256_hex(b""), (Span(0, 2),))
                for at in range(UNITS)
            ]
            await unit_of_work.sources.add(tenant_id, source)
            await unit_of_work.units.add(tenant_id, source, units)
        await unit_of_work.commit()
    space_id = await queue.enqueue(tenant_id, MODEL)
    while taken := await queue.take([space_id], "one", 60):
        texts = await queue.units(taken, UNITS)
        vectors = [UnitVector(text.unit_id, part, point(chance)) for text in texts for part in range(2)]
        assert await queue.store(taken, "one", texts, vectors)
    return space_id


def point(chance: random.Random) -> array[float]:
    return array("f", [chance.gauss(0, 1) for _ in range(MODEL.dimensions)])


@pytest.fixture(scope="module")
async def indexed(database: Callable[[str], Database], system_database: Callable[[str], SystemDatabase]) -> Indexed:
    chance = random.Random(5)
    queue = PostgresVectorQueue(system_database("ingest"))
    assert await queue.ready()
    tenant_id, neighbour = new_id("ten"), new_id("ten")
    await fill(database("ingest"), queue, neighbour, chance)
    space_id = await fill(database("ingest"), queue, tenant_id, chance)
    units = SOURCES * UNITS
    assert not await queue.index(tenant_id, space_id, units + 1)
    assert await queue.index(tenant_id, space_id, units)
    assert not await queue.index(tenant_id, space_id, units)
    return Indexed(tenant_id, space_id, database("ingest"))


@pytest.mark.parametrize("labels", [["x"], []])
async def test_the_index_finds_what_comparing_all_finds_and_says_that_it_was_used(
    indexed: Indexed, labels: list[str]
) -> None:
    chance = random.Random(7)
    queries = [point(chance) for _ in range(QUERIES)]
    exact = await indexed.search(labels, 10_000, queries)
    near = await indexed.search(labels, 10, queries)
    assert (exact.search, near.search) == (VectorSearch.EXACT, VectorSearch.APPROXIMATE)
    found = [
        ({one.unit_id for one in some} & {one.unit_id for one in all_}, all_)
        for some, all_ in zip(near.candidates, exact.candidates, strict=True)
    ]
    assert all(len(all_) == 10 for _, all_ in found)
    assert sum(len(both) for both, _ in found) >= 0.95 * 10 * QUERIES
    # Where it finds the same, scores and order are the same too: all of its finds are compared exactly.
    assert any(list(some) == list(all_) for some, all_ in zip(near.candidates, exact.candidates, strict=True))


@pytest.mark.parametrize(("exact_units", "said"), [(10_000, ""), (10, "-approximate")])
@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.HYBRID])
async def test_a_hit_says_where_not_every_vector_was_compared(
    indexed: Indexed, mode: Mode, exact_units: int, said: str
) -> None:
    policy = replace(policy_of({}), exact_units=exact_units)
    embedded = EmbeddedTexts(MODEL, (point(random.Random(8)),))
    caller, scope = Caller(indexed.tenant_id, "prn_1"), Scope(frozenset())
    async with PostgresWork(indexed.database, lambda news: [])(indexed.tenant_id) as work:
        [found], _ = await find(work, caller, scope, [Query("q", "w1", 5)], embedded, mode, policy)
    assert found.fused
    assert found.method == mode.value + said


async def test_comparing_all_repeats_to_the_bit(indexed: Indexed) -> None:
    queries = [point(random.Random(9))]
    first = await indexed.search(["x"], 10_000, queries)
    for _ in range(3):
        assert await indexed.search(["x"], 10_000, queries) == first


async def test_the_index_holds_one_tenants_vectors_and_no_others(indexed: Indexed) -> None:
    async with indexed.database.transaction(indexed.tenant_id) as tx:
        row = await tx.fetch_one(
            "SELECT pg_get_indexdef(indexrelid) AS sql FROM pg_index"
            f" WHERE indexrelid = 'ingest.unit_vectors_space_{indexed.space_id}'::regclass"
        )
    assert row is not None
    assert "hnsw" in row.sql
    assert row.sql.endswith(f"WHERE (space_id = {indexed.space_id})")


@pytest.mark.parametrize("table", TABLES)
async def test_a_query_without_a_tenant_sees_its_own_only(indexed: Indexed, table: str) -> None:
    async with indexed.database.transaction(indexed.tenant_id) as tx:
        rows = await tx.fetch_all(f"SELECT DISTINCT tenant_id FROM ingest.{table}")
    assert [row.tenant_id for row in rows] == [indexed.tenant_id]


@pytest.mark.parametrize("call", ["install_vectors()", "index_vectors(1)"])
async def test_what_runs_with_the_rights_of_the_migration_is_not_for_a_tenants_role(
    indexed: Indexed, call: str
) -> None:
    async with indexed.database.transaction(indexed.tenant_id) as tx:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await tx.execute(f"SELECT ingest.{call}")
