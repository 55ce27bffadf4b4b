"""Single flight between operating system processes: each has its own pool, and the provider counts its requests."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

_PROGRAM = """
import asyncio, json, sys
from lace_llm_gateway.adapters.determinism_metrics import SINGLE_FLIGHT_LOCKS, PrometheusDeterminismMetrics
from lace_llm_gateway.adapters.postgres_versions import PostgresVersionCache
from lace_llm_gateway.app.providers.list_versions import Versions
from lace_llm_gateway.domain.versions import OfferedVersions
from lace_platform.clock import utc_now
from lace_platform.db.database import SystemDatabase


class Asking:
    name, default_model = "openai", "m"

    def __init__(self, port):
        self.port = port

    async def versions(self, etag, timeout_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"versions\\n")
        line = await reader.readline()
        writer.close()
        return OfferedVersions(tuple(json.loads(line)), "m-1")


async def refused(seconds):
    print("refused", flush=True)
    await asyncio.sleep(seconds)


async def main():
    given = json.loads(sys.argv[1])
    database = SystemDatabase(
        given["dsn"], schema="llm_gateway", role="lace_llm_gateway_system", password=given["password"]
    )
    asking = Asking(given["port"])
    versions = Versions(
        {"openai": asking}, PostgresVersionCache(database), utc_now, PrometheusDeterminismMetrics(),
        ttl_s=300, timeout_s=30, sleep=refused,
    )
    print("ready", flush=True)
    sys.stdin.readline()
    found = await asyncio.gather(*(versions.list("openai", force_refresh=True) for _ in range(20)))
    locks = SINGLE_FLIGHT_LOCKS.labels("openai")._value.get()
    told = {"locks": locks, "versions": sorted({f.versions for f in found}), "sources": [f.source for f in found]}
    print(json.dumps(told), flush=True)
    await database.close()


asyncio.run(main())
"""
_PROCESSES = 2


class Counting:
    """A provider behind a socket: answers when all processes had time to ask, and counts who did."""

    def __init__(self) -> None:
        self.requests = 0
        self.answer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self.requests += 1
        await self.answer.wait()
        writer.write(b'["m-1", "m-2"]\n')
        await writer.drain()
        writer.close()


async def test_processes_that_ask_at_once_cost_one_request(postgres: Any, system_database: Any) -> None:
    async with system_database("llm_gateway").transaction() as tx:
        await tx.execute("DELETE FROM provider_version_cache")
        await tx.commit()
    counting = Counting()
    server = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
    given = {
        "dsn": postgres.admin_dsn,
        "password": postgres.password("lace_llm_gateway_system"),
        "port": server.sockets[0].getsockname()[1],
    }
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, json.dumps(given), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(_PROCESSES)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            await process.stdin.drain()
        # The answer comes only when one process has found the lock held by the other.
        await _one_is_refused(processes)
        counting.answer.set()
        told = [json.loads((await process.communicate())[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        server.close()
        await server.wait_closed()
    assert counting.requests == 1
    assert sorted(each["locks"] for each in told) == [0.0, 1.0]
    assert [each["versions"] for each in told] == [[["m-1", "m-2"]]] * _PROCESSES
    assert [source for each in told for source in each["sources"]].count("live") == 1


async def _one_is_refused(processes: list[asyncio.subprocess.Process]) -> None:
    async with asyncio.timeout(20):
        lines = [asyncio.create_task(process.stdout.readline()) for process in processes if process.stdout]
        done, pending = await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
        assert {line.result() for line in done} == {b"refused\n"}
        for line in pending:
            line.cancel()
        await asyncio.wait(pending)
