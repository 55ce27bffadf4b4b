"""Places in the list of a run's calls as opaque page tokens, and back."""

from __future__ import annotations

from datetime import datetime

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_llm_gateway.app.list_calls import Page, Place
from lace_platform.paging import PageTokens, page_size

_ROUTE = "/lace.llm_gateway.v1.GenerationService/ListCalls"
_DEFAULT, _MAXIMUM = 50, 500


class CallPages:
    """Tokens are good for the tenant and run that they were made for."""

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def limit(self, request: wire.ListCallsRequest) -> int:
        """Calls in a page; raises LaceError INVALID_ARGUMENT."""
        return page_size(request.page_size, default=_DEFAULT, maximum=_MAXIMUM)

    def place(self, tenant_id: str, request: wire.ListCallsRequest) -> Place | None:
        """Where the page begins; raises LaceError PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(_ROUTE, _arguments(tenant_id, request), request.page_token)
        if cursor is None:
            return None
        started_at, call_id = cursor
        return datetime.fromisoformat(str(started_at)), str(call_id)

    def next_token(self, tenant_id: str, request: wire.ListCallsRequest, page: Page) -> str:
        """The token of the page after this one; empty at the end."""
        if page.after is None:
            return ""
        started_at, call_id = page.after
        return self._tokens.encode(_ROUTE, _arguments(tenant_id, request), (started_at.isoformat(), call_id))


def _arguments(tenant_id: str, request: wire.ListCallsRequest) -> dict[str, object]:
    return {"tenant_id": tenant_id, "run_id": request.run_id}
