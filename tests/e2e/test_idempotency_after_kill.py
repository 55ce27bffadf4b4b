"""Every mutation when the process is killed between its commit and its answer: sent again, one effect, one answer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from lace_standalone.embedded_postgres import EmbeddedPostgres
from tests.doubles.fragile_installation import MARK, READY
from tests.e2e.mutations import MUTATIONS, Stage
from tests.e2e.test_idempotency import METHODS, Request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Fragile:
    """The installation, started again whenever it has died."""

    dsn: str
    data_dir: Path
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    async def api(self) -> httpx.AsyncClient:
        """The API of the process that lives."""
        if self.process is None or self.process.poll() is not None:
            await self.client.aclose()
            ready = self.data_dir / READY
            ready.unlink(missing_ok=True)
            command = [sys.executable, "-m", "tests.doubles.fragile_installation"]
            self.process = subprocess.Popen(
                command, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            async with asyncio.timeout(60):
                while not ready.exists():
                    assert self.process.poll() is None, "it ended at once"
                    await asyncio.sleep(0.02)
            url, token = ready.read_text().split()
            headers = {"authorization": f"Bearer {token}"}
            self.client = httpx.AsyncClient(base_url=url, headers=headers, timeout=30)
        return self.client

    async def end(self) -> None:
        """End it for good."""
        await self.client.aclose()
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
async def fragile(scratch: Path) -> AsyncIterator[Fragile]:
    data_dir = scratch / "fragile"
    server = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await server.start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LACE_", "OPENAI_"))}
    settings = {"LACE_DATA_DIR": str(data_dir), "LACE_DSN": dsn, "LACE_GATEWAY_PORT": "0", "LACE_LOG_LEVEL": "error"}
    installation = Fragile(dsn, data_dir, {**kept, **settings})
    try:
        yield installation
    finally:
        await installation.end()
        await server.stop()


@pytest.mark.parametrize("name", METHODS)
async def test_killed_between_commit_and_answer_the_request_is_answered_when_it_comes_again(
    name: str, fragile: Fragile
) -> None:
    mutation = MUTATIONS[name]
    asked = await mutation.prepare(Stage(await fragile.api(), fragile.dsn))
    request = Request(METHODS[name], asked, key=f"{MARK}{uuid.uuid4().hex}")
    with pytest.raises(httpx.TransportError):
        await request.send(await fragile.api())
    assert fragile.process is not None
    assert await asyncio.to_thread(fragile.process.wait, 10) == -9
    stage = Stage(await fragile.api(), fragile.dsn)
    first, second = [await request.send(stage.api) for _ in range(2)]
    assert first.is_success, first.text
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert await request.effects(stage, mutation) == 1
