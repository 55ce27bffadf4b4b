"""What this service asks of models: vectors of texts, the relevance of documents, and how many tokens texts take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lace_ingest.app.vector_ports import StoredSettings
from lace_ingest.domain.vectors import EmbeddingModel, Vector

if TYPE_CHECKING:  # the ports of all use cases name these of models
    from lace_ingest.app.ports import Caller


@dataclass(frozen=True)
class ModelCall:
    """For whom and how a model is asked: the settings that hold, and the seconds that it may take.

    `run_id` is empty outside runs; a run's `settings` are those that it pinned.
    """

    caller: Caller
    settings: Mapping[str, Any]
    timeout_s: float
    run_id: str = ""


@dataclass(frozen=True)
class EmbeddedTexts:
    """A vector for each text, in their order, and the model that made them."""

    model: EmbeddingModel
    vectors: tuple[Vector[float], ...]


class Embedder(Protocol):
    """Turns texts into vectors."""

    async def embed(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        """By the model of the settings llm.embedding_provider and llm.embedding_model.

        Raises LaceError CONTEXT_TOO_LONG whose details name the place of a text that is too long, PROVIDER_*,
        MODEL_UNKNOWN, SERVICE_UNAVAILABLE, DEADLINE_EXCEEDED, PERMISSION_DENIED, BUDGET_*.
        """


class Reranker(Protocol):
    """Tells how relevant documents are to a query."""

    async def rerank(self, call: ModelCall, query: str, documents: Sequence[str]) -> Sequence[float]:
        """The score of each document, in their order, by the model of the settings llm.rerank_*. Raises as `embed`."""


@dataclass(frozen=True)
class TokenCounts:
    """The tokens of each text, in their order, never too few, and how they were counted: tokenizer or bound."""

    tokens: tuple[int, ...]
    method: str


class TokenCounter(Protocol):
    """Counts as models do."""

    async def count(self, call: ModelCall, texts: Sequence[str], *, provider: str, model: str) -> TokenCounts:
        """By the tokenizer of this model, or of that of the settings where none is named.

        Raises LaceError PROVIDER_UNKNOWN, MODEL_UNKNOWN, SERVICE_UNAVAILABLE, DEADLINE_EXCEEDED.
        """


class EmbeddingModels(Protocol):
    """The models that embed."""

    async def resolve(self, caller: Caller, settings: Mapping[str, Any]) -> EmbeddingModel | None:
        """The model that these settings name; None where it cannot be used. Raises LaceError as calls do."""


class QueryEmbedder(Protocol):
    """Turns questions into vectors, the same question once."""

    async def of(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        """A vector for each text, all of one model. Raises LaceError as `Embedder.embed`."""


@dataclass(frozen=True)
class Models:
    """The way to models, and the settings that name them; `defaults` hold where control cannot be asked."""

    queries: QueryEmbedder
    reranker: Reranker
    settings: StoredSettings
    defaults: Mapping[str, Any]
    tokens: TokenCounter
