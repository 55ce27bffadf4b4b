"""Server-sent events out of the bytes of a response, however those were cut on their way.

Source: WHATWG HTML, "Server-sent events", section "Interpreting an event stream".
"""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLong(Exception):
    """An event that is longer than the bound."""


class EventParser:
    """Takes bytes, gives the data of each event that is complete; names, ids and comments are passed over."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that end in this chunk; raises EventTooLong."""
        if b"\n" not in chunk and b"\r" not in chunk:
            self._line.append(chunk)
            self._hold(len(chunk))
            return []
        lines = self._split(b"".join((*self._line, chunk)))
        self._line = [lines.pop()]
        found: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                found.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
        self._held = 0
        self._hold(len(self._line[0]) + sum(map(len, self._data)))
        return found

    @staticmethod
    def _split(text: bytes) -> list[bytes]:
        if b"\r" not in text:
            return text.split(b"\n")
        # A return at the very end may be the first half of an end of line that came in two chunks.
        if text.endswith(b"\r"):
            lines = _LINE_END.split(text[:-1])
            return [*lines[:-1], lines[-1] + b"\r"]
        return _LINE_END.split(text)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._most:
            raise EventTooLong
