"""What embedding and reranking need of providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lace_llm_gateway.domain.measures import Embedded, Reranked


class Measurer(Protocol):
    """A provider of one of the two."""

    @property
    def name(self) -> str:
        """Its name in settings and records."""
        ...

    @property
    def default_model(self) -> str:
        """The model where the settings name none; empty for the one that the catalogue names."""
        ...

    def configured(self, model: str) -> bool:
        """Whether it has what the model needs: a key, an address, a package."""
        ...

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """Tokens of each text by the model's own tokenizer, None where this provider has none at hand."""
        ...

    async def close(self) -> None:
        """Ends its connections and threads."""
        ...


class Embedder(Measurer, Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """One try, within the time; `dimensions` is 0 for the model's own. A cancelled call is cancelled at once.

        Raises LaceError as Provider.complete does, and PROVIDER_UNKNOWN where what it needs is not installed.
        """
        ...


class Reranker(Measurer, Protocol):
    """Tells how relevant documents are to a query."""

    async def rerank(self, query: str, documents: Sequence[str], model: str, top_n: int, timeout_s: float) -> Reranked:
        """One try, within the time; at least the `top_n` best of the documents. Raises as `Embedder.embed` does."""
        ...
