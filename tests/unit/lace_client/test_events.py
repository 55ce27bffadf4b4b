"""Server-sent events, cut anywhere, over connections that break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_client import LaceApiError, LaceClient
from lace_client.events import frames, lines


def frame(number: int, event_type: str = "pipeline.step.completed") -> bytes:
    data = json.dumps({"event_id": f"evt_{number}", "event_type": event_type, "sequence": number})
    return f"id: evt_{number}\nevent: {event_type}\ndata: {data}\n\n".encode()


@given(st.lists(st.text().filter(lambda text: "\n" not in text and "\r" not in text)), st.lists(st.integers(0, 200)))
def test_any_cut_gives_the_same_frames(texts: list[str], cuts: list[int]) -> None:
    body = b"".join(b": beat\n\nid: 1\ndata: " + text.encode() + b"\r\n\n" for text in texts)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    assert [data.decode() for data in frames(lines(pieces))] == texts


def test_a_frame_that_is_cut_off_is_none() -> None:
    assert list(frames(lines([frame(1), frame(2)[:-1]]))) == [frame(1).split(b"data: ")[1].strip()]


class Api:
    """Gives these bodies, one per connection; then 204."""

    def __init__(self, *bodies: bytes | httpx.Response | Exception) -> None:
        self._bodies = list(bodies)
        self.cursors: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.cursors.append(request.headers.get("last-event-id"))
        body = self._bodies.pop(0) if self._bodies else httpx.Response(204)
        if isinstance(body, Exception):
            raise body
        return body if isinstance(body, httpx.Response) else httpx.Response(200, content=self._cut(body))

    @staticmethod
    def _cut(body: bytes) -> Iterator[bytes]:
        yield body
        raise httpx.ReadError("lost")


def watch(api: Api, after: str = "") -> list[int]:
    with LaceClient("http://lace", "t", transport=httpx.MockTransport(api)) as client:
        return [event.sequence for event in client.watch_run("run_1", after_event_id=after)]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lace_client.events.time.sleep", lambda _: None)


def test_a_lost_connection_is_resumed_where_it_broke() -> None:
    api = Api(
        frame(1) + frame(2), httpx.ConnectError("away"), frame(3) + b": beat\n\n", frame(4, "pipeline.run.failed")
    )
    assert watch(api) == [1, 2, 3, 4]
    assert api.cursors == [None, "evt_2", "evt_2", "evt_3"]


def test_the_end_may_be_behind_the_cursor() -> None:
    api = Api()
    assert watch(api, "evt_9") == []
    assert api.cursors == ["evt_9"]


def test_what_is_refused_is_not_tried_again() -> None:
    refusal = httpx.Response(404, json={"error_code": "RUN_NOT_FOUND", "message": "No run run_1.", "retryable": False})
    api = Api(refusal)
    with pytest.raises(LaceApiError) as failed:
        watch(api)
    assert failed.value.error_code == "RUN_NOT_FOUND"
    assert len(api.cursors) == 1


def test_an_api_that_stays_away_is_given_up() -> None:
    api = Api(*[httpx.ConnectError("away")] * 50)
    with pytest.raises(LaceApiError) as failed:
        watch(api)
    assert failed.value.retryable
    assert len(api.cursors) == 10


def test_streams_that_end_without_a_word_are_given_up_too() -> None:
    api = Api(*[httpx.Response(200, content=b": open\n\n")] * 50)
    with pytest.raises(LaceApiError):
        watch(api)
    assert len(api.cursors) == 10
