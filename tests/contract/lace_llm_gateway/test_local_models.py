"""The provider `local`: vectors equal to torch's, the same bits each time, and a loop that keeps its turn meanwhile."""

from __future__ import annotations

import asyncio
import base64
import os
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.local import minilm
from lace_llm_gateway.adapters.local.embedder import LocalEmbedder
from lace_llm_gateway.adapters.local.reranker import LocalReranker
from lace_llm_gateway.adapters.local.worker import MiniLmWorker

GOLDEN = Path(__file__).parents[2] / "golden" / "embeddings" / "all_minilm_l6_v2.json"
VECTORS = {vector["name"]: vector for vector in orjson.loads(GOLDEN.read_bytes())["vectors"]}
DOCUMENTS = (
    "Interest rates rose in the second quarter.",
    "The bridge was closed for repairs in May.",
    "A heat pump moves heat rather than making it.",
)


def _installed() -> bool:
    required = os.environ.get("LACE_REQUIRE_REAL_PARTS") == "1"
    return required or minilm.is_installed()


needs_model = pytest.mark.skipif(not _installed(), reason="the dependency group embedder is not installed")


@pytest.fixture(scope="module")
async def worker() -> AsyncIterator[MiniLmWorker]:
    opened = MiniLmWorker()
    yield opened
    opened.close()


@needs_model
@pytest.mark.parametrize("name", sorted(VECTORS))
async def test_vectors_equal_those_of_torch(worker: MiniLmWorker, name: str) -> None:
    golden = VECTORS[name]
    [vector] = await worker.vectors((golden["text"],), 30)
    expected = array("f", base64.b64decode(golden["vector"]))
    assert len(vector) == len(expected) == 384
    assert max(abs(a - b) for a, b in zip(vector, expected, strict=True)) < 3e-7
    assert await worker.counts((golden["text"],)) == [golden["tokens"]]


@needs_model
async def test_neighbours_change_no_bit(worker: MiniLmWorker) -> None:
    texts = tuple(vector["text"] for vector in VECTORS.values())
    together = await worker.vectors(texts, 30)
    alone = [(await worker.vectors((text,), 30))[0] for text in reversed(texts)]
    assert [vector.tobytes() for vector in together] == [vector.tobytes() for vector in reversed(alone)]


@needs_model
async def test_the_loop_keeps_its_turn(worker: MiniLmWorker) -> None:
    text = VECTORS["a long text"]["text"]
    await worker.vectors((text,), 30)
    task = asyncio.create_task(worker.vectors((text,) * 6, 60))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(await task) == 6
    assert turns > 60  # were the loop held while a text is computed, it would have one turn for each of them


@needs_model
async def test_time_that_runs_out(worker: MiniLmWorker) -> None:
    text = VECTORS["a long text"]["text"]
    with pytest.raises(LaceError) as raised:
        await worker.vectors((text,) * 50, 0.05)
    assert raised.value.reason is Reason.PROVIDER_UNAVAILABLE


@needs_model
async def test_relevance_by_meaning(worker: MiniLmWorker) -> None:
    found = await LocalReranker(worker).rerank("How does heating work?", DOCUMENTS, minilm.MODEL, 1, 30)
    best = max(found.results, key=lambda ranked: ranked.score)
    assert best.index == 2
    assert -1 <= best.score <= 1


async def test_relevance_by_words_needs_no_model() -> None:
    reranker = LocalReranker(MiniLmWorker())
    assert reranker.configured("lexical-1")
    found = await reranker.rerank("When was the BRIDGE closed?", DOCUMENTS, "lexical-1", 0, 5)
    scores = [ranked.score for ranked in found.results]
    assert scores.index(max(scores)) == 1
    assert scores[2] == 0
    assert await reranker.count(("The bridge, closed.",), "lexical-1") == [3]
    await reranker.close()


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_NEEDED", ("a_wheel_that_nobody_has",))
    minilm.is_installed.cache_clear()
    try:
        embedder = LocalEmbedder(MiniLmWorker())
        assert not embedder.configured(minilm.MODEL)
        assert not LocalReranker(MiniLmWorker()).configured(minilm.MODEL)
        with pytest.raises(LaceError, match="make embedder") as raised:
            await embedder.embed(("a",), minilm.MODEL, 0, 5)
        assert raised.value.reason is Reason.PROVIDER_UNKNOWN
        with pytest.raises(LaceError, match="make embedder"):
            await embedder.count(("a",), minilm.MODEL)
    finally:
        minilm.is_installed.cache_clear()
