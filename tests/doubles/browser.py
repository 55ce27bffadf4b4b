"""A browser without a window, driven by its own protocol: what a person sees and does on a page of ours."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_WITHIN_S = 60.0


def installed_browser() -> str | None:
    """The program, where this machine has one."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


class Page:
    """One page; `complaints` collects what its scripts threw and its policy refused."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._asked = 0
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, answered."""
        self._asked += 1
        await self._connection.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            told = json.loads(await self._connection.recv())
            if told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(told["params"]))
            if told.get("id") == self._asked:
                assert "error" not in told, told
                return dict(told["result"])

    async def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """The expression's value as soon as it is a true one."""
        async with asyncio.timeout(_WITHIN_S):
            while not (value := await self.run(script)):
                await asyncio.sleep(0.05)
            return value


@asynccontextmanager
async def browser(program: str) -> AsyncIterator[Page]:
    """An empty page of a browser of its own, with nothing remembered."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        process = await asyncio.create_subprocess_exec(
            program,
            *options,
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with websockets.connect(await _address(Path(folder)), max_size=1 << 26, proxy=None) as connection:
                page = Page(connection)
                for domain in ("Runtime", "Log", "Page"):
                    await page.call(f"{domain}.enable")
                yield page
        finally:
            process.terminate()
            await process.wait()


async def _address(folder: Path) -> str:
    """The page's WebSocket, once the browser has told its port."""
    import httpx

    told = folder / "DevToolsActivePort"
    async with asyncio.timeout(_WITHIN_S), httpx.AsyncClient(trust_env=False) as http:
        while True:
            port = told.read_text().partition("\n")[0] if told.exists() else ""
            if port:
                pages = (await http.get(f"http://127.0.0.1:{port}/json")).json()
                addresses = [one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page"]
                if addresses:
                    return str(addresses[0])
            await asyncio.sleep(0.05)
