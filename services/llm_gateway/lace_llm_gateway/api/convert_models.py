"""Between the messages of ModelService and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from lace.llm_gateway.v1 import llm_gateway_pb2 as gateway_wire
from lace.llm_gateway.v1 import models_pb2 as wire
from lace_llm_gateway.api.convert import call_message
from lace_llm_gateway.app.calls.orders import settings_of
from lace_llm_gateway.app.measuring.embed import EmbedOrder
from lace_llm_gateway.app.measuring.list_models import OfferedMeasuring
from lace_llm_gateway.app.measuring.measure import Caller
from lace_llm_gateway.app.measuring.rerank import RerankOrder
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.measures import Embedded, Reranked
from lace_platform.rpc import CallContext

_KINDS = {
    "embedding": gateway_wire.MEASURING_KIND_EMBEDDING,
    "rerank": gateway_wire.MEASURING_KIND_RERANK,
}


def caller_of(request: wire.EmbedRequest | wire.RerankRequest, call: CallContext) -> Caller:
    """For whom the call is made."""
    return Caller(call.tenant_id, call.principal_id, request.run_id, request.step_id, call.remaining())


def embed_order(request: wire.EmbedRequest) -> EmbedOrder:
    """What is asked for; raises LaceError INVALID_ARGUMENT for settings that are no JSON object."""
    return EmbedOrder(
        texts=tuple(request.texts),
        provider=request.provider,
        model=request.model,
        dimensions=request.dimensions,
        settings=settings_of(request.settings_json),
    )


def embed_response(embedded: Embedded, call: Call) -> wire.EmbedResponse:
    """The vectors and the call in the ledger."""
    return wire.EmbedResponse(
        embeddings=[wire.Embedding(values=vector) for vector in embedded.vectors], call=call_message(call)
    )


def with_measuring(
    response: gateway_wire.ListCapabilitiesResponse, offered: list[OfferedMeasuring]
) -> gateway_wire.ListCapabilitiesResponse:
    """The response with the models that embed and rerank, at their providers."""
    providers = {provider.provider: provider for provider in response.providers}
    for each in offered:
        name = each.model.provider
        if name not in providers:
            providers[name] = gateway_wire.ProviderCapability(provider=name, offline=name == "local")
        providers[name].measuring_models.append(_measuring_model(each))
        providers[name].configured = providers[name].configured or each.configured
    return gateway_wire.ListCapabilitiesResponse(providers=[providers[name] for name in sorted(providers)])


def _measuring_model(offered: OfferedMeasuring) -> gateway_wire.MeasuringModel:
    model = offered.model
    return gateway_wire.MeasuringModel(
        model=model.model,
        kind=_KINDS[model.kind],
        configured=offered.configured,
        dimensions=model.dimensions,
        reducible=model.reducible,
        max_tokens=model.max_tokens,
        max_items=model.max_items,
        price_micro_usd=model.price_micro_usd,
        price_date=model.price_date,
        is_default=model.default,
    )


def rerank_order(request: wire.RerankRequest) -> RerankOrder:
    """What is asked for; raises LaceError INVALID_ARGUMENT for settings that are no JSON object."""
    return RerankOrder(
        query=request.query,
        documents=tuple(request.documents),
        top_n=request.top_n,
        provider=request.provider,
        model=request.model,
        settings=settings_of(request.settings_json),
    )


def rerank_response(reranked: Reranked, call: Call) -> wire.RerankResponse:
    """The order and the call in the ledger."""
    return wire.RerankResponse(
        results=[wire.RankedDocument(index=result.index, score=result.score) for result in reranked.results],
        call=call_message(call),
    )
