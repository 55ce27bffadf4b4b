"""The provider `local` as an embedder."""

from __future__ import annotations

from collections.abc import Sequence

from lace_llm_gateway.adapters.local.minilm import MODEL, is_installed
from lace_llm_gateway.adapters.local.worker import MiniLmWorker
from lace_llm_gateway.domain.measures import Embedded


class LocalEmbedder:
    """See app.measuring.ports.Embedder. The same text always gives the same bits, whatever goes with it."""

    name = "local"
    default_model = ""

    def __init__(self, worker: MiniLmWorker) -> None:
        self._worker = worker

    def configured(self, model: str) -> bool:
        """Whether the model is installed."""
        return is_installed()

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """Tokens of each text, exactly."""
        return await self._worker.counts(tuple(texts))

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """See app.measuring.ports.Embedder.embed; tokens are those of `count`."""
        return Embedded(await self._worker.vectors(tuple(texts), timeout_s), MODEL)

    async def close(self) -> None:
        """Ends the thread."""
        self._worker.close()
