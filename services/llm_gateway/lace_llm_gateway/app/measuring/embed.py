"""Use case: turn texts into vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lace_core.canonical import hash_json
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.app.measuring.measure import (
    Caller,
    Measured,
    Measures,
    Work,
    chosen,
    measure,
    protected,
    refused,
    wanted,
)
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.measures import Embedded, check_vectors, vectors_hash
from lace_llm_gateway.domain.measuring_models import MeasuringModel


@dataclass(frozen=True)
class EmbedOrder:
    """What is asked for; empty fields leave it to the settings, `dimensions` 0 is the model's own."""

    texts: tuple[str, ...]
    provider: str = ""
    model: str = ""
    dimensions: int = 0
    settings: Mapping[str, Any] | None = None


async def embed(measures: Measures, caller: Caller, order: EmbedOrder) -> tuple[Embedded, Call]:
    """A vector for each text, and the call.

    Raises LaceError INVALID_ARGUMENT and CONTEXT_TOO_LONG before any call, PROVIDER_* and MODEL_UNKNOWN.
    """
    values = await measures.gateway.values_for(caller.tenant_id, caller.principal_id, caller.run_id, order.settings)
    provider, name = wanted(values, measures.gateway, "embedding", order.provider, order.model)
    input_hash = hash_json({"texts": order.texts, "dimensions": order.dimensions})
    try:
        embedder, model = chosen(measures.embedders, "embedding", provider, name)
        _check_dimensions(model, order.dimensions)
        settings = measures.gateway.settings(values)
        texts = await protected(settings, model, order.texts)
    except LaceError as failure:
        await refused(measures.gateway, caller, ("embedding", provider, name), input_hash, failure)
        raise

    async def once(timeout_s: float) -> Measured[Embedded]:
        embedded = await embedder.embed(texts, model.model, order.dimensions, timeout_s)
        check_vectors(embedded, len(order.texts), order.dimensions or model.dimensions)
        digest = vectors_hash(embedded.vectors)
        return Measured(embedded, embedded.answered_model, embedded.input_tokens, digest)

    work = Work(
        kind="embedding",
        caller=caller,
        model=model,
        measurer=embedder,
        texts=texts,
        input_hash=input_hash,
        settings=settings,
        once=once,
        dimensions=order.dimensions,
    )
    return await measure(measures, work)


def _check_dimensions(model: MeasuringModel, dimensions: int) -> None:
    """Raises LaceError INVALID_ARGUMENT where the model is known not to give vectors of that length."""
    if not dimensions or not model.dimensions or dimensions == model.dimensions:
        return
    if not model.reducible:
        problem = f"{model.model} gives {model.dimensions} dimensions and no others"
    elif dimensions > model.dimensions:
        problem = f"{model.model} gives {model.dimensions} dimensions at most"
    else:
        return
    raise LaceError(Reason.INVALID_ARGUMENT, f"{problem}.", details=[Detail("/dimensions", problem)])
