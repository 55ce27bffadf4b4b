"""What the tap makes of PostgreSQL's wire protocol: which bytes are a commit, and what it is called."""

from __future__ import annotations

import struct

import pytest

from tests.chaos.wire import Ended, FrontendReader, Session, label_of


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def query(sql: str) -> bytes:
    return message(b"Q", sql.encode() + b"\0")


def prepared(sql: str, name: bytes = b"") -> bytes:
    parse = message(b"P", name + b"\0" + sql.encode() + b"\0\0\0")
    bind = message(b"B", b"\0" + name + b"\0\0\0\0\0\0\0")
    return parse + bind + message(b"D", b"P\0") + message(b"E", b"\0\0\0\0\0") + message(b"S")


def answer(tag: str, status: str) -> bytes:
    return message(b"C", tag.encode() + b"\0") + message(b"Z", status.encode())


STARTUP = struct.pack("!II", 8, 196608)


class Wire:
    """A connection that is open: requests and answers go through both readers."""

    def __init__(self) -> None:
        self.frontend, self.session = FrontendReader(), Session()
        list(self.frontend.feed(STARTUP))
        assert self.session.answered(message(b"Z", b"I")) == [Ended("connect", "")]

    def exchange(self, request: bytes, answered: bytes) -> tuple[str | None, list[Ended]]:
        """What the request will commit, and what the answer ended."""
        [cycle] = [cycle for _, cycle in self.frontend.feed(request) if cycle is not None]
        return self.session.sent(cycle), self.session.answered(answered)


def test_a_statement_by_itself_commits_what_it_writes() -> None:
    wire = Wire()
    told, ended = wire.exchange(prepared("INSERT INTO runs.workers VALUES ($1)"), answer("INSERT 0 1", "I"))
    assert told == "INSERT runs.workers"
    assert ended == [Ended("commit", "INSERT runs.workers")]


def test_a_statement_that_found_nothing_is_idle() -> None:
    assert Wire().exchange(prepared("UPDATE bus.deliveries SET a = 1"), answer("UPDATE 0", "I"))[1] == [
        Ended("commit", "UPDATE bus.deliveries", idle=True)
    ]


def test_a_transaction_commits_at_its_commit_under_the_names_of_all_that_it_wrote() -> None:
    wire = Wire()
    assert wire.exchange(query("BEGIN; SELECT set_config('a', 'INSERT INTO x', true)"), answer("SELECT 1", "T")) == (
        None,
        [],
    )
    assert wire.exchange(prepared("UPDATE runs.runs SET a = $1"), answer("UPDATE 1", "T")) == (None, [])
    assert wire.exchange(prepared("INSERT INTO outbox_events SELECT 1"), answer("INSERT 0 1", "T")) == (None, [])
    told, ended = wire.exchange(query("COMMIT"), answer("COMMIT", "I"))
    assert told == "UPDATE runs.runs, INSERT outbox_events"
    assert ended == [Ended("commit", told)]


def test_what_is_rolled_back_is_no_commit() -> None:
    wire = Wire()
    wire.exchange(query("BEGIN"), answer("BEGIN", "T"))
    wire.exchange(query("DELETE FROM runs.workers"), answer("DELETE 1", "T"))
    assert wire.exchange(query("ROLLBACK"), answer("ROLLBACK", "I")) == (
        None,
        [Ended("rollback", "DELETE runs.workers")],
    )


def test_the_commit_of_a_failed_transaction_is_a_rollback() -> None:
    wire = Wire()
    wire.exchange(query("BEGIN"), answer("BEGIN", "T"))
    wire.exchange(query("DELETE FROM runs.workers"), message(b"E", b"SERROR\0\0") + message(b"Z", b"E"))
    told, ended = wire.exchange(query("COMMIT"), answer("ROLLBACK", "I"))
    assert told is None
    assert [each.outcome for each in ended] == ["rollback"]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_bytes_may_come_in_any_pieces(size: int) -> None:
    wire = Wire()
    request, answered = prepared("SELECT bus.publish($1)"), answer("SELECT 1", "I")
    pieces = [request[start : start + size] for start in range(0, len(request), size)]
    passed = [piece for part in pieces for piece in wire.frontend.feed(part)]
    assert b"".join(piece for piece, _ in passed) == request
    [cycle] = [cycle for _, cycle in passed if cycle is not None]
    assert wire.session.sent(cycle) == "bus.publish"
    ended = [each for start in range(0, len(answered), size) for each in wire.session.answered(answered[start:][:size])]
    assert ended == [Ended("commit", "bus.publish")]


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ("SELECT a FROM runs.runs FOR UPDATE SKIP LOCKED", "SELECT"),
        ("WITH h AS (SELECT 1 FOR UPDATE OF d) UPDATE bus.deliveries AS d SET a = 1", "UPDATE bus.deliveries"),
        ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 2", "INSERT a"),
        ("SELECT pg_notify(c, '') FROM unnest($1) AS told(c)", "pg_notify"),
        ("SELECT 'UPDATE x' -- DELETE FROM y", ""),
        ("SELECT set_config('a', 'b', true)", ""),
    ],
)
def test_labels_name_what_a_statement_may_write(sql: str, label: str) -> None:
    assert label_of([sql]) == label
