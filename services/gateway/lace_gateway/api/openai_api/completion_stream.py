"""A chat completion as server-sent events.

A stream ends with [DONE] only where the whole answer was told. What fails in the middle is told as an event that holds
the error, which OpenAI's clients raise, and the stream ends without [DONE].
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_core.errors import LaceError, Reason
from lace_gateway.api import metrics
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.openai_api.replies import Reply, chunk, finish_reason, model_of, usage
from lace_gateway.api.problems import unexpected
from lace_gateway.domain.openai_errors import openai_error_of
from lace_platform.telemetry import get_logger

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_DONE = b"data: [DONE]\n\n"

_log = get_logger(__name__)


class CompletionStream(Response):
    """Written against ASGI itself; `events` are those of StreamGenerate."""

    def __init__(self, events: Any, request_id: str, model: str, *, with_usage: bool) -> None:
        super().__init__()
        self._events = events
        self._first: wire.StreamGenerateResponse | None = None
        self._with_usage = with_usage
        self._head: Reply = {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": None,
            **({"usage": None} if with_usage else {}),
        }
        # A piece of text is put between these: only the text itself is encoded anew for each.
        shared = _event(chunk(self._head, {"content": ""}))
        self._before, _, self._after = shared.rpartition(b'""')

    async def begin(self) -> None:
        """Waits for the first piece; raises LaceError where there is none."""
        async for event in self._events:
            if event.WhichOneof("event") != "progress":
                self._first = event
                return
        raise _broken_off()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tells the answer until its end or until the client leaves, which ends the call at the provider."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        exchange = exchange_of(scope)
        writer = asyncio.create_task(
            self._write(exchange.send, send, exchange.correlation_id), name="completion-writer"
        )
        watcher = asyncio.create_task(_until_gone(receive), name="client-watch")
        try:
            with metrics.STREAMS.labels("completion").track_inprogress():
                await asyncio.wait({writer, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
            watcher.cancel()
            await asyncio.wait({writer, watcher})

    async def _write(self, send_pieces: Send, send: Send, correlation_id: str) -> None:
        """Pieces go past the layers around the application, as those of other streams do."""
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    await send_pieces({"type": "http.response.body", "body": piece, "more_body": True})
            last = _DONE
        except LaceError as error:
            _log.info("completion_failed", reason=error.reason.value, correlation_id=correlation_id)
            last = _event(openai_error_of(error))
        except OSError:
            return  # the client has gone
        except Exception:  # noqa: BLE001 - the other side waits for the end of this
            _log.exception("completion_failed", correlation_id=correlation_id)
            last = _event(openai_error_of(unexpected(correlation_id)))
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """Events as bytes; raises LaceError where the answer breaks off."""
        opening = _event(chunk(self._head, {"role": "assistant", "content": ""}))
        told = False
        async with aclosing(self._events):
            async for event in self._all():
                if event.HasField("delta"):
                    text = self._before + orjson.dumps(event.delta.text) + self._after
                    yield text if told else opening + text
                    told = True
                elif event.HasField("settled"):
                    rest = b"" if told else opening + self._whole(event.settled.output)
                    yield rest + self._end(event.settled.call)
                    return
        raise _broken_off()

    async def _all(self) -> AsyncIterator[wire.StreamGenerateResponse]:
        if self._first is not None:
            yield self._first
        async for event in self._events:
            yield event

    def _whole(self, output: str) -> bytes:
        """An answer that came in one."""
        return self._before + orjson.dumps(output) + self._after if output else b""

    def _end(self, call: wire.Call) -> bytes:
        """Why it stopped, by which model, under which id in the ledger; and its tokens where they are wanted."""
        known = {**self._head, "model": model_of(call), "system_fingerprint": call.fingerprint or None}
        last = _event({**chunk(known, {}, finish_reason(call)), "call_id": call.call_id})
        if not self._with_usage:
            return last
        return last + _event({**known, "choices": [], "usage": usage(call)})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _broken_off() -> LaceError:
    return LaceError(Reason.SERVICE_UNAVAILABLE, "The answer broke off before its end.", retryable=True)


def _event(value: Reply) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
