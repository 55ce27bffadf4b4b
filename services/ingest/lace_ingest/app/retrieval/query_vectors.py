"""Vectors of questions, remembered: the same question is asked again, by people and by the next page."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from lace_core.errors import LaceError, Reason
from lace_ingest.app.model_ports import EmbeddedTexts, Embedder, ModelCall
from lace_ingest.domain.vectors import EmbeddingModel, Vector

_MOST = 4096

_Key = tuple[str, str, str, str]


class QueryVectors:
    """Asks the embedder for what it did not before; of each tenant by itself, the least used is forgotten first."""

    def __init__(self, embedder: Embedder, most: int = _MOST) -> None:
        self._embedder = embedder
        self._most = most
        self._known: OrderedDict[_Key, tuple[EmbeddingModel, Vector[float]]] = OrderedDict()

    async def of(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        """A vector for each text, all of one model. Raises LaceError as the embedder does."""
        keys = [_key(call, text) for text in texts]
        known = {key: self._known[key] for key in keys if key in self._known}
        for key in known:
            self._known.move_to_end(key)
        missing = {key: key[-1] for key in keys if key not in known}
        if missing:
            embedded = await self._embedder.embed(call, list(missing.values()))
            known.update(zip(missing, ((embedded.model, vector) for vector in embedded.vectors), strict=True))
            self._remember({key: known[key] for key in missing})
        models = {model for model, _ in known.values()}
        if len(models) != 1:  # the gateway changed what an unnamed model stands for
            self._known.clear()
            raise LaceError(
                Reason.MODEL_UNKNOWN, "The embedding model has changed meanwhile; try again.", retryable=True
            )
        return EmbeddedTexts(models.pop(), tuple(known[key][1] for key in keys))

    def _remember(self, found: dict[_Key, tuple[EmbeddingModel, Vector[float]]]) -> None:
        self._known.update(found)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def _key(call: ModelCall, text: str) -> _Key:
    provider, model = (str(call.settings.get(f"llm.embedding_{name}", "")) for name in ("provider", "model"))
    return call.caller.tenant_id, provider, model, text
