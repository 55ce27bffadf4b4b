"""Places in the lists of templates and of their runs as opaque page tokens, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lace_llm_gateway.app.templates.ports import RunPlace, TemplatePlace
from lace_platform.paging import PageTokens, page_size
from lace_proto import json as wire_json

_SERVICE = "/lace.llm_gateway.v1.TemplateService"
_DEFAULT, _MAXIMUM = 50, 500
_PAGING = ("page_size", "page_token")


def page_limit(request: Any) -> int:
    """Entries in a page; raises LaceError INVALID_ARGUMENT."""
    return page_size(request.page_size, default=_DEFAULT, maximum=_MAXIMUM)


class TemplatePages:
    """Tokens are good for the tenant, the list and the filters that they were made for."""

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def template_place(self, tenant_id: str, request: Any) -> TemplatePlace | None:
        """Where a page of templates begins; raises LaceError PAGE_TOKEN_INVALID."""
        cursor = self._cursor("ListTemplates", tenant_id, request)
        return (str(cursor[0]), datetime.fromisoformat(str(cursor[1])), str(cursor[2])) if cursor else None

    def run_place(self, tenant_id: str, request: Any) -> RunPlace | None:
        """Where a page of runs begins; raises LaceError PAGE_TOKEN_INVALID."""
        cursor = self._cursor("ListTemplateRuns", tenant_id, request)
        return (datetime.fromisoformat(str(cursor[0])), str(cursor[1])) if cursor else None

    def after_templates(self, tenant_id: str, request: Any, after: TemplatePlace | None) -> str:
        """The token of the next page of templates; empty at the end."""
        if after is None:
            return ""
        return self._token("ListTemplates", tenant_id, request, (after[0], after[1].isoformat(), after[2]))

    def after_runs(self, tenant_id: str, request: Any, after: RunPlace | None) -> str:
        """The token of the next page of runs; empty at the end."""
        if after is None:
            return ""
        return self._token("ListTemplateRuns", tenant_id, request, (after[0].isoformat(), after[1]))

    def _cursor(self, method: str, tenant_id: str, request: Any) -> tuple[Any, ...] | None:
        return self._tokens.decode(f"{_SERVICE}/{method}", _arguments(tenant_id, request), request.page_token)

    def _token(self, method: str, tenant_id: str, request: Any, cursor: tuple[str, ...]) -> str:
        return self._tokens.encode(f"{_SERVICE}/{method}", _arguments(tenant_id, request), cursor)


def _arguments(tenant_id: str, request: Any) -> Mapping[str, object]:
    given = wire_json.to_python(request)
    return {"tenant_id": tenant_id, **{name: value for name, value in given.items() if name not in _PAGING}}
