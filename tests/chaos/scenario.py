"""The minimal pipeline, as a client makes it: one tiny source is read, one section is written, one target compiled."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx

ENDED = ("succeeded", "failed", "cancelled")
_POLL_S = 0.03
SOURCE = b"""# Cost of the bridge

The bridge cost 4.2 million pounds. The council paid 3.0 million pounds of the cost.
"""
SETTINGS = {"runs.max_sections": 1, "runs.target_words": 120, "llm.provider": "openai"}


@dataclass(frozen=True)
class Made:
    """The two runs of one document as they ended."""

    ingest: dict[str, Any]
    generate: dict[str, Any]


class Client:
    """A client that repeats a request with its key for as long as it is told that it may, as ours do."""

    def __init__(self, url: str, token: str, within_s: float) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=40)
        self._until = time.monotonic() + within_s

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def make(self, key: str, source: bytes = SOURCE) -> Made:
        """A document; the same key makes the same one."""
        files = [("files", ("bridge.md", source))]
        first = await self.ask("POST", "/v1/sources:ingest", key=f"{key}-ingest", files=files)
        ingest = await self.ended(first["run_id"])
        asked = {
            "title": "The Bridge",
            "source_ids": ingest["source_ids"],
            "targets": ["md"],
            "settings": SETTINGS,
        }
        second = await self.ask("POST", "/v1/runs/generate", key=f"{key}-generate", json=asked)
        return Made(ingest, await self.ended(second["run_id"]))

    async def ended(self, run_id: str) -> dict[str, Any]:
        """The run once it has ended."""
        while True:
            run = await self.ask("GET", f"/v1/runs/{run_id}")
            if run["state"] in ENDED:
                return run
            self._check_time(f"{run_id} is still {run['state']}, {run.get('steps_done')} steps done")
            await asyncio.sleep(_POLL_S)

    async def ask(self, method: str, path: str, key: str = "", **content: Any) -> dict[str, Any]:
        """The answer to a request; refusals that pass by themselves are waited out."""
        headers = {"idempotency-key": key} if key else {}
        while True:
            problem = ""
            try:
                answer = await self._http.request(method, path, headers=headers, **content)
                if answer.is_success:
                    found: dict[str, Any] = answer.json()
                    return found
                if not answer.json().get("retryable"):
                    raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
                problem = answer.text
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            self._check_time(f"{method} {path}: {problem}")
            await asyncio.sleep(_POLL_S)

    def _check_time(self, problem: str) -> None:
        if time.monotonic() > self._until:
            raise TimeoutError(problem)
