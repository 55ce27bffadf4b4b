"""Watching runs in Postgres: watchers that join at random while the run goes on see each event once, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import psycopg
import pytest

from lace_platform.db.database import SystemDatabase
from lace_runs.adapters.events import PostgresNews
from lace_runs.adapters.wakeups import EventWakeups
from lace_runs.app.events import EventTails, page
from lace_runs.domain.events import event_id_of
from tests.doubles.event_writer import EventWriter
from tests.doubles.runs_world import World

_EVENTS = 400


@asynccontextmanager
async def tailing(world: World, system: SystemDatabase) -> AsyncIterator[EventTails]:
    """Tails that run, as the service has them."""
    tails = EventTails(world.open, PostgresNews(system), EventWakeups(world.listener))
    running = asyncio.create_task(tails.run())
    try:
        yield tails
    finally:
        running.cancel()


@pytest.fixture
async def writer(postgres: Any) -> AsyncIterator[EventWriter]:
    """A writer on a connection of its own."""
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        yield EventWriter(connection)


async def _run(world: World, writer: EventWriter) -> str:
    """A run with its first event, which no worker takes up."""
    run = await world.start("noop10")
    await writer.pause(run.run_id)
    return run.run_id


async def _read(tails: EventTails, world: World, run_id: str, after: int, dawdle_s: float) -> list[str]:
    found: list[str] = []
    async with aclosing(tails.watch(world.tenant_id, run_id, after)) as batches:  # type: ignore[type-var]
        async for batch, _ in batches:
            found += [event.event_id for event in batch]
            await asyncio.sleep(dawdle_s)
    return found


async def test_late_watchers_replay_and_tail_without_gap_or_double(
    world: World, system_database: Callable[[str], SystemDatabase], writer: EventWriter
) -> None:
    chance = random.Random(7)
    run_id = await _run(world, writer)
    readers: list[tuple[int, asyncio.Task[list[str]]]] = []
    async with tailing(world, system_database("runs")) as tails, asyncio.timeout(30):
        written = 1
        while written < _EVENTS:
            count = chance.randint(1, 12)
            await writer.append(run_id, count, wake=chance.random() < 0.9)
            written += count
            if len(readers) < 40:
                after, dawdle_s = chance.randint(0, written), chance.choice([0, 0, 0.002, 0.02])
                readers.append((after, asyncio.create_task(_read(tails, world, run_id, after, dawdle_s))))
        await writer.append(run_id, 1, last=True)
        for after, reader in readers:
            assert await reader == [event_id_of(run_id, n) for n in range(after + 1, written + 2)]
        assert tails.count() == 0


async def test_news_of_many_runs_come_together_and_stay_with_their_tenants(
    world: World, system_database: Callable[[str], SystemDatabase], writer: EventWriter
) -> None:
    first, second = await _run(world, writer), await _run(world, writer)
    await writer.append(first, 5)
    await writer.append(second, 2)
    news = PostgresNews(system_database("runs"))
    keys = [(world.tenant_id, first), (world.tenant_id, second), ("ten_other", first)]
    found = await news.after({keys[0]: 2, keys[1]: 3, keys[2]: 0}, 3)
    assert {key: [event.sequence for event in events] for key, events in found.items()} == {keys[0]: [3, 4, 5]}
    pages, _ = await page(world.open, world.tenant_id, first, 2, 3)
    assert list(found[keys[0]]) == list(pages)
