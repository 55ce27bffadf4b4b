"""A whole installation that tells where its gRPC services and its database are, which `lace up` keeps to itself.

Run as a program by the benchmarks that call the services from outside; prints one line of JSON when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lace_platform import telemetry
from lace_platform.config import load_process_config
from lace_platform.db.migrations import upgrade
from lace_platform.host import open_platform
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.first_tenant import make_first_tenant
from lace_standalone.ports import addresses
from lace_standalone.program import run_until_stopped
from lace_standalone.services import ALL_SERVICES, GATEWAY, RPC_SERVICES, hosting
from tests.bench.processes import started


@dataclass(frozen=True)
class Places:
    """Where the parts of the running installation are, and the first tenant's token."""

    gateway_port: int
    addresses: dict[str, str]
    dsn: str
    token: str


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Places]:
    """The installation in a process of its own, on a durable database in the folder, until the end of the block."""
    command = [sys.executable, "-m", "tests.bench.server"]
    with started(command, folder / "data", **settings) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("{"):
            raise RuntimeError(f"the installation did not start: {line}")
        yield Places(**json.loads(line))


async def _serve() -> None:
    config = load_process_config(env_file=None)
    telemetry.configure("standalone", config)
    server = EmbeddedPostgres(config.data_dir / "postgres")
    dsn = await server.start()
    try:
        await upgrade(dsn, RPC_SERVICES, config.db_role_secret)
        config = replace(config, dsn=dsn, addresses=addresses("127.0.0.1", RPC_SERVICES))
        async with open_platform(config) as platform, hosting(config, platform, ALL_SERVICES) as hosts:
            token = await make_first_tenant(config)
            places = Places(hosts[GATEWAY].port, dict(config.addresses), dsn, token)
            print(json.dumps(asdict(places)), flush=True)
            await asyncio.Event().wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    run_until_stopped(_serve())
