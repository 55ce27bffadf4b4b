"""A real broker and a real S3 server of the test's own, by the scripts beside the clone, to be stopped and started."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lace_standalone.ports import free_ports

_SHARED = Path(os.environ.get("LACE_SHARED", Path(__file__).parents[3] / "shared"))
_CACHE = Path(
    os.environ.get("LACE_CI_CACHE", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lace-ci")
)


@dataclass(frozen=True)
class Part:
    """One server: its script with its environment, and the settings that name it to LACE."""

    script: Path
    folder: Path
    environ: Mapping[str, str]
    settings: Mapping[str, str]

    async def do(self, verb: str) -> None:
        """start, stop or destroy. Raises AssertionError with what the script said."""
        process = await asyncio.create_subprocess_exec(
            str(self.script),
            str(self.folder),
            verb,
            env={**os.environ, **self.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise AssertionError(f"{self.script.name} {verb}: {said.decode(errors='replace')[-2000:]}")


def missing(part: str) -> str:
    """Why a part cannot be had here; empty where it can."""
    script = _SHARED / "recipes" / ("kafka/kafka.sh" if part == "kafka" else "minio/s3.sh")
    if not script.exists():
        return f"there is no {script.name} in {_SHARED / 'recipes'}; set LACE_SHARED"
    if not (_CACHE / part).exists():
        return f"there is no built {part} in {_CACHE}; .ci/run builds it there"
    return ""


@asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[Part]:
    """One broker on free ports, until the end of the block."""
    port, control = free_ports("127.0.0.1", 2)
    environ = {"KAFKA_DIST": str(_CACHE / "kafka"), "KAFKA_PORT": str(port), "KAFKA_CTRL_PORT": str(control)}
    settings = {"LACE_BUS": "kafka", "LACE_KAFKA_BOOTSTRAP": f"127.0.0.1:{port}"}
    part = Part(_SHARED / "recipes" / "kafka" / "kafka.sh", folder, environ, settings)
    async with _running(part):
        yield part


@asynccontextmanager
async def minio(folder: Path) -> AsyncIterator[Part]:
    """One MinIO on a free port, until the end of the block."""
    [port] = free_ports("127.0.0.1", 1)
    access, secret = "lace-chaos", secrets.token_hex(12)
    environ = {
        "S3_SERVER": "minio",
        "S3_DIST": str(_CACHE / "minio"),
        "S3_PORT": str(port),
        "S3_ACCESS": access,
        "S3_SECRET": secret,
    }
    settings = {
        "LACE_BLOBS": "minio",
        "LACE_MINIO_ENDPOINT": f"127.0.0.1:{port}",
        "LACE_MINIO_ACCESS_KEY": access,
        "LACE_MINIO_SECRET_KEY": secret,
    }
    part = Part(_SHARED / "recipes" / "minio" / "s3.sh", folder, environ, settings)
    async with _running(part):
        yield part


@asynccontextmanager
async def _running(part: Part) -> AsyncIterator[None]:
    part.folder.mkdir(parents=True, exist_ok=True)
    try:
        await part.do("start")
        yield
    finally:
        await part.do("stop")
