"""Real calls with keys that are canaries, in every way that they can go wrong: no place that is written to has one."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.doubles import openai_server as server

ROOT = Path(__file__).parents[3]
KEYS = {
    "OPENAI_API_KEY": "sk-canary-openai-4f1d9b7c2e",
    "ANTHROPIC_API_KEY": "sk-ant-canary-8a6e0c3f5d",
    "GEMINI_API_KEY": "AIza-canary-1b9d7f5e3c0a",
}
SIGNING = {
    "LACE_SERVICE_SECRET": "service-canary-77c1e0a94b",
    "LACE_URL_SIGNING_SECRET": 'url-canary-\\quoted"-52d8f6',
}


def replies(key: str) -> list[server.Reply]:
    """A good answer and all faults; whoever can repeats the key."""
    html = f"<html><body>Proxy error, headers were: Bearer {key}</body></html>".encode()
    return [
        server.text("ready"),
        server.error(401, f"Incorrect API key provided: {key}.", "invalid_api_key"),
        server.error(403, f"{key} may not"),
        server.error(429, f"Slow down, {key}", headers={"retry-after": "0"}),
        server.error(500, f"upstream failed with Authorization: Bearer {key}"),
        server.error(400, f"Authentication Error, received API key {key} in x-api-key"),
        server.raw(html, "text/html"),
        server.raw(f'{{"error": "{key}", "choices": "{key}"}}'.encode(), "application/json"),
    ]


class Repeating:
    """Answers each key's calls in turn, and remembers the headers of all."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._turns = {key: itertools.cycle(replies(key)) for key in KEYS.values()}

    def __call__(self, body: server.Body) -> server.Answer:
        self.heard += body.headers.values()
        body.setdefault("model", "any")
        key = next(key for key in KEYS.values() if any(key in value for value in body.headers.values()))
        return next(self._turns[key])(body)


@pytest.fixture
async def written(postgres: Any, tenant_id: str, tmp_path: Path) -> tuple[str, str, Path]:
    """What the process wrote to standard output and error, and its folder."""
    folder = tmp_path / "run" / "secrets"
    folder.mkdir(parents=True)
    (folder / "anthropic_api_key").write_text(KEYS["ANTHROPIC_API_KEY"] + "\n")
    async with server.serving() as double:
        double.otherwise = repeating = Repeating()
        base = double.base_url
        environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            **SIGNING,
            "PYTHONPATH": str(ROOT),
            "LACE_DATA_DIR": str(tmp_path / "data"),
            "LACE_DSN": postgres.admin_dsn,
            "LACE_DB_ROLE_SECRET": postgres.role_secret,
            "LACE_LOG_LEVEL": "debug",
            "LACE_SECRETS_DIR": str(folder),
            "OPENAI_API_KEY": KEYS["OPENAI_API_KEY"],
            "GEMINI_API_KEY": KEYS["GEMINI_API_KEY"],
            "OPENAI_BASE_URL": base,
            "ANTHROPIC_BASE_URL": base,
            "LACE_GEMINI_BASE_URL": base,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.doubles.canary_gateway", tenant_id,
            cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-3000:]
        for key in KEYS.values():
            assert any(key in value for value in repeating.heard), "the calls were made with the keys"
    return out.decode(), err.decode(), tmp_path / "data"


async def test_no_key_is_in_anything_that_is_written(
    written: tuple[str, str, Path], tenant_id: str, postgres: Any, database: Any
) -> None:
    out, err, folder = written
    for proof in ("ANSWER", "FAILURE", "PROVIDER_CREDENTIALS", "PROVIDER_RATE_LIMITED", "INVALID_ARGUMENT", "METRICS"):
        assert proof in out, proof
    assert '"name": "chat ' in out, "spans are written"
    assert "cannot send" in err, "the fault of the library is in the log"
    async with database("llm_gateway").transaction(tenant_id) as transaction:
        found = await transaction.execute(text("SELECT row_to_json(c)::text FROM llm_gateway.llm_calls c"))
        rows = [row[0] for row in found]
    assert len(rows) >= len(KEYS) * len(replies(""))
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "secrets.json"]
    secrets = [
        *KEYS.values(),
        *SIGNING.values(),
        SIGNING["LACE_URL_SIGNING_SECRET"].replace("\\", "\\\\"),
        postgres.role_secret,
    ]
    for secret in secrets:
        assert secret not in out
        assert secret not in err
        assert not [row for row in rows if secret in row]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
