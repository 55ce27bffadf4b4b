"""A whole installation that tells where its gRPC services and its database are, which `lace up` keeps to itself.

Run as a program by the benchmarks that call the services from outside; prints one line of JSON when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from lace_platform import telemetry
from lace_platform.config import load_process_config
from lace_platform.db.migrations import upgrade
from lace_platform.host import open_platform
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.first_tenant import make_first_tenant
from lace_standalone.ports import addresses
from lace_standalone.program import run_until_stopped
from lace_standalone.services import ALL_SERVICES, GATEWAY, RPC_SERVICES, hosting
from tests.bench.processes import LACE, started


@dataclass(frozen=True)
class Places:
    """Where the parts of the running installation are, its process, the first tenant's token, and its roles' secret."""

    gateway_port: int
    addresses: dict[str, str]
    dsn: str
    token: str
    pid: int
    role_secret: str


@contextmanager
def running(folder: Path, services: Sequence[str] = ALL_SERVICES, **settings: str) -> Iterator[Places]:
    """The installation in a process of its own, on a durable database in the folder, until the end of the block.

    With only some of the services the others are given their addresses, and are left to the caller to start.
    """
    command = [sys.executable, "-m", "tests.bench.server", *services]
    with started(command, folder / "data", **settings) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:  # on a busy machine a warning may come before
            said.append(line)
            if '"gateway_port"' in line:
                break
        else:
            raise RuntimeError(f"the installation did not start: {''.join(said)}")
        _drain(process.stdout)
        yield Places(**json.loads(line))


@contextmanager
def another_worker(places: Places, home: Path, folder: Path) -> Iterator[int]:
    """A second process with the run service on the same database, whose secrets are in `home`; its process id."""
    own = addresses("127.0.0.1", ["runs"])["runs"]
    given = ",".join(f"{name}={address}" for name, address in {**places.addresses, "runs": own}.items())
    folder.mkdir(parents=True)
    shutil.copy(home / "data" / "secrets.json", folder)
    settings = {"LACE_DSN": places.dsn, "LACE_ADDRESSES": given, "LACE_RUNS_BENCH_PIPELINES": "true"}
    with started([LACE, "serve", "runs"], folder, **settings) as process:
        assert process.stdout is not None
        _drain(process.stdout)
        yield process.pid


def _drain(output: IO[str]) -> None:
    """Read what the program still says, so that it never waits to be heard."""
    threading.Thread(target=deque, args=(output, 0), daemon=True).start()


async def _serve() -> None:
    config = load_process_config(env_file=None)
    telemetry.configure("standalone", config)
    server = EmbeddedPostgres(config.data_dir / "postgres")
    dsn = await server.start()
    try:
        await upgrade(dsn, RPC_SERVICES, config.db_role_secret)
        config = replace(config, dsn=dsn, addresses=addresses("127.0.0.1", RPC_SERVICES))
        async with open_platform(config) as platform, hosting(config, platform, sys.argv[1:]) as hosts:
            token = await make_first_tenant(config)
            port = hosts[GATEWAY].port if GATEWAY in hosts else 0
            places = Places(port, dict(config.addresses), dsn, token, os.getpid(), config.db_role_secret)
            print(json.dumps(asdict(places)), flush=True)
            await asyncio.Event().wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    run_until_stopped(_serve())
