"""Places in the lists of calls and of sums as opaque page tokens, and back."""

from __future__ import annotations

from datetime import datetime

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_llm_gateway.app.calls.list_calls import Page, Place
from lace_llm_gateway.app.calls.list_usage import Key, UsagePage
from lace_llm_gateway.domain.usage import UsageQuery
from lace_platform.paging import PageTokens, page_size

_ROUTE = "/lace.llm_gateway.v1.GenerationService/ListCalls"
_USAGE_ROUTE = "/lace.llm_gateway.v1.GenerationService/ListUsage"
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


class UsagePages:
    """Tokens are good for the tenant and the query that they were made for."""

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def limit(self, request: wire.ListUsageRequest) -> int:
        """Sums in a page; raises LaceError INVALID_ARGUMENT."""
        return page_size(request.page_size, default=_DEFAULT, maximum=_MAXIMUM)

    def place(self, tenant_id: str, query: UsageQuery, token: str) -> Key | None:
        """After which key the page begins; raises LaceError PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(_USAGE_ROUTE, _of_query(tenant_id, query), token)
        if cursor is None:
            return None
        first, second = cursor
        return str(first), str(second)

    def next_token(self, tenant_id: str, query: UsageQuery, page: UsagePage) -> str:
        """The token of the page after this one; empty at the end."""
        if page.after is None:
            return ""
        return self._tokens.encode(_USAGE_ROUTE, _of_query(tenant_id, query), page.after)


def _of_query(tenant_id: str, query: UsageQuery) -> dict[str, object]:
    # Not where it begins and ends: both move at midnight where the query names no days.
    return {"tenant_id": tenant_id, "by": query.by.value}


def _arguments(tenant_id: str, request: wire.ListCallsRequest) -> dict[str, object]:
    return {"tenant_id": tenant_id, "run_id": request.run_id}
