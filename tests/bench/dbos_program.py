"""Ten-step workflows that do nothing, by DBOS Transact: a program of its own, run in an environment of its own.

Waits for a line on standard input for each round, runs so many workflows, and prints one line of JSON about them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time

from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found]


@DBOS.step()  # type: ignore[untyped-decorator]
async def nothing(number: int) -> int:
    """A step."""
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def ten_steps() -> int:
    """A workflow of ten steps, each durable before the next begins."""
    for number in range(10):
        await nothing(number)
    return 10


async def run(count: int, in_flight: int) -> float:
    """The seconds that so many workflows take, with so many of them started and not yet ended at any time."""
    slots = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with slots:
            handle = await DBOS.start_workflow_async(ten_steps)
            if await handle.get_result() != 10:
                raise RuntimeError("a workflow ended early")

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began


def cpu_seconds() -> float:
    """What this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def serve(count: int, in_flight: int) -> None:
    """One round for each line that comes in."""
    await run(in_flight, in_flight)
    print(json.dumps({"ready": True}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        cpu = cpu_seconds()
        seconds = await run(count, in_flight)
        found = {"seconds": seconds, "cpu_s": cpu_seconds() - cpu}
        found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(found), flush=True)


def main() -> None:
    """As many connections as workflows in flight have use for; no server for administrators, no logs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--connections", type=int, default=20)
    arguments = parser.parse_args()
    config: DBOSConfig = {
        "name": "ten-steps",
        "system_database_url": arguments.dsn,
        "sys_db_pool_size": arguments.connections,
        "max_executor_threads": 2 * arguments.connections,
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        asyncio.run(serve(arguments.count, arguments.in_flight))
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main()
