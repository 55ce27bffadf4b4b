"""Places in the list of attempts as opaque page tokens, and back."""

from __future__ import annotations

from datetime import datetime

from lace.compiler.v1 import compiler_pb2
from lace_compiler.app.list_compiled import Page, Place, Question
from lace_platform.paging import PageTokens, page_size

_ROUTE = "/lace.compiler.v1.CompileService/ListCompiled"
_DEFAULT, _MAXIMUM = 50, 500


class CompiledPages:
    """Tokens are good for the tenant, artifact and revision that they were made for."""

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def question(self, tenant_id: str, request: compiler_pb2.ListCompiledRequest) -> Question:
        """What is asked for; raises INVALID_ARGUMENT, PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(_ROUTE, _arguments(tenant_id, request), request.page_token)
        before: Place | None = None
        if cursor is not None:
            created_at, compiled_id = cursor
            before = (datetime.fromisoformat(str(created_at)), str(compiled_id))
        limit = page_size(request.page_size, default=_DEFAULT, maximum=_MAXIMUM)
        return Question(request.artifact_id, request.revision_id, limit, before)

    def next_token(self, tenant_id: str, request: compiler_pb2.ListCompiledRequest, page: Page) -> str:
        """The token of the page after this one; empty at the end."""
        if page.after is None:
            return ""
        created_at, compiled_id = page.after
        cursor = (created_at.isoformat(), compiled_id)
        return self._tokens.encode(_ROUTE, _arguments(tenant_id, request), cursor)


def _arguments(tenant_id: str, request: compiler_pb2.ListCompiledRequest) -> dict[str, object]:
    return {"tenant_id": tenant_id, "artifact_id": request.artifact_id, "revision_id": request.revision_id}
