"""multipart/form-data, read as it comes in: at no time is more than a chunk of a part in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum, auto

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from lace_core.errors import LaceError, Reason
from lace_gateway.api.rest_requests import client_gone

MEDIA_TYPE = "multipart/form-data"
MOST_SKIPPED_BYTES = 1 << 30


@dataclass
class Part:
    """One part: its field name, its file name where it is a file, and its bytes, to be read once and in order."""

    name: str
    filename: str | None
    _reader: MultipartReader = field(repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in pieces as they come in."""
        while (piece := await self._reader.next_piece()) is not None:
            yield piece

    async def text(self, limit: int) -> str:
        """The whole as UTF-8 text; raises INVALID_ARGUMENT for more than `limit` bytes or what is no text."""
        held = b""
        async for piece in self.chunks():
            held += piece
            if len(held) > limit:
                raise LaceError(Reason.INVALID_ARGUMENT, f"The part {self.name} is longer than {limit} bytes.")
        try:
            return held.decode()
        except UnicodeDecodeError:
            raise LaceError(Reason.INVALID_ARGUMENT, f"The part {self.name} is not UTF-8 text.") from None


class _Mark(Enum):
    PART_END = auto()
    END = auto()


class MultipartReader:
    """Reads the parts of one request; what is not read of a part is skipped."""

    def __init__(self, content_type: str, receive: Receive) -> None:
        self._receive = receive
        self._events: deque[Part | bytes | _Mark] = deque()
        self._in_part = False
        self._body_ended = False
        self._headers: dict[str, str] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._part_begins,
                "on_part_data": lambda data, start, end: self._events.append(bytes(data[start:end])),
                "on_part_end": lambda: self._events.append(_Mark.PART_END),
                "on_end": lambda: self._events.append(_Mark.END),
            },
        )

    async def parts(self) -> AsyncIterator[Part]:
        """The parts in order; raises INVALID_ARGUMENT where the body breaks the format or breaks off."""
        while isinstance(event := await self._next(), Part):
            self._in_part = True
            yield event
            await self._skip()

    async def next_piece(self) -> bytes | None:
        """The next piece of the part under way; None at its end."""
        if not self._in_part:
            return None
        event = await self._next()
        if isinstance(event, bytes):
            return event
        self._in_part = False
        return None

    async def _skip(self) -> None:
        skipped = 0
        while (piece := await self.next_piece()) is not None:
            skipped += len(piece)
            if skipped > MOST_SKIPPED_BYTES:
                raise LaceError(Reason.BODY_TOO_LARGE, "A part that was refused does not end.")

    async def _next(self) -> Part | bytes | _Mark:
        while not self._events:
            if self._body_ended:
                raise _broken("it ends before its last boundary")
            await self._read()
        return self._events.popleft()

    async def _read(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise client_gone()
        try:
            self._parser.write(message.get("body", b""))
        except MultipartParseError as error:
            raise _broken(str(error)) from None
        self._body_ended = not message.get("more_body", False)

    def _headers_begin(self) -> None:
        self._headers = {}
        self._name.clear()
        self._value.clear()

    def _header_ends(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name.clear()
        self._value.clear()

    def _part_begins(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        name, filename = options.get(b"name"), options.get(b"filename")
        if name is None:
            raise _broken("a part has no name")
        self._events.append(Part(_text(name), None if filename is None else _text(filename), self))


def _boundary(content_type: str) -> bytes:
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if media_type.decode("latin-1") != MEDIA_TYPE or not boundary:
        raise LaceError(Reason.UNSUPPORTED_MEDIA_TYPE, f"Send {MEDIA_TYPE} with the documents as parts named files.")
    return boundary


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _broken(how: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, f"The multipart body is broken: {how}.")
