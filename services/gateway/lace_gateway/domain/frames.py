"""Frames of a run's event stream, and the window of newest ones that all its subscribers read from.

The window knows nothing of its readers: each comes with the sequence number it has reached. Who has fallen behind
the window is told so and reads the table instead; so a slow reader costs no memory here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

HEARTBEAT = b": heartbeat\n\n"
_FINAL_TEXT = 0x81  # a WebSocket frame that is a whole message of text

# JSON allows these within a string, and many readers of lines take them for the end of one.
_LINE_BREAKS = tuple((mark.encode(), f"\\u{ord(mark):04x}".encode()) for mark in "\u0085\u2028\u2029")


@dataclass(frozen=True)
class Frame:
    """One event: its place in the run, from 1 without gaps, and its envelope as JSON without line breaks."""

    sequence: int
    event_id: str
    event_type: str
    data: bytes

    @cached_property
    def position(self) -> Position:
        """Behind the frame; one for all subscribers."""
        return Position(self.event_id, self.sequence)

    @cached_property
    def sse(self) -> bytes:
        """The frame of a server-sent event; encoded once for all subscribers."""
        data = self.data
        for raw, escaped in _LINE_BREAKS:
            data = data.replace(raw, escaped)
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.event_id.encode(), self.event_type.encode(), data)

    @cached_property
    def websocket(self) -> bytes:
        """The same as a WebSocket message, framed; encoded once for all subscribers."""
        head = f'{{"id":"{self.event_id}","event":"{self.event_type}","data":'
        return text_frame(b"%b%b}" % (head.encode(), self.data))


def server_sent(frames: Sequence[Frame]) -> bytes:
    """The frames as server-sent events, one behind the other."""
    return frames[0].sse if len(frames) == 1 else b"".join([frame.sse for frame in frames])


def text_frame(text: bytes) -> bytes:
    """UTF-8 as one WebSocket frame of a server (RFC 6455, section 5.2), which masks nothing."""
    if len(text) < 126:
        return bytes((_FINAL_TEXT, len(text))) + text
    if len(text) < 65_536:
        return bytes((_FINAL_TEXT, 126)) + len(text).to_bytes(2) + text
    return bytes((_FINAL_TEXT, 127)) + len(text).to_bytes(8) + text


HEARTBEAT_MESSAGE = text_frame(b'{"event":"heartbeat"}')


def websocket_messages(frames: Sequence[Frame]) -> bytes:
    """The frames as WebSocket messages, one behind the other."""
    return frames[0].websocket if len(frames) == 1 else b"".join([frame.websocket for frame in frames])


@dataclass(frozen=True)
class Page:
    """Frames in order; `is_last` where they end the run."""

    frames: Sequence[Frame]
    is_last: bool


@dataclass(frozen=True)
class Position:
    """How far a reader is: the last frame it has; `sequence` is None where only the frame's id is known."""

    event_id: str
    sequence: int | None

    @classmethod
    def after(cls, event_id: str) -> Position:
        """Behind the event of that id, or at the very beginning where it is empty."""
        return cls(event_id, None if event_id else 0)


class Window:
    """The newest frames of a run without gaps: at most twice `capacity` of them, and of `capacity_bytes`.

    It keeps at least half of both, once there is as much.
    """

    def __init__(self, capacity: int, start: Position, *, capacity_bytes: int = 4_194_304) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._frames: list[Frame] = []
        self._bytes = 0
        self._end = start

    @property
    def end(self) -> Position:
        """Where the next frame will come."""
        return self._end

    def append(self, frames: Sequence[Frame]) -> None:
        """Adds what follows. Frames that are here already are left out; a gap drops all before it."""
        for frame in frames:
            reached = self._end.sequence
            if reached is not None and frame.sequence <= reached:
                continue
            if reached is not None and frame.sequence > reached + 1:
                self._forget(len(self._frames))
            self._frames.append(frame)
            self._bytes += len(frame.data)
            self._end = frame.position
        if len(self._frames) > 2 * self._capacity:
            self._forget(len(self._frames) - self._capacity)
        while self._bytes > 2 * self._capacity_bytes and len(self._frames) > 1:
            self._forget((len(self._frames) + 1) // 2)

    def after(self, position: Position, limit: int) -> Sequence[Frame] | None:
        """At most `limit` frames that follow the position; None where the window cannot tell what follows."""
        if position.event_id == self._end.event_id:
            return ()
        sequence = self._sequence_of(position)
        if sequence is None:
            return None
        if self._end.sequence is not None and sequence >= self._end.sequence:
            return ()
        if not self._frames or sequence + 1 < self._frames[0].sequence:
            return None
        first = sequence + 1 - self._frames[0].sequence
        return self._frames[first : first + limit]

    def _forget(self, count: int) -> None:
        self._bytes -= sum(len(frame.data) for frame in self._frames[:count])
        del self._frames[:count]

    def _sequence_of(self, position: Position) -> int | None:
        if position.sequence is not None:
            return position.sequence
        for frame in reversed(self._frames):
            if frame.event_id == position.event_id:
                return frame.sequence
        return None
