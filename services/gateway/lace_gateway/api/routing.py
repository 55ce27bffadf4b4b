"""Finding the route of a request among many: those of the same verb and depth are looked at, not all."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

_Index = dict[tuple[str, int], list[APIRoute]]


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request itself.

    The contract says what a request holds and lace_proto checks it, so there is nothing for the framework to inject
    or to serialise, and its share of a call is small.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if inspect.iscoroutinefunction(endpoint):
            self.app = _answering(endpoint)

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The endpoint as it is."""
        handler: Callable[[Request], Any] = self.endpoint
        return handler


def _answering(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """The endpoint as an application: what it raises is told by the application's own handlers, around all routes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return answer


class IndexedRouter(APIRouter):
    """The framework's router with an index before it; what the index does not find goes the usual way.

    A parameter never holds a slash here, so a path and its route have the same number of segments.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=DirectRoute, **options)
        self._index: _Index = {}
        self._indexed = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            if self._indexed != len(self.routes):
                self._index, self._indexed = _index_of(self.routes), len(self.routes)
            for route in self._index.get((scope["method"], scope["path"].count("/")), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await super().app(scope, receive, send)


def _index_of(routes: Sequence[BaseRoute]) -> _Index:
    found: _Index = defaultdict(list)
    for route in routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                found[method, route.path_format.count("/")].append(route)
    return dict(found)
