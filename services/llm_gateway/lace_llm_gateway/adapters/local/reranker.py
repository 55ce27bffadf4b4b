"""The provider `local` as a reranker: by words, or by the cosine of the local embedder's vectors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from lace_llm_gateway.adapters.local.lexical import scores, words_of
from lace_llm_gateway.adapters.local.minilm import MODEL, is_installed
from lace_llm_gateway.adapters.local.worker import MiniLmWorker
from lace_llm_gateway.domain.measures import Ranked, Reranked, Vector


class LocalReranker:
    """See app.measuring.ports.Reranker. By words it needs nothing that is not installed."""

    name = "local"
    default_model = ""

    def __init__(self, worker: MiniLmWorker) -> None:
        self._worker = worker

    def configured(self, model: str) -> bool:
        """By words always, by vectors where the embedder's model is installed."""
        return model != MODEL or is_installed()

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """Tokens of each text; by words, its words."""
        if model == MODEL:
            return await self._worker.counts(tuple(texts))
        return await asyncio.to_thread(lambda: [len(words_of(text)) for text in texts])

    async def rerank(self, query: str, documents: Sequence[str], model: str, top_n: int, timeout_s: float) -> Reranked:
        """See app.measuring.ports.Reranker.rerank; all documents are scored."""
        if model == MODEL:
            asked, *others = await self._worker.vectors((query, *documents), timeout_s)
            found = [_cosine(asked, other) for other in others]
        else:
            found = await asyncio.to_thread(scores, query, documents)
        return Reranked(tuple(Ranked(index, score) for index, score in enumerate(found)), model)

    async def close(self) -> None:
        """The thread is the embedder's, which ends it."""


def _cosine(one: Vector[float], other: Vector[float]) -> float:
    """Of unit vectors."""
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
