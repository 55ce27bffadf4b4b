"""Who calls, settled before routing and before a byte of the body is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from lace_core.errors import LaceError
from lace_gateway.api.exchange import Exchange, exchange_of
from lace_gateway.api.problems import send_problem
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.domain.request_headers import bearer_of, token_missing
from lace_platform.blobs.signing import PATH as SIGNED_BLOBS
from lace_platform.rpc import acting_as

_SUBPROTOCOL_PREFIX = "bearer."
_OPEN = ("/health/", "/metrics", SIGNED_BLOBS)
_PAGES = ("/docs", "/openapi.json", "/read")


class Authentication:
    """Lets through who is known, and everyone to what is open."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, *, open_documentation: bool) -> None:
        self._app = app
        self._authenticator = authenticator
        self._open = _OPEN + (_PAGES if open_documentation else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI scope."""
        if scope["type"] == "lifespan" or self._is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            exchange.bearer = _bearer(exchange, scope)
            exchange.identity = await self._authenticator.identify(exchange.bearer)
        except LaceError as error:
            await send_problem(error, scope, receive, send)
            return
        with acting_as(exchange.call()):
            await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path == "/" or path.startswith(self._open)


def _bearer(exchange: Exchange, scope: Scope) -> str:
    """The token: in the header, or where browsers can put one for a stream: a subprotocol or the query."""
    token = bearer_of(exchange.headers.get("authorization", ""))
    if token is None and scope["type"] == "websocket":
        offered = [name for name in scope.get("subprotocols", ()) if name.startswith(_SUBPROTOCOL_PREFIX)]
        token = offered[0].removeprefix(_SUBPROTOCOL_PREFIX) if offered else None
    token = token or exchange.access_token
    if not token:
        raise token_missing()
    return token
