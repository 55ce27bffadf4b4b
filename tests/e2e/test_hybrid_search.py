"""From an upload to a hybrid answer, with the offline embedder at work in the background of a whole installation."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from lace_llm_gateway.adapters.local.minilm import is_installed
from lace_platform.config import load_process_config
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.program import installation_beside

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="the embedder is not installed (make embedder)"),
]
TEXT = b"""# Harbour report

## Money

The toll on the bridge was raised to four pounds in May.

## Weather

Gales kept the trawlers in port for a week.

## People

The mayor resigned after the vote of the council.
"""
# Not one of its words stands in the text.
QUESTION = "Why could fishing vessels not sail because of the storm?"
PATIENCE_S = 60


@dataclass(frozen=True)
class Installation:
    """A client of it, and its database."""

    api: httpx.AsyncClient
    dsn: str


@pytest.fixture
async def installation(scratch: Path) -> AsyncIterator[Installation]:
    """An installation of its own, with all defaults."""
    data_dir = scratch / f"hybrid-{uuid.uuid4().hex[:6]}"
    server = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await server.start()
    try:
        environ = {"LACE_DATA_DIR": str(data_dir), "LACE_GATEWAY_PORT": "0", "LACE_LOG_LEVEL": "warning"}
        config = load_process_config(env_file=None, environ=environ)
        with installation_beside(replace(config, dsn=dsn)) as running:
            headers = {"authorization": f"Bearer {running.token}"}
            async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
                yield Installation(client, dsn)
    finally:
        await server.stop()


async def ask(api: httpx.AsyncClient, mode: str) -> dict[str, Any]:
    answer = await api.post("/v1/search", json={"queries": [{"text": QUESTION, "limit": 3}], "mode": mode})
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read(api: httpx.AsyncClient) -> str:
    """Uploads the text and waits until it is read."""
    files = [("files", ("harbour.md", TEXT))]
    answer = await api.post("/v1/sources:ingest", files=files, headers={"idempotency-key": uuid.uuid4().hex})
    assert answer.is_success, answer.text
    source_id = str(answer.json()["sources"][0]["source_id"])
    async with asyncio.timeout(PATIENCE_S):
        while (await api.get(f"/v1/sources/{source_id}")).json()["state"] != "ready":
            await asyncio.sleep(0.05)
    return source_id


async def test_a_source_is_found_by_words_at_once_and_by_sense_when_its_vectors_are_there(
    installation: Installation,
) -> None:
    api = installation.api
    source_id = await read(api)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            vectors = (await api.get(f"/v1/sources/{source_id}")).json().get("vectors", [])
            if vectors and vectors[0].get("embedded") == vectors[0]["units"]:
                break
            await asyncio.sleep(0.05)
    assert [(made["model"], made["dimensions"], made["units"]) for made in vectors] == [
        ("local/all-minilm-l6-v2", 384, 3)
    ]
    words = await ask(api, "lexical")
    assert words["mode"] == "lexical"
    assert not words["results"][0].get("hits")
    both = await ask(api, "auto")
    assert (both["mode"], both.get("mode_reason", ""), both["vectors"]) == ("hybrid", "", "exact")
    first, *_ = both["results"][0]["hits"]
    texts = {unit["unit_id"]: unit["text"] for unit in both["units"]}
    assert texts[first["unit_id"]].startswith("Gales")
    assert first["scores"]["dense"]
    assert (await ask(api, "auto"))["results"] == both["results"]
    # The units in the background, and the question once; rows of the ledger come in batches, a little later.
    sql = "SELECT resolved_model FROM llm_gateway.llm_calls WHERE provider = 'local' AND response_api = 'embedding'"
    async with (
        asyncio.timeout(PATIENCE_S),
        await psycopg.AsyncConnection.connect(installation.dsn, autocommit=True) as connection,
    ):
        while len(rows := await (await connection.execute(sql)).fetchall()) < 2:
            await asyncio.sleep(0.05)
    assert rows == [("all-minilm-l6-v2",)] * 2
