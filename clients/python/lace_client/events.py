"""A run's events as they come, over any number of connections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import httpx

from lace.common.v1 import event_pb2
from lace_client.transport import Transport, checked, unreachable
from lace_core.errors import LaceError
from lace_proto import json as wire_json

_SILENCE_S = 60.0  # heartbeats come far more often
_TRIES = 10
LAST = frozenset({"pipeline.run.completed", "pipeline.run.failed", "pipeline.run.cancelled"})


def watch(transport: Transport, run_id: str, after_event_id: str = "") -> Iterator[event_pb2.RunEvent]:
    """Events after a cursor to the run's last, each once and in order; a lost connection is resumed.

    Raises LaceApiError where the API refuses, or cannot be reached for a while.
    """
    cursor, failures = after_event_id, 0
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": cursor} if cursor else {})}
        try:
            with transport.stream(f"/v1/runs/{run_id}/stream", headers, _SILENCE_S) as response:
                if checked(response).status_code == httpx.codes.NO_CONTENT:
                    return
                for data in frames(response.iter_lines()):
                    event = wire_json.from_json(event_pb2.RunEvent, data.encode())
                    cursor, failures = event.event_id, 0
                    yield event
                    if event.event_type in LAST:
                        return
        except (httpx.TransportError, LaceError) as error:
            if isinstance(error, LaceError) and not error.retryable:
                raise
            failures += 1
            if failures >= _TRIES:
                raise error if isinstance(error, LaceError) else unreachable("The stream", error) from error
            time.sleep(min(0.1 * 2**failures, 5.0))


def frames(lines: Iterable[str]) -> Iterator[str]:
    """The data of every server-sent event (WHATWG HTML, 9.2.6); comments and other fields are passed over."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
