"""An installation of one process per service, each under watch, that can be armed, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import psutil

from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.ports import free_ports
from lace_standalone.services import ALL_SERVICES
from tests.chaos.database import SOCKET
from tests.chaos.points import Place, Point
from tests.doubles.separate_processes import environment

_ROUTINE = re.compile(r'"code": "OK".*"event": "rpc"|"status": [23]\d\d.*"event": "http"')
LACE = Path(sys.executable).parent / "lace"
ROOT = Path(__file__).parents[2]
_LOOPBACK = "127.0.0.1"
_READY_S = 60.0
_ENDS_S = 20.0


@dataclass
class Installation:
    """Services by name, their folders below `folder`, and the database's own socket for the checks."""

    parts: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="lace-chaos-")))
    url: str = ""
    token: str = ""
    dsn: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    _postgres: EmbeddedPostgres | None = None
    _nursery: asyncio.subprocess.Process | None = None
    _listening: asyncio.Task[None] | None = None
    _births: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _deaths: dict[int, asyncio.Future[int]] = field(default_factory=dict)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start the database, migrate, start every service, and make the first tenant."""
        self._postgres = EmbeddedPostgres(self.folder / "postgres")
        self.dsn = await self._postgres.start()
        [port] = free_ports(_LOOPBACK, 1)
        self.url = f"http://{_LOOPBACK}:{port}"
        self.environ = environment(self.folder, self.dsn, port, self.parts)
        await self._lace("db", "upgrade")
        await self._start_nursery()
        await self.start_services()
        self.token = (await self._lace("bootstrap")).strip()

    async def start_services(self) -> None:
        """Start those that do not run, and wait until the API is ready."""
        for service in ALL_SERVICES:
            if service not in self.pids:
                await self.bring_up(service)
        await self.ready()

    async def stop_services(self) -> None:
        """End all as an operator would, the gateway first."""
        for service in reversed(ALL_SERVICES):
            if (pid := self.pids.get(service)) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                try:
                    await self.death(service, _ENDS_S)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    await self.death(service, _ENDS_S)

    async def stop(self) -> None:
        """End everything that was started, and remove the folder."""
        try:
            if self._nursery is not None and self._nursery.stdin is not None:
                await self.stop_services()
                self._nursery.stdin.close()
                await self._nursery.wait()
                if self._listening is not None:
                    await self._listening
        finally:
            if self._postgres is not None:
                await self._postgres.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def bring_up(self, service: str) -> None:
        """Start a service, also again after its death; returns when there is a process, not when it is ready."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        folder = self.folder / service
        folder.mkdir(exist_ok=True)
        environ = {**self.environ, "LACE_DSN": self._dsn_through(folder)}
        order = {"service": service, "folder": str(folder), "environ": environ, "server": str(self._socket())}
        self._nursery.stdin.write(json.dumps(order).encode() + b"\n")
        pid = await self._births.get()
        self.pids[service] = pid

    async def arm(self, service: str, point: Point | None = None, place: Place = Place.BEFORE) -> None:
        """Have a service count from nothing, and die at a place of a point where one is named.

        Raises ConnectionError where it dies while it is told.
        """
        order = {"point": asdict(point), "place": place.value} if point else {}
        async with asyncio.timeout(10):
            while True:
                try:
                    reader, writer = await asyncio.open_unix_connection(self.folder / service / "orders.sock")
                    break
                except OSError:
                    pid = self.pids.get(service)
                    if pid in self._deaths and self._deaths[pid].done():
                        raise ConnectionAbortedError(f"{service} ended by itself: {self.log(service)}") from None
                    await asyncio.sleep(0.01)
            writer.write(json.dumps(order).encode() + b"\n")
            told = await reader.readline()
            writer.close()
            if not told:
                raise ConnectionResetError(f"{service} died while it was told")

    async def death(self, service: str, within_s: float) -> int:
        """Wait for a service's process to end; its status, negative for a signal. Raises TimeoutError."""
        pid = self.pids[service]
        async with asyncio.timeout(within_s):
            status = await asyncio.shield(self._deaths[pid])
        del self._deaths[pid]
        del self.pids[service]
        return status

    def kill(self, service: str) -> None:
        """kill -9."""
        os.kill(self.pids[service], signal.SIGKILL)

    def journal(self, service: str) -> list[dict[str, Any]]:
        """What the service's processes have written down so far."""
        path = self.folder / service / "journal"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def log(self, service: str, last: int = 4000) -> str:
        """The end of what a service logged, without the requests that went well."""
        lines = (self.folder / service / "log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if not _ROUTINE.search(line))[-last:]

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"-- {service}\n{self.log(service, 40_000)}" for service in sorted(self.pids))

    async def ready(self) -> None:
        """Wait until the gateway says that all behind it are ready."""
        async with asyncio.timeout(_READY_S), httpx.AsyncClient(base_url=self.url) as client:
            while True:
                for service, pid in self.pids.items():
                    if self._deaths[pid].done():
                        raise AssertionError(f"{service} ended at once: {self.log(service)}")
                try:
                    if (await client.get("/health/ready")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def kill_database(self) -> None:
        """kill -9 of the postmaster, then a start as after a crash."""
        assert self._postgres is not None
        pid = int((self.folder / "postgres" / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])
        postmaster = psutil.Process(pid)
        postmaster.kill()
        # Where nothing reaps it, as in a container without an init, it stays a zombie.
        while postmaster.is_running() and postmaster.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
        await self._postgres.stop()
        self.dsn = await self._postgres.start()

    def _socket(self) -> Path:
        return Path(unquote(self.dsn.rpartition("host=")[2])) / SOCKET

    def _dsn_through(self, folder: Path) -> str:
        return f"{self.dsn.rpartition('host=')[0]}host={quote(str(folder), safe='')}"

    async def _start_nursery(self) -> None:
        self._nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.nursery"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen(), name="nursery")
        async with asyncio.timeout(_READY_S):
            await self._ready.wait()

    async def _listen(self) -> None:
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        while line := await self._nursery.stdout.readline():
            told = json.loads(line)
            if "ready" in told:
                self._ready.set()
            elif "born" in told:
                self._deaths[told["born"]] = asyncio.get_running_loop().create_future()
                self._births.put_nowait(told["born"])
            else:
                self._deaths[told["ended"]].set_result(told["status"])

    async def _lace(self, *arguments: str) -> str:
        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [LACE, *arguments], env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False
            )

        done = await asyncio.to_thread(run)
        if done.returncode != 0:
            raise AssertionError(f"lace {' '.join(arguments)}: {done.stderr}")
        return done.stdout
