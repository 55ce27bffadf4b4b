"""The PostgreSQL wire protocol as far as it tells which transactions a connection commits, and when."""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

_CANCEL = 80877102
_ENCRYPTION = (80877103, 80877104)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
# What changes data by its own words, and calls of functions in a schema, which may do anything.
_WRITES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP|NOTIFY)\b|\bpg_notify\b|\b(?!pg_)[a-z_]+\.[a-z_]+\s*\(",
    re.IGNORECASE,
)
_TARGET = re.compile(
    r"\b(INSERT\s+INTO|UPDATE(?!\s+OF\b|\s+SKIP\b|\s+SET\b)|DELETE\s+FROM|MERGE\s+INTO)\s+([\w.\"]+)", re.IGNORECASE
)
_CALL = re.compile(r"\b(pg_notify|(?!pg_)[a-z_]+\.[a-z_]+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Ended:
    """One transaction that the server has ended: how, and what it was about.

    `outcome` is commit, rollback or connect (the server's own transaction of a new session); `label` names its
    statements that may write, empty where there are none; `idle` says that one which committed by itself found nothing.
    """

    outcome: str
    label: str
    idle: bool = False


@dataclass
class _Cycle:
    """What was sent up to one Sync or simple query, and what came back so far."""

    statements: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    failed: bool = False


class FrontendReader:
    """Cuts what a client sends into requests, each a piece of bytes that the server answers with ReadyForQuery."""

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False
        self._cycle = _Cycle()
        self._pending = b""
        self._named: dict[bytes, str] = {}
        self.encryption_asked = False
        self.is_cancel = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, _Cycle | None]]:
        """Pieces to pass on, in order; with each that ends a request, what it asks."""
        self._buffer += data
        if not self._started:
            yield from self._opening()
        while self._started and (message := self._next()) is not None:
            kind, body, raw = message
            self._pending += raw
            if kind == b"p":  # a password: not part of any transaction
                yield self._flush(), None
                continue
            self._read(kind, body)
            if kind in b"QS":
                cycle, self._cycle = self._cycle, _Cycle()
                yield self._flush(), cycle
            elif kind in b"XHdcf":
                yield self._flush(), None

    def _flush(self) -> bytes:
        pending, self._pending = self._pending, b""
        return pending

    def _opening(self) -> Iterator[tuple[bytes, None]]:
        while not self._started and len(self._buffer) >= 8:
            size, code = struct.unpack("!II", self._buffer[:8])
            if len(self._buffer) < size:
                return
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            self.encryption_asked = code in _ENCRYPTION
            self.is_cancel = code == _CANCEL
            self._started = not self.encryption_asked
            yield piece, None

    def _next(self) -> tuple[bytes, bytes, bytes] | None:
        if len(self._buffer) < 5:
            return None
        size = 1 + struct.unpack("!I", self._buffer[1:5])[0]
        if len(self._buffer) < size:
            return None
        raw, self._buffer = self._buffer[:size], self._buffer[size:]
        return raw[:1], raw[5:], raw

    def _read(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._cycle.statements.append(body.rstrip(b"\0").decode(errors="replace"))
        elif kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            self._named[name] = sql.decode(errors="replace")
            self._cycle.statements.append("")  # to prepare is a transaction, too, where none is open
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            self._cycle.statements.append(self._named.get(name, ""))
        elif kind in b"DEC":
            self._cycle.statements.append("")


class Session:
    """One connection's transactions, out of its requests and of what the server answers."""

    def __init__(self) -> None:
        self._open: deque[_Cycle] = deque()
        self._status = "?"  # before the first ReadyForQuery
        self._statements: list[str] = []
        self._buffer = b""

    def sent(self, cycle: _Cycle) -> str | None:
        """Note a request; the label of the writing transaction that it will commit, None where it commits none."""
        told = self._label_of_commit(cycle)
        self._open.append(cycle)
        return told

    def _label_of_commit(self, cycle: _Cycle) -> str | None:
        first = _first_word(cycle)
        if self._open or self._status == "E":
            return None
        if self._status == "T":
            return label_of(self._statements) or None if first in ("COMMIT", "END") else None
        if first in ("BEGIN", "START"):
            return None
        return label_of(cycle.statements) or None

    def answered(self, data: bytes) -> list[Ended]:
        """Read what the server sent; the transactions that it has ended."""
        self._buffer += data
        ended: list[Ended] = []
        while len(self._buffer) >= 5:
            size = 1 + struct.unpack("!I", self._buffer[1:5])[0]
            if len(self._buffer) < size:
                break
            kind, body, self._buffer = self._buffer[:1], self._buffer[5:size], self._buffer[size:]
            ended.extend(self._read(kind, body))
        return ended

    def _read(self, kind: bytes, body: bytes) -> list[Ended]:
        if kind == b"C" and self._open:
            self._open[0].tags.append(body.rstrip(b"\0").decode())
        elif kind == b"E" and self._open:
            self._open[0].failed = True
        elif kind == b"Z":
            return self._ready(body.decode())
        return []

    def _ready(self, status: str) -> list[Ended]:
        before, self._status = self._status, status
        if before == "?":
            return [Ended("connect", "")]
        if not self._open:
            return []
        cycle = self._open.popleft()
        asked = self._statements + cycle.statements
        if status != "I":
            self._statements = asked
            return []
        self._statements = []
        if not cycle.statements:
            return []
        rolled_back = cycle.failed or "ROLLBACK" in cycle.tags
        return [Ended("rollback" if rolled_back else "commit", label_of(asked), _is_idle(cycle.tags))]


def label_of(statements: list[str]) -> str:
    """What the statements write, in order and each once: `INSERT runs, UPDATE workers`; empty where they only read."""
    found: dict[str, None] = {}
    for statement in statements:
        bare = _TEXT.sub("''", _COMMENT.sub(" ", statement))
        if not _WRITES.search(bare):
            continue
        targets = [f"{verb.split()[0].upper()} {_short(name)}" for verb, name in _TARGET.findall(bare)]
        calls = [_short(name) for name in _CALL.findall(bare)]
        found.update(dict.fromkeys(targets or calls or [bare.split()[0].upper()]))
    shown = list(found)
    return ", ".join(shown if len(shown) <= 4 else [*shown[:3], f"{len(shown) - 3} more"])


def _short(name: str) -> str:
    return name.replace('"', "")


def _first_word(cycle: _Cycle) -> str:
    for statement in cycle.statements:
        bare = _COMMENT.sub(" ", statement).split()
        if bare:
            return bare[0].rstrip(";").upper()
    return ""


def _is_idle(tags: list[str]) -> bool:
    """`UPDATE 0`, `SELECT 0`; a COMMIT says nothing of what was done before it."""
    return bool(tags) and tags[-1].rpartition(" ")[2] == "0"
