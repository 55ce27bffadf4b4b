"""A batch whose process is killed with SIGKILL goes on in another one, and no answer is paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
_PROGRAM = """
import asyncio, json, sys
from contextlib import AsyncExitStack
from dataclasses import replace

from lace_llm_gateway.app.batches.tasks import OrphanWatch
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer
from lace_platform.db.database import Database, SystemDatabase
from tests.doubles.batch_world import FAST, BatchWorld, Model


class Remote(Model):
    def __init__(self, port):
        super().__init__()
        self.port = port

    async def complete(self, request):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(json.dumps([message.content for message in request.messages]).encode() + b"\\n")
        line = await reader.readline()
        writer.close()
        return ProviderAnswer(
            line.decode().strip(), FinishReason.STOP, request.model, "m-1", "fp_1", input_tokens=10, output_tokens=5
        )


async def main():
    given = json.loads(sys.argv[1])
    async with AsyncExitStack() as stack:
        database = Database(given["dsn"], schema="llm_gateway", role="lace_llm_gateway", password=given["own"])
        system = SystemDatabase(
            given["dsn"], schema="llm_gateway", role="lace_llm_gateway_system", password=given["system"]
        )
        stack.push_async_callback(database.close)
        stack.push_async_callback(system.close)
        world = BatchWorld(database, system, given["tenant_id"], stack, model=Remote(given["port"]))
        process = await world.process(replace(FAST, lease_s=1.0))
        if not given["batch_id"]:
            template = await world.template(process)
            view = await world.run(process, template, locales=("fr",), replicates=6)
            print(view.batch.batch_id, flush=True)
            await process.background.idle()
            return
        watch = OrphanWatch(process.executor, world.orphans(), process.background)
        while not (await world.view(process, given["batch_id"])).batch.state.ended:
            await watch.look()
            await process.background.idle()
            await asyncio.sleep(0.1)
        runs = await world.runs(process, given["batch_id"])
        print(json.dumps([[run.state, run.answered.error_code, run.batch_run_index] for run in runs]), flush=True)


asyncio.run(main())
"""


@dataclass
class Paid:
    """The provider: counts what it is asked, answers until it is told to hold an answer back."""

    hold_from: int
    requests: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    holding: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readline()).decode()
        if not asked:
            return
        self.requests += 1
        if self.requests >= self.hold_from:
            self.holding.set()
            await reader.read()  # until its client is gone
            writer.close()
            return
        self.answered[asked] += 1
        writer.write(b"It rained.\n")
        await writer.drain()
        writer.close()


async def _start(given: dict[str, Any]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, json.dumps(given), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


async def test_a_killed_batch_goes_on_elsewhere_without_paying_twice(postgres: Any, tenant_id: str) -> None:
    paid = Paid(hold_from=5)  # the preflight, three runs; the fourth run is under way at the kill
    server = await asyncio.start_server(paid.serve, "127.0.0.1", 0)
    given = {
        "dsn": postgres.admin_dsn,
        "own": postgres.password("lace_llm_gateway"),
        "system": postgres.password("lace_llm_gateway_system"),
        "port": server.sockets[0].getsockname()[1],
        "tenant_id": tenant_id,
        "batch_id": "",
    }
    first = await _start(given)
    second = None
    try:
        assert first.stdout is not None
        batch_id = (await first.stdout.readline()).decode().strip()
        await asyncio.wait_for(paid.holding.wait(), 30)
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        paid.hold_from = 1_000
        second = await _start({**given, "batch_id": batch_id})
        out, _ = await asyncio.wait_for(second.communicate(), 40)
    finally:
        for process in (first, second):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
        server.close()
        await server.wait_closed()
    runs = json.loads(out.splitlines()[-1])
    assert [index for _, _, index in runs] == list(range(6))
    # The call that was under way may have been answered: it is told, and not paid for again by itself.
    ok = ["succeeded", ""]
    assert [[state, code] for state, code, _ in runs] == [ok, ok, ok, ["failed", "SERVICE_UNAVAILABLE"], ok, ok]
    assert paid.requests == 1 + 3 + 1 + 2
    assert sum(paid.answered.values()) == 1 + 3 + 2
