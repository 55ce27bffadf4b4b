"""Units get their vectors in the background: in turns, again after a failure, by the model that is wanted."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.retrieval.memory_vectors import MemoryVectorQueue
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall
from lace_ingest.app.ports import Caller
from lace_ingest.app.vectors import Embedding, Outside
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.query import Scope
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel

LONGEST = 300
MODEL = EmbeddingModel("local", "tiny", 2)
DEFAULTS: Mapping[str, Any] = {"ingest.embedding": True, "ingest.embedding_batch": 2, "llm.embedding_model": "tiny"}


@dataclass
class World:
    """One worker on a memory store; the clock moves when the worker waits."""

    work: MemoryWork = field(default_factory=MemoryWork)
    now: float = 0.0
    settings: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    changes: int = 0
    away: LaceError | None = None
    refused: LaceError | None = None
    unforeseen: bool = False
    calls: list[tuple[Caller, list[str]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)

    def worker(self) -> Embedding:
        def told(units: int, embedded: int) -> None:
            self.progress.append((units, embedded))

        queue = MemoryVectorQueue(self.work, lambda: self.now)
        return Embedding(Outside(queue, self, self, self, self.wait, told, lambda: "lea", lambda: self.now))

    async def embed(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        if self.refused:
            raise self.refused
        if self.unforeseen:
            raise ZeroDivisionError
        for number, text in enumerate(texts):
            if len(text) > LONGEST:
                raise LaceError(Reason.CONTEXT_TOO_LONG, "too long", details=[Detail(f"/{number}", "too long")])
        self.calls.append((call.caller, list(texts)))
        return EmbeddedTexts(self.model, tuple(array("f", [len(text), 1]) for text in texts))

    async def resolve(self, caller: Caller, settings: Mapping[str, Any]) -> EmbeddingModel | None:
        return self.model if settings["llm.embedding_model"] else None

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        if self.away:
            raise self.away
        return self.settings

    def changed(self) -> int:
        return self.changes

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        if len(self.waits) == 5:
            raise asyncio.CancelledError

    @property
    def model(self) -> EmbeddingModel:
        return EmbeddingModel("local", self.settings["llm.embedding_model"], 2)

    async def read(self, tenant_id: str, name: str, *texts: str) -> Source:
        units = [
            Unit(f"unt_{name}_{at}", at, UnitKind.PARAGRAPH, text, sha256_hex(text.encode()), (Span(0, len(text)),))
            for at, text in enumerate(texts)
        ]
        source = Source(
            source_id=f"src_{name}", filename=f"{name}.md", title=name, format=SourceFormat.MD,
            media_type="text/markdown", size_bytes=9, sha256="0" * 64, raw_uri="lace-sources/x",
            created_at=datetime(2026, 5, 6, tzinfo=UTC), created_by=f"prn_{name}", state=SourceState.READY,
            extraction="x/1", unit_count=len(units),
        )  # fmt: skip
        async with self.work(tenant_id) as work:
            await work.sources.add(tenant_id, source)
            await work.units.add(tenant_id, source, units)
            await work.commit()
        return source

    async def embedded(self, tenant_id: str, model: str = "tiny") -> int:
        async with self.work(tenant_id) as work:
            coverage = await work.vectors.coverage(tenant_id, Scope(frozenset()))
        return coverage.embedded.get((f"local/{model}", 2), 0)


@pytest.fixture
def world() -> World:
    return World()


async def until_idle(worker: Embedding) -> int:
    rounds = 0
    while await worker.round():
        rounds += 1
    return rounds


async def test_all_units_of_all_tenants_get_vectors_in_turns(world: World) -> None:
    await world.read("ten_a", "a", *[f"words {number}" for number in range(5)])
    await world.read("ten_b", "b", "other words", "and more")
    worker = world.worker()
    for _ in range(4):
        world.now += 1
        assert await worker.round()
    assert not await worker.round()
    assert [caller.principal_id for caller, _ in world.calls] == ["prn_a", "prn_b", "prn_a", "prn_a"]
    assert [await world.embedded(tenant) for tenant in ("ten_a", "ten_b")] == [5, 2]
    assert world.progress == [(7, 7)]


async def test_another_worker_goes_on_where_one_was_killed(world: World) -> None:
    await world.read("ten_a", "a", "one", "two", "three")
    assert await world.worker().round()
    assert await until_idle(world.worker()) == 1
    assert [text for _, texts in world.calls for text in texts] == ["one", "two", "three"]


async def test_a_text_that_is_too_long_is_divided(world: World) -> None:
    await world.read("ten_a", "a", "short", "word " * 90)
    await until_idle(world.worker())
    [(_, texts)] = world.calls
    assert [len(text) <= LONGEST for text in texts] == [True, True, True]
    assert " ".join(texts[1:]).split() == ["word"] * 90


async def test_a_failure_is_written_down_and_rests_longer_each_time(world: World) -> None:
    source = await world.read("ten_a", "a", "one")
    world.refused = LaceError(Reason.PROVIDER_UNAVAILABLE, "away")
    worker = world.worker()
    tries = []
    for second in range(30):
        world.now = float(second)
        if await worker.round():
            tries.append(second)
    assert tries == [0, 4, 12, 28]
    async with world.work("ten_a") as work:
        [progress] = (await work.vectors.progress("ten_a", [source.source_id]))[source.source_id]
    assert (progress.embedded, progress.error_code) == (0, "PROVIDER_UNAVAILABLE")
    world.refused, world.now = None, 1000.0
    await until_idle(worker)
    assert await world.embedded("ten_a") == 1


async def test_where_no_model_can_be_used_nothing_is_done_until_there_is_one(world: World) -> None:
    await world.read("ten_a", "a", "one")
    world.settings["llm.embedding_model"] = ""
    worker = world.worker()
    assert await until_idle(worker) == 0
    world.settings["llm.embedding_model"] = "tiny"
    assert await until_idle(worker) == 0
    world.changes += 1
    assert await until_idle(worker) == 1


async def test_it_can_be_switched_off(world: World) -> None:
    await world.read("ten_a", "a", "one")
    world.settings["ingest.embedding"] = False
    assert await until_idle(world.worker()) == 0


async def test_a_change_of_model_embeds_again_and_keeps_what_was(world: World) -> None:
    await world.read("ten_a", "a", "one", "two")
    worker = world.worker()
    await until_idle(worker)
    world.settings["llm.embedding_model"] = "other"
    world.changes += 1
    await until_idle(worker)
    assert [await world.embedded("ten_a", model) for model in ("tiny", "other")] == [2, 2]


async def test_a_new_reading_is_found_without_a_change_of_settings(world: World) -> None:
    await world.read("ten_a", "a", "one")
    worker = world.worker()
    await until_idle(worker)
    await world.read("ten_a", "b", "two", "three")
    assert await until_idle(worker) == 1
    assert await world.embedded("ten_a") == 3


async def test_an_unforeseen_failure_does_not_end_the_work(world: World) -> None:
    await world.read("ten_a", "a", "one")
    world.unforeseen = True
    with pytest.raises(asyncio.CancelledError):
        await world.worker().run()
    assert world.waits[0] == 2
    world.unforeseen, world.now = False, 1000.0
    await until_idle(world.worker())
    assert await world.embedded("ten_a") == 1


async def test_it_waits_longer_while_control_is_away_and_goes_on_when_it_is_back(world: World) -> None:
    await world.read("ten_a", "a", "one")
    world.away = LaceError(Reason.SERVICE_UNAVAILABLE, "away")
    with pytest.raises(asyncio.CancelledError):
        await world.worker().run()
    assert world.waits == [2, 4, 8, 16, 32]
    world.away = None
    assert await until_idle(world.worker()) == 1
