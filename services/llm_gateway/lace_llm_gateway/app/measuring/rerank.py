"""Use case: order documents by how well they answer a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lace_core.canonical import canonical_json, hash_json, sha256_hex
from lace_core.errors import LaceError
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
from lace_llm_gateway.domain.measures import Reranked, in_order


@dataclass(frozen=True)
class RerankOrder:
    """What is asked for; empty fields leave it to the settings, `top_n` 0 is all documents."""

    query: str
    documents: tuple[str, ...]
    top_n: int = 0
    provider: str = ""
    model: str = ""
    settings: Mapping[str, Any] | None = None


async def rerank(measures: Measures, caller: Caller, order: RerankOrder) -> tuple[Reranked, Call]:
    """The documents, the best first, and the call.

    Raises LaceError INVALID_ARGUMENT and CONTEXT_TOO_LONG before any call, PROVIDER_* and MODEL_UNKNOWN.
    """
    values = await measures.gateway.values_for(caller.tenant_id, caller.principal_id, caller.run_id, order.settings)
    provider, name = wanted(values, measures.gateway, "rerank", order.provider, order.model)
    input_hash = hash_json({"query": order.query, "documents": order.documents, "top_n": order.top_n})
    try:
        reranker, model = chosen(measures.rerankers, "rerank", provider, name)
        settings = measures.gateway.settings(values)
        texts = await protected(settings, model, (order.query, *order.documents))
    except LaceError as failure:
        await refused(measures.gateway, caller, ("rerank", provider, name), input_hash, failure)
        raise

    async def once(timeout_s: float) -> Measured[Reranked]:
        found = await reranker.rerank(texts[0], texts[1:], model.model, order.top_n, timeout_s)
        ranked = replace(found, results=in_order(found.results, len(order.documents), order.top_n))
        digest = sha256_hex(canonical_json([[result.index, result.score] for result in ranked.results]))
        return Measured(ranked, ranked.answered_model, ranked.input_tokens, digest)

    work = Work(
        kind="rerank",
        caller=caller,
        model=model,
        measurer=reranker,
        texts=texts,
        input_hash=input_hash,
        settings=settings,
        once=once,
    )
    return await measure(measures, work)
