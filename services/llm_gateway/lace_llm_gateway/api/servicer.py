"""GenerationService and ProviderService over gRPC."""

from __future__ import annotations

from typing import Any

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from lace_llm_gateway.api import convert
from lace_llm_gateway.api.pages import CallPages
from lace_llm_gateway.app.count_tokens import count_tokens
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.generate import generate
from lace_llm_gateway.app.list_calls import list_calls
from lace_llm_gateway.app.list_capabilities import list_capabilities
from lace_llm_gateway.app.validate_provider import validate_provider
from lace_platform.rpc import current_call


class GenerationServicer(llm_gateway_pb2_grpc.GenerationServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, gateway: Gateway, pages: CallPages) -> None:
        self._gateway = gateway
        self._pages = pages

    async def Generate(self, request: wire.GenerateRequest, context: Any) -> wire.GenerateResponse:
        """Calls a model and records the call."""
        caller = current_call()
        order = convert.order_of(request)
        return convert.generate_response(await generate(self._gateway, caller.tenant_id, order, caller.remaining()))

    async def CountTokens(self, request: wire.CountTokensRequest, context: Any) -> wire.CountTokensResponse:
        """Counts the tokens that a request would send."""
        return convert.count_response(await count_tokens(self._gateway, convert.order_of(request.request)))

    async def ListCalls(self, request: wire.ListCallsRequest, context: Any) -> wire.ListCallsResponse:
        """Lists the calls of a run, oldest first."""
        tenant_id = current_call().tenant_id
        place = self._pages.place(tenant_id, request)
        page = await list_calls(self._gateway.units, tenant_id, request.run_id, self._pages.limit(request), place)
        return wire.ListCallsResponse(
            calls=[convert.call_message(call) for call in page.calls],
            next_page_token=self._pages.next_token(tenant_id, request, page),
        )


class ProviderServicer(llm_gateway_pb2_grpc.ProviderServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def ListCapabilities(
        self, request: wire.ListCapabilitiesRequest, context: Any
    ) -> wire.ListCapabilitiesResponse:
        """What each provider and model can do."""
        return convert.capabilities_response(list_capabilities(self._gateway.providers))

    async def ValidateProvider(
        self, request: wire.ValidateProviderRequest, context: Any
    ) -> wire.ValidateProviderResponse:
        """Tries a provider."""
        remaining = current_call().remaining()
        return convert.trial_response(
            await validate_provider(self._gateway, request.provider, request.model, remaining)
        )
