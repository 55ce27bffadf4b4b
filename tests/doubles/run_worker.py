"""A worker of runs in a process of its own: says `ready`, and works until its standard input ends."""

from __future__ import annotations

import asyncio
import sys

from tests.conftest import PostgresServer
from tests.doubles.runs_world import RuleModel
from tests.doubles.runs_world import world as make_world


async def main(admin_dsn: str, role_secret: str, tenant_id: str) -> None:
    """On the session's database, with the model that answers by rule, a little late."""
    server = PostgresServer(admin_dsn, role_secret)
    listener = server.listener("runs")
    database, system = server.database("runs"), server.system_database("runs")
    await listener.start()
    password = server.password("lace_runs_system")
    world = make_world(database, system, listener, admin_dsn, password, tenant_id)
    world.model = RuleModel(delay_s=0.03, lie="The bridge cost 9.9 million pounds in 2021.")
    try:
        async with world.worker():
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
    finally:
        await listener.close()
        await database.close()
        await system.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
