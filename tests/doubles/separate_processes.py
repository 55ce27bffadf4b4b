"""An installation of one process per service, as compose.yaml runs it: started, waited for and ended by tests."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from lace_standalone.ports import addresses, free_ports
from lace_standalone.services import ALL_SERVICES, RPC_SERVICES

LACE = Path(sys.executable).parent / "lace"
_LOOPBACK = "127.0.0.1"
_START_S = 60.0
_STOP_S = 20.0


def parts_from_environment() -> dict[str, str]:
    """The settings that name the broker and the S3 server; empty where the environment does not name them."""
    kafka, store = os.environ.get("LACE_TEST_KAFKA", ""), os.environ.get("LACE_TEST_S3", "")
    if not kafka or not store:
        return {}
    return {
        "LACE_BUS": "kafka",
        "LACE_KAFKA_BOOTSTRAP": kafka,
        "LACE_BLOBS": "minio",
        "LACE_MINIO_ENDPOINT": store,
        "LACE_MINIO_ACCESS_KEY": os.environ.get("LACE_TEST_S3_ACCESS", "laceadmin"),
        "LACE_MINIO_SECRET_KEY": os.environ.get("LACE_TEST_S3_SECRET", "laceadmin-secret"),
    }


def environment(folder: Path, dsn: str, gateway_port: int, parts: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process of one installation: secrets of its own, free ports, and these parts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LACE_", "OPENAI_"))}
    where = ",".join(f"{name}={address}" for name, address in addresses(_LOOPBACK, RPC_SERVICES).items())
    return {
        **kept,
        "LACE_DATA_DIR": str(folder / "data"),
        "LACE_DSN": dsn,
        "LACE_DB_ROLE_SECRET": secrets.token_hex(16),
        "LACE_SERVICE_SECRET": secrets.token_hex(16),
        "LACE_URL_SIGNING_SECRET": secrets.token_hex(16),
        "LACE_ADDRESSES": where,
        "LACE_GATEWAY_PORT": str(gateway_port),
        "LACE_INGEST_EMBEDDING": "false",
        **parts,
    }


@dataclass
class SeparateProcesses:
    """The processes and what they share; `folder` takes their logs."""

    folder: Path
    admin_dsn: str
    parts: Mapping[str, str]
    url: str = ""
    token: str = ""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Migrates, starts every service, and makes the first tenant; at most a minute."""
        self.folder.mkdir(parents=True, exist_ok=True)
        [port] = free_ports(_LOOPBACK, 1)
        self.url = f"http://{_LOOPBACK}:{port}"
        self.environ = environment(self.folder, self.admin_dsn, port, self.parts)
        self._run("db", "upgrade")
        for service in ALL_SERVICES:
            self.start_service(service)
        await self._ready()
        self.token = self._run("bootstrap").strip()

    def start_service(self, service: str) -> None:
        """Starts one service, also again after its end."""
        with (self.folder / f"{service}.log").open("ab") as log:
            self.running[service] = subprocess.Popen(
                [LACE, "serve", service], env=self.environ, cwd=self.folder, stdout=log, stderr=log
            )

    def stop(self) -> dict[str, int]:
        """Ends all as an operator would, the gateway first; exit codes by service."""
        codes = {}
        for service in reversed(ALL_SERVICES):
            if service in self.running:
                codes[service] = self._end(self.running.pop(service))
        return codes

    def log(self, service: str) -> str:
        """What a service logged, for the message of a failing test."""
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [LACE, *arguments], env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"lace {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    async def _ready(self) -> None:
        async with asyncio.timeout(_START_S), httpx.AsyncClient(base_url=self.url) as client:
            while True:
                for service, process in self.running.items():
                    if process.poll() is not None:
                        raise AssertionError(f"{service} ended at once: {self.log(service)[-2000:]}")
                try:
                    if (await client.get("/health/ready")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
