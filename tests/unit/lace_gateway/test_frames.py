"""Frames and the window of newest ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from lace_gateway.domain.frames import (
    HEARTBEAT_MESSAGE,
    Frame,
    Position,
    Window,
    server_sent,
    text_frame,
    websocket_messages,
)


def frame(sequence: int) -> Frame:
    return Frame(sequence, f"evt_{sequence}", "pipeline.step.completed", b'{"sequence":%d}' % sequence)


def test_a_frame_in_both_forms() -> None:
    assert frame(3).sse == b'id: evt_3\nevent: pipeline.step.completed\ndata: {"sequence":3}\n\n'
    assert _messages(frame(3).websocket) == [
        {"id": "evt_3", "event": "pipeline.step.completed", "data": {"sequence": 3}}
    ]


def test_a_frame_is_one_line_to_every_reader() -> None:
    event = {"title": "a\u2028b\u2029c\u0085d"}
    text = Frame(1, "evt_1", "x", json.dumps(event, ensure_ascii=False).encode()).sse.decode()
    assert len(text.splitlines()) == 4
    assert json.loads(text.splitlines()[2].removeprefix("data: ")) == event


def test_a_frame_is_encoded_once() -> None:
    one = frame(1)
    assert one.sse is one.sse
    assert one.websocket is one.websocket


def test_the_window_keeps_the_newest() -> None:
    window = Window(4, Position.after(""))
    window.append([frame(sequence) for sequence in range(1, 21)])
    assert window.end == Position("evt_20", 20)
    newest = window.after(Position("evt_16", 16), 100)
    assert newest is not None
    assert [one.sequence for one in newest] == [17, 18, 19, 20]
    assert window.after(Position("evt_2", 2), 100) is None


def test_who_is_at_the_end_or_ahead_waits() -> None:
    window = Window(4, Position.after("evt_9"))
    assert window.after(Position.after("evt_9"), 10) == ()
    window.append([frame(10)])
    assert window.after(Position("evt_10", 10), 10) == ()
    assert window.after(Position("evt_12", 12), 10) == ()


def test_an_unknown_place_is_looked_up_by_its_id() -> None:
    window = Window(4, Position.after(""))
    window.append([frame(1), frame(2), frame(3)])
    found = window.after(Position.after("evt_2"), 10)
    assert found is not None
    assert [one.sequence for one in found] == [3]
    assert window.after(Position.after("evt_other"), 10) is None


def test_repeats_are_left_out_and_a_gap_forgets_what_was_before() -> None:
    window = Window(8, Position.after(""))
    window.append([frame(1), frame(2)])
    window.append([frame(1), frame(2), frame(3)])
    found = window.after(Position("", 0), 10)
    assert found is not None
    assert [one.sequence for one in found] == [1, 2, 3]
    window.append([frame(7)])
    assert window.after(Position("evt_3", 3), 10) is None
    assert [one.sequence for one in window.after(Position("evt_6", 6), 10) or ()] == [7]


@given(
    st.integers(1, 6),
    st.lists(st.integers(0, 5), max_size=20),
    st.integers(0, 60),
    st.integers(1, 10),
)
def test_what_the_window_gives_is_always_what_follows(
    capacity: int, batches: list[int], reached: int, limit: int
) -> None:
    """Whatever was added, in whatever pieces: the answer is gapless from the position on, or none."""
    window = Window(capacity, Position.after(""))
    total = 0
    for size in batches:
        window.append([frame(total + number) for number in range(1, size + 1)])
        total += size
    found = window.after(Position(f"evt_{reached}" if reached else "", reached), limit)
    if found is None:
        assert reached < total - capacity
    else:
        expected = range(reached + 1, min(reached + limit, total) + 1)
        assert [one.sequence for one in found] == list(expected)


def test_the_window_is_bounded_in_bytes_too() -> None:
    window = Window(1000, Position.after(""), capacity_bytes=500)
    for sequence in range(1, 200):
        window.append([Frame(sequence, f"evt_{sequence}", "x", b"x" * 100)])
        newest = window.after(Position(f"evt_{sequence - 1}", sequence - 1), 10)
        assert newest is not None
        assert [one.sequence for one in newest] == [sequence]
    kept = [place for place in range(200) if window.after(Position(f"evt_{place}", place), 1) is not None]
    assert 5 <= 199 - kept[0] <= 10
    window.append([Frame(200, "evt_200", "x", b"x" * 5000)])
    assert [one.sequence for one in window.after(Position("evt_199", 199), 1) or ()] == [200]


def test_frames_go_out_together() -> None:
    frames = [frame(1), frame(2)]
    assert server_sent(frames) == frames[0].sse + frames[1].sse
    assert server_sent(frames[:1]) is frames[0].sse
    assert [message["id"] for message in _messages(websocket_messages(frames))] == ["evt_1", "evt_2"]
    assert websocket_messages(frames[:1]) is frames[0].websocket


@pytest.mark.parametrize("size", [2, 125, 126, 65_535, 65_536, 200_000])
def test_text_is_framed_as_every_client_reads_it(size: int) -> None:
    text = "x" * (size - 2)
    assert _messages(text_frame(json.dumps(text).encode()) + HEARTBEAT_MESSAGE) == [text, {"event": "heartbeat"}]


def _messages(data: bytes) -> list[Any]:
    """What a client of the websockets library reads."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/"), state=State.OPEN)
    client.receive_data(data)
    found = [event for event in client.events_received() if isinstance(event, websockets.frames.Frame)]
    assert all(event.opcode is Opcode.TEXT and event.fin for event in found)
    return [json.loads(bytes(event.data)) for event in found]
