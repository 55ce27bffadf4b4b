"""Reads many documents one after the other in one other process, which may die of one and is then started again.

For tests with more documents than a process of each would be paid for; run as a program, it is that process.
"""

from __future__ import annotations

import os
import resource
import selectors
import struct
import subprocess
import sys
import time
from types import TracebackType
from typing import IO

import msgspec

from lace_core.errors import LaceError
from lace_ingest.adapters.reading.extraction_child import Order, decode, encode, read_document
from lace_ingest.domain.documents import ExtractedDocument

_SIZES = struct.Struct(">II")
_ANSWER = struct.Struct(">cI")
_DOCUMENT, _REFUSAL, _FAULT = b"D", b"R", b"F"
_MEMORY_BYTES = 1536 << 20
_LONGEST_S = 60.0
DIED = "DIED"


class ExtractionWorker:
    """One process for many documents, within the block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ExtractionWorker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def read(self, order: Order, data: bytes) -> ExtractedDocument | str:
        """The document, the code of its refusal, or DIED: in the service that one is SOURCE_UNREADABLE or
        SOURCE_LIMIT_EXCEEDED. Raises AssertionError with any other exception of the reading.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            head = encode(order)
            process.stdin.write(_SIZES.pack(len(head), len(data)) + head + data)
            process.stdin.flush()
            tag, body = self._answer(process)
        except (BrokenPipeError, EOFError):
            self._end()
            return DIED
        if tag == _DOCUMENT:
            return decode(body)
        assert tag == _REFUSAL, body.decode()
        return body.decode()

    def _answer(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        assert process.stdout is not None
        ends = time.monotonic() + _LONGEST_S
        tag, size = _ANSWER.unpack(_exactly(process.stdout, _ANSWER.size, ends))
        return tag, _exactly(process.stdout, size, ends)

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, bufsize=0,
        )  # fmt: skip
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _exactly(stream: IO[bytes], size: int, ends: float) -> bytes:
    """So many bytes; raises EOFError at the stream's end or when it takes too long."""
    found = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(found) < size:
            if not selector.select(max(ends - time.monotonic(), 0)):
                raise EOFError
            piece = stream.read(size - len(found))
            if not piece:
                raise EOFError
            found += piece
    return bytes(found)


def main() -> None:
    """Read, answer, until the other side is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while head := sys.stdin.buffer.read(_SIZES.size):
        order_size, data_size = _SIZES.unpack(head)
        order = msgspec.json.decode(sys.stdin.buffer.read(order_size), type=Order)
        tag, body = _outcome(order, sys.stdin.buffer.read(data_size))
        answers.write(_ANSWER.pack(tag, len(body)) + body)
        answers.flush()


def _outcome(order: Order, data: bytes) -> tuple[bytes, bytes]:
    try:
        return _DOCUMENT, msgspec.json.encode(read_document(order, data))
    except LaceError as error:
        return _REFUSAL, error.reason.value.encode()
    except MemoryError:
        return _REFUSAL, b"SOURCE_LIMIT_EXCEEDED"
    except Exception as error:
        return _FAULT, f"{type(error).__name__}: {error}".encode("utf-8", "replace")


if __name__ == "__main__":
    main()
