"""A run's events as they come, over any number of connections."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

import httpx

from lace.common.v1 import event_pb2
from lace_client.transport import Transport, checked, unreachable
from lace_core.errors import LaceError
from lace_proto.json import from_json

LAST = frozenset({"pipeline.run.completed", "pipeline.run.failed", "pipeline.run.cancelled"})
_SILENCE_S = 60.0  # heartbeats come far more often
_TRIES = 10
_LONGEST_PAUSE_S = 5.0


def watch(
    transport: Transport, path: str, after_event_id: str = "", schema_version: int = 0
) -> Iterator[event_pb2.RunEvent]:
    """Events after a cursor to the run's last, each once and in order; a lost connection is resumed.

    Raises LaceApiError where the API refuses, or cannot be reached for a while.
    """
    cursor, fruitless = after_event_id, 0
    address = f"{path}?schema_version={schema_version}" if schema_version else path
    while True:
        failure: Exception = EOFError("the stream ends again and again")
        try:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": cursor} if cursor else {})}
            with transport.stream(address, headers, _SILENCE_S) as response:
                if checked(response).status_code == httpx.codes.NO_CONTENT:
                    return
                for data in frames(lines(response.iter_bytes())):
                    event = from_json(event_pb2.RunEvent, data, tolerant=True)
                    cursor, fruitless = event.event_id, 0
                    yield event
                    if event.event_type in LAST:
                        return
        except (httpx.TransportError, LaceError) as error:
            if isinstance(error, LaceError) and not error.retryable:
                raise
            failure = error
        fruitless += 1
        _wait_or_give_up(fruitless, failure)


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines ended by a line feed, nothing else: JSON may hold what other readers take for the end of a line."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")


def frames(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The data of every server-sent event (WHATWG HTML, 9.2.6); comments and other fields are passed over.

    An event that is cut off, without the blank line at its end, is none.
    """
    data: list[bytes] = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []


def _wait_or_give_up(fruitless: int, failure: Exception) -> None:
    """Pauses longer after each connection in a row that brought nothing."""
    if fruitless >= _TRIES:
        raise failure if isinstance(failure, LaceError) else unreachable("The stream", failure) from failure
    time.sleep(min(0.05 * 2**fruitless, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2))
