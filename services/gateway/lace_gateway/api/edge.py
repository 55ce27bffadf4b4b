"""The outermost ASGI layer: ids of the request, the log line, the figures, and the last net for errors.

Tokens in a query are taken out of it here, before anything that might log or trace the address sees it.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lace_core.errors import LaceError
from lace_gateway.api import metrics
from lace_gateway.api.exchange import Exchange, keep_exchange
from lace_gateway.api.problems import send_problem, unexpected
from lace_gateway.domain.request_headers import request_id_of, traceparent_of
from lace_platform.ids import new_id
from lace_platform.rpc import acting_as
from lace_platform.telemetry import get_logger, is_logged

ACCESS_TOKEN = "access_token"
_STREAM_PATH = re.compile(r"/v1/runs/[^/]+/stream")
_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start", "websocket.close")
_BODIES = ("http.response.body", "websocket.http.response.body")

_log = get_logger(__name__)


class Edge:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI scope from begin to end."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange, refusal = _open_exchange(scope, send)
        keep_exchange(scope, exchange)
        answer = _Answer(exchange, send)
        with acting_as(exchange.call()):
            try:
                if refusal is not None:
                    raise refusal
                await self._app(scope, receive, answer.send)
            except LaceError as error:
                await _refuse(error, answer, scope, receive)
            except Exception as error:  # noqa: BLE001 - the last net
                _log.error("request_failed", route=_route(scope), exc_info=error)
                if not answer.is_complete:
                    await _refuse(unexpected(exchange.correlation_id), answer, scope, receive)
            finally:
                _note(scope, exchange, answer.status, time.perf_counter() - started)


class _Answer:
    """The way out: adds the ids to the response's headers, and remembers its status."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self.status = 0
        self.is_complete = False
        self._send = send
        self._ids = [
            (b"x-request-id", exchange.request_id.encode()),
            (b"x-correlation-id", exchange.correlation_id.encode()),
        ]

    async def send(self, message: Message) -> None:
        if self.status == 0 and message["type"] in _STARTS:
            self.status = message.get("status", 101 if message["type"] == "websocket.accept" else 403)
            if message["type"] != "websocket.close":
                message = {**message, "headers": [*message.get("headers", ()), *self._ids]}
        self.is_complete = message["type"] in _BODIES and not message.get("more_body", False)
        await self._send(message)


async def _refuse(error: LaceError, answer: _Answer, scope: Scope, receive: Receive) -> None:
    """Says what went wrong, or, where the response is under way, breaks it off so that nobody takes it for whole."""
    if answer.status:
        raise ConnectionAbortedError(error.message) from None
    await send_problem(error, scope, receive, answer.send)


def _open_exchange(scope: Scope, send: Send) -> tuple[Exchange, LaceError | None]:
    """The exchange, and why it is refused where its ids are not fit to be used."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request_id, refusal = _id_of(headers, "X-Request-Id")
    correlation_id, other_refusal = _id_of(headers, "X-Correlation-Id")
    request_id = request_id or new_id("req")
    exchange = Exchange(
        headers=headers,
        request_id=request_id,
        correlation_id=correlation_id or request_id,
        traceparent=traceparent_of(headers.get("traceparent", "")) or _new_traceparent(),
        send=send,
        access_token=_take_access_token(scope),
    )
    return exchange, refusal or other_refusal


def _id_of(headers: dict[str, str], name: str) -> tuple[str | None, LaceError | None]:
    value = headers.get(name.lower())
    if value is None:
        return None, None
    try:
        return request_id_of(name, value), None
    except LaceError as refusal:
        return None, refusal


def _new_traceparent() -> str:
    drawn = secrets.token_hex(24)
    return f"00-{drawn[:32]}-{drawn[32:]}-01"


def _take_access_token(scope: Scope) -> str | None:
    """The token out of a stream's query, where a browser has to put it."""
    if ACCESS_TOKEN.encode() not in scope["query_string"]:
        return None
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    tokens = [value for name, value in pairs if name == ACCESS_TOKEN]
    if not _STREAM_PATH.fullmatch(scope["path"]) or not tokens:
        return None
    scope["query_string"] = urlencode([(name, value) for name, value in pairs if name != ACCESS_TOKEN]).encode()
    return str(tokens[-1])


def _route(scope: Scope) -> str:
    """The path as the contract has it: paths themselves may hold what must not be logged."""
    return getattr(scope.get("route"), "path", "") or "unknown"


def _note(scope: Scope, exchange: Exchange, status: int, seconds: float) -> None:
    route, method = _route(scope), scope.get("method", "WEBSOCKET")
    metrics.answered(method, route, status, seconds)
    if not is_logged(logging.INFO):
        return
    caller = exchange.identity
    _log.info(
        "http",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        request_id=exchange.request_id,
        correlation_id=exchange.correlation_id,
        **({"tenant_id": caller.tenant_id, "principal_id": caller.principal_id} if caller else {}),
    )
