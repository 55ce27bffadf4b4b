"""GenerationService and ProviderService over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from lace_llm_gateway.api import convert, convert_models
from lace_llm_gateway.api.pages import CallPages, UsagePages
from lace_llm_gateway.app.calls.count_tokens import count_tokens
from lace_llm_gateway.app.calls.generate import generate
from lace_llm_gateway.app.calls.list_calls import list_calls
from lace_llm_gateway.app.calls.list_usage import list_usage
from lace_llm_gateway.app.calls.stream import stream_generate
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.measuring.list_models import list_measuring
from lace_llm_gateway.app.measuring.measure import Measures
from lace_llm_gateway.app.providers.list_capabilities import list_capabilities
from lace_llm_gateway.app.providers.list_versions import Versions
from lace_llm_gateway.app.providers.validate_provider import validate_provider
from lace_platform.rpc import current_call


class GenerationServicer(llm_gateway_pb2_grpc.GenerationServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, gateway: Gateway, pages: CallPages, usage_pages: UsagePages) -> None:
        self._gateway = gateway
        self._pages = pages
        self._usage_pages = usage_pages

    async def Generate(self, request: wire.GenerateRequest, context: Any) -> wire.GenerateResponse:
        """Calls a model and records the call."""
        caller = current_call()
        order = convert.order_of(request, caller.principal_id, caller.traceparent)
        return convert.generate_response(await generate(self._gateway, caller.tenant_id, order, caller.remaining()))

    async def StreamGenerate(
        self, request: wire.StreamGenerateRequest, context: Any
    ) -> AsyncIterator[wire.StreamGenerateResponse]:
        """Calls a model and tells the answer while it comes."""
        caller = current_call()
        order = convert.order_of(request.request, caller.principal_id, caller.traceparent)
        events = stream_generate(
            self._gateway, caller.tenant_id, order, caller.remaining(), progress_only=request.progress_only
        )
        async with aclosing(events):
            async for event in events:
                yield convert.stream_response(event)

    async def CountTokens(self, request: wire.CountTokensRequest, context: Any) -> wire.CountTokensResponse:
        """Counts the tokens that a request would send."""
        orders = convert.count_orders(request)
        tenant_id = current_call().tenant_id
        return convert.count_response(await count_tokens(self._gateway, orders, request.parts, tenant_id))

    async def ListCalls(self, request: wire.ListCallsRequest, context: Any) -> wire.ListCallsResponse:
        """Lists the calls of a run, oldest first."""
        tenant_id = current_call().tenant_id
        place = self._pages.place(tenant_id, request)
        page = await list_calls(self._gateway.ledger, tenant_id, request.run_id, self._pages.limit(request), place)
        return wire.ListCallsResponse(
            calls=[convert.call_message(call) for call in page.calls],
            next_page_token=self._pages.next_token(tenant_id, request, page),
        )

    async def ListUsage(self, request: wire.ListUsageRequest, context: Any) -> wire.ListUsageResponse:
        """Sums what the tenant's calls used."""
        tenant_id, pages = current_call().tenant_id, self._usage_pages
        query = convert.usage_query_of(request, self._gateway.now())
        place = pages.place(tenant_id, query, request.page_token)
        page = await list_usage(self._gateway.ledger, tenant_id, query, pages.limit(request), place)
        return wire.ListUsageResponse(
            usage=[convert.usage_message(query.by, usage) for usage in page.usage],
            next_page_token=pages.next_token(tenant_id, query, page),
        )


class ProviderServicer(llm_gateway_pb2_grpc.ProviderServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, gateway: Gateway, versions: Versions, measures: Measures) -> None:
        self._gateway = gateway
        self._versions = versions
        self._measures = measures

    async def ListCapabilities(
        self, request: wire.ListCapabilitiesRequest, context: Any
    ) -> wire.ListCapabilitiesResponse:
        """What each provider and model can do."""
        response = convert.capabilities_response(list_capabilities(self._gateway.providers))
        return convert_models.with_measuring(response, list_measuring(self._measures))

    async def ValidateProvider(
        self, request: wire.ValidateProviderRequest, context: Any
    ) -> wire.ValidateProviderResponse:
        """Tries a provider."""
        caller = current_call()
        asked = (request.provider, request.model, caller.remaining())
        return convert.trial_response(
            await validate_provider(self._gateway, caller.tenant_id, caller.principal_id, *asked)
        )

    async def ListVersions(self, request: wire.ListVersionsRequest, context: Any) -> wire.ListVersionsResponse:
        """The versions of a provider's models."""
        found = await self._versions.list(request.provider, force_refresh=request.force_refresh)
        return convert.versions_response(found)
