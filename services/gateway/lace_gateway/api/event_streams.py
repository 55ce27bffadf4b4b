"""GET /v1/runs/{run_id}/stream: a run's events as server-sent events, or as the same frames over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from lace_core.errors import LaceError, Reason
from lace_gateway.api import metrics
from lace_gateway.api.exchange import Watcher, exchange_of
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.app.watch import RunFeeds, RunWatch
from lace_gateway.domain.frames import HEARTBEAT
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
_HEARTBEAT_MESSAGE = '{"event":"heartbeat"}'
_LONGEST_CURSOR = 64

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
        watcher = Watcher(exchange_of(connection.scope), self._authenticator)
        return await self._feeds.open(watcher, connection.path_params["run_id"], cursor)


class _EventStream(Response):
    """Written against ASGI itself: each further layer costs more than all of this."""

    def __init__(self, watch: RunWatch, heartbeat_s: float) -> None:
        super().__init__()
        self._watch = watch
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _SSE_HEADERS})
        await send({"type": "http.response.body", "body": _PREAMBLE, "more_body": True})
        leaving = asyncio.create_task(_close_when_gone(receive, self._watch), name="stream-reader")
        with metrics.STREAMS.labels("sse").track_inprogress():
            try:
                async with aclosing(self._watch.batches(self._heartbeat_s)) as batches:
                    async for frames in batches:
                        body = b"".join(frame.sse for frame in frames) if frames else HEARTBEAT
                        await send({"type": "http.response.body", "body": body, "more_body": True})
            except LaceError as error:
                # The end is all that can be said here; who comes back is told why.
                _log.info("stream_ended", run_id=self._watch.run_id, reason=error.reason.value)
            finally:
                leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _close_when_gone(receive: Receive, watch: RunWatch) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass  # what a client says on a stream is of no interest
    watch.close()


async def _follow(websocket: WebSocket, watch: RunWatch, heartbeat_s: float) -> None:
    leaving = asyncio.create_task(_close_when_gone(websocket.receive, watch), name="stream-reader")
    code, reason = 1000, "end of stream"
    with metrics.STREAMS.labels("websocket").track_inprogress():
        try:
            async with aclosing(watch.batches(heartbeat_s)) as batches:
                async for frames in batches:
                    for message in [frame.message for frame in frames] or [_HEARTBEAT_MESSAGE]:
                        await websocket.send_text(message)
        except LaceError as error:
            code, reason = (1012 if error.retryable else 1008), error.reason.value
        except WebSocketDisconnect:
            return
        finally:
            gone = leaving.done()
            leaving.cancel()
    if not gone:
        await _quietly(websocket.close(code, reason))


async def _quietly(closing: Awaitable[None]) -> None:
    """A client that leaves at the same moment is no failure."""
    try:
        await closing
    except (WebSocketDisconnect, RuntimeError):
        return
