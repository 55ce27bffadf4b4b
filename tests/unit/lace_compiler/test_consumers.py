"""The consumer: what is under way when the service stops is given back and answered by whoever comes next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from lace.compiler.v1 import compiler_pb2
from lace_compiler.adapters.memory_units import MemoryUnits
from lace_compiler.api.consumers import CompileConsumer
from lace_compiler.app.compile_target import Compiling
from lace_compiler.app.ports import Result, Work
from lace_compiler.domain.attempt import Bundle, Origin
from lace_compiler.domain.settings import CompileLimits
from lace_core.errors import LaceError, Reason
from lace_platform.bus import Envelope, memory
from lace_platform.bus.memory import MemoryBroker, MemoryBus
from lace_proto.json import to_json

ORDER = Envelope(
    "evt_1",
    "ten_1",
    "compile.requested",
    "run_1",
    to_json(compiler_pb2.CompileRequested(job_id="job_1", run_id="run_1", tenant_id="ten_1", target="md")),
)


class Files:
    async def read_ir(self, uri: str, sha256: str) -> bytes:
        return b"{}"

    async def write_bundle(self, tenant_id: str, key: str, data: bytes, media_type: str, filename: str) -> Bundle:
        return Bundle(f"lace-compiled/{key}", "aa", len(data), media_type, filename)

    def download_url(self, tenant_id: str, bundle: Bundle) -> str:
        return ""


class Worker:
    """Takes as long as it is let."""

    def __init__(self, *, lets: bool) -> None:
        self.begun, self.may_end, self.cancelled = asyncio.Event(), asyncio.Event(), False
        if lets:
            self.may_end.set()

    async def compile(self, work: Work, limits: CompileLimits) -> Result:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Result(b"x", "x.md", (), Origin())


def consumer(units: MemoryUnits, worker: Worker) -> CompileConsumer:
    return CompileConsumer(Compiling(units, Files(), worker, lambda: datetime(2026, 5, 1, tzinfo=UTC)))


async def test_an_order_under_way_is_given_back_and_answered_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_GRACE_S", 0.01)
    units, broker = MemoryUnits(), MemoryBroker()
    buses = [MemoryBus(broker) for _ in range(2)]
    workers = [Worker(lets=False), Worker(lets=True)]
    first, second = (consumer(units, worker) for worker in workers)
    consumption = await first.subscribe(buses[0])
    await buses[0].publish([ORDER])
    await workers[0].begun.wait()
    await consumption.close()
    assert workers[0].cancelled
    assert units.told == ()
    await second.subscribe(buses[1])
    async with asyncio.timeout(30):
        while not units.told:
            await asyncio.sleep(0.005)
    await asyncio.gather(*(bus.close() for bus in buses))
    assert [made.order.job_id for made in units.told] == ["job_1"]


async def test_what_is_nearly_done_is_let_end() -> None:
    units, worker, bus = MemoryUnits(), Worker(lets=False), MemoryBus()
    consumption = await consumer(units, worker).subscribe(bus)
    await bus.publish([ORDER])
    await worker.begun.wait()
    ending = asyncio.create_task(consumption.close())
    await asyncio.sleep(0)
    worker.may_end.set()
    await ending
    assert len(units.told) == 1


async def test_an_order_in_another_tenants_name_is_refused() -> None:
    units = MemoryUnits()
    forged = Envelope("evt_2", "ten_2", ORDER.topic, ORDER.key, ORDER.payload)
    with pytest.raises(LaceError) as refused:
        await consumer(units, Worker(lets=True)).handle(forged)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert units.told == ()
