"""Rows of many callers in one statement: what shares one, what fails alone, and what is written again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters import group_writer
from lace_llm_gateway.adapters.group_writer import GroupWriter


class Table:
    """Keeps what is written; refuses what is `bad`, and is away as often as it is told."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = 0
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, items: Sequence[str]) -> Sequence[str]:
        await self.open.wait()
        if self.away:
            self.away -= 1
            raise psycopg.OperationalError("the connection is lost")
        if "bad" in items:
            raise psycopg.errors.CheckViolation("bad")
        if "odd" in items:
            raise TypeError("no statement can hold it")
        self.batches.append(list(items))
        return [item.upper() for item in items]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_writer, "_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def table() -> Table:
    return Table()


async def test_what_comes_while_one_is_written_goes_together(table: Table) -> None:
    writer = GroupWriter("test", table.write, patient=False)
    table.open.clear()
    first = writer.put("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [writer.put(name) for name in "bcd"]
    table.open.set()
    assert await asyncio.gather(first, *others) == ["A", "B", "C", "D"]
    assert table.batches == [["a"], ["b", "c", "d"]]


@pytest.mark.parametrize("bad", ["bad", "odd"])
async def test_a_bad_row_fails_alone(table: Table, bad: str) -> None:
    writer = GroupWriter("test", table.write, patient=False, pause_s=0.001)
    puts = [writer.put(name) for name in ("a", bad, "c", "d")]
    done = await asyncio.gather(*puts, return_exceptions=True)
    assert [done[0], *done[2:]] == ["A", "C", "D"]
    assert isinstance(done[1], LaceError)
    assert done[1].reason is Reason.INTERNAL


async def test_a_database_that_is_away_for_long_is_told_to_who_can_wait_for_it(table: Table) -> None:
    table.away = 100
    hasty = GroupWriter("test", table.write, patient=False)
    with pytest.raises(LaceError) as failure:
        await hasty.put("a")
    assert failure.value.reason is Reason.SERVICE_UNAVAILABLE
    assert failure.value.retryable
    table.away = 20
    patient = GroupWriter("test", table.write, patient=True)
    assert await patient.put("b") == "B"


async def test_a_caller_that_leaves_has_its_row_written(table: Table) -> None:
    writer = GroupWriter("test", table.write, patient=True)
    table.open.clear()

    async def put() -> str:
        return await writer.put("a")

    caller = asyncio.create_task(put())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    table.open.set()
    await writer.flush()
    assert table.batches == [["a"]]


async def test_closing_writes_what_waits_for_company(table: Table) -> None:
    writer = GroupWriter("test", table.write, patient=True, pause_s=3600)
    written = writer.put("a")
    async with asyncio.timeout(30):
        await writer.close()
    assert written.result() == "A"
