"""GET /v1/runs/{run_id}/stream: a run's events as server-sent events, or as the same frames over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import aclosing
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from lace_core.errors import LaceError, Reason
from lace_gateway.api import metrics
from lace_gateway.api.exchange import Watcher, exchange_of
from lace_gateway.api.websockets import framed
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.app.watch import RunFeeds, RunWatch
from lace_gateway.domain.frames import HEARTBEAT, HEARTBEAT_MESSAGE, server_sent, websocket_messages
from lace_gateway.domain.origins import require_allowed_origin
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.telemetry import get_logger

PATH = "/v1/runs/{run_id}/stream"
SUBPROTOCOL = "lace.events.v1"
_SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
# Sent at once, so that everyone on the way knows that the stream is open; browsers come back after a second.
_PREAMBLE = b": open\nretry: 1000\n\n"
_LONGEST_CURSOR = 64
_MOST_DIGITS = 9  # the field is an int32

_log = get_logger(__name__)


class EventStreams:
    """The endpoints over both protocols."""

    def __init__(
        self,
        feeds: RunFeeds,
        authenticator: Authenticator,
        settings: Callable[[], GatewaySettings],
        allowed_origins: Collection[str],
    ) -> None:
        self._feeds = feeds
        self._authenticator = authenticator
        self._settings = settings
        self._allowed_origins = allowed_origins

    async def server_sent(self, request: Request) -> Response:
        """The stream, or 204 where the run has ended and nothing follows the cursor."""
        watch = await self._open(request)
        if watch is None:
            return Response(status_code=204)
        return _EventStream(watch, self._settings().heartbeat_s)

    async def websocket(self, websocket: WebSocket) -> None:
        """The same over a WebSocket, which is closed with 1000 behind the last event."""
        require_allowed_origin(
            websocket.headers.get("origin"), websocket.headers.get("host", ""), self._allowed_origins
        )
        watch = await self._open(websocket)
        offered = websocket.scope.get("subprotocols", ())
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        if watch is not None:
            await _follow(websocket, watch, self._settings().heartbeat_s)
        else:
            await websocket.close(1000, "end of stream")

    async def _open(self, connection: HTTPConnection) -> RunWatch | None:
        cursor = connection.headers.get("last-event-id") or connection.query_params.get("after_event_id", "")
        if len(cursor) > _LONGEST_CURSOR:
            raise LaceError(Reason.EVENT_CURSOR_INVALID, f"{cursor[:_LONGEST_CURSOR]}… is not an event of this run.")
        version = _schema_version(connection.query_params.get("schema_version", ""))
        watcher = Watcher(exchange_of(connection.scope), self._authenticator, version)
        return await self._feeds.open(watcher, connection.path_params["run_id"], cursor)


def _schema_version(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise LaceError(Reason.EVENT_SCHEMA_UNSUPPORTED, f"There is no event schema {text[:_LONGEST_CURSOR]}.")
    return int(text)


class _EventStream(Response):
    """Written against ASGI itself: each further layer costs more than all of this.

    Frames are sent by a task of their own, past all layers around the application: it is this that runs for each
    subscriber at each event, while the request's own coroutine, deep below those layers, waits for the client to leave.
    """

    def __init__(self, watch: RunWatch, heartbeat_s: float) -> None:
        super().__init__()
        self._watch = watch
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _SSE_HEADERS})
        await send({"type": "http.response.body", "body": _PREAMBLE, "more_body": True})
        with metrics.STREAMS.labels("sse").track_inprogress():
            await _while_connected(self._write(exchange_of(scope).send, send), receive, self._watch)

    async def _write(self, send_frames: Send, send: Send) -> None:
        try:
            async with aclosing(self._watch.batches(self._heartbeat_s)) as batches:
                async for frames in batches:
                    body = server_sent(frames) if frames else HEARTBEAT
                    await send_frames({"type": "http.response.body", "body": body, "more_body": True})
        except LaceError as error:
            # The end is all that can be said here; who comes back is told why.
            _log.info("stream_ended", run_id=self._watch.run_id, reason=error.reason.value)
        except Exception:  # noqa: BLE001 - the other side waits for the end of this
            _log.exception("stream_failed", run_id=self._watch.run_id)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _while_connected(writing: Coroutine[Any, Any, None], receive: Receive, watch: RunWatch) -> None:
    """Writes until the client is gone; writing the end of a stream is what makes its client go."""
    writer = asyncio.create_task(writing, name="stream-writer")
    try:
        while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass  # what a client says on a stream is of no interest
        watch.close()
        await writer
    finally:
        writer.cancel()


async def _follow(websocket: WebSocket, watch: RunWatch, heartbeat_s: float) -> None:
    with metrics.STREAMS.labels("websocket").track_inprogress():
        await _while_connected(_write(websocket, watch, heartbeat_s), websocket.receive, watch)


async def _write(websocket: WebSocket, watch: RunWatch, heartbeat_s: float) -> None:
    code, reason = 1000, "end of stream"
    send = exchange_of(websocket.scope).send
    try:
        async with aclosing(watch.batches(heartbeat_s)) as batches:
            async for frames in batches:
                await send(framed(websocket_messages(frames) if frames else HEARTBEAT_MESSAGE))
    except LaceError as error:
        code, reason = (1012 if error.retryable else 1008), error.reason.value
    except OSError:
        return  # the client has gone
    except Exception:  # noqa: BLE001 - the other side waits for the end of this
        _log.exception("stream_failed", run_id=watch.run_id)
        code, reason = 1011, Reason.INTERNAL.value
    if websocket.client_state is not WebSocketState.DISCONNECTED:
        await _quietly(websocket.close(code, reason))


async def _quietly(closing: Awaitable[None]) -> None:
    """A client that leaves at the same moment is no failure."""
    try:
        await closing
    except (WebSocketDisconnect, RuntimeError):
        return
