"""Stands between this process and PostgreSQL's socket, sees every commit, and kills the process at the armed one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from pathlib import Path

from tests.chaos.points import Place, Point, Points
from tests.chaos.wire import Ended, FrontendReader, Session

COMMIT = "commit"
READ = "read"
SOCKET = ".s.PGSQL.5432"
_CHUNK = 1 << 16
_AFTER_S = 0.001  # the driver's time to read the answer that was passed on


class DatabaseTap:
    """Listens on a socket of its own, in a thread and on a loop of its own, and passes all on to the server's."""

    def __init__(self, points: Points, folder: Path, server: Path, *, deaf: bool = False) -> None:
        """`folder` is where clients find the socket, `server` the server's socket.

        A deaf tap makes comments of LISTEN: a listening session runs a transaction of its own for each wake-up, which
        no bytes on the wire tell of. Everything is then found by the polls.
        """
        self._points = points
        self._folder = folder
        self._server = server
        self._deaf = deaf
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="database-tap", daemon=True)

    def start(self) -> None:
        """Begin to listen; returns once clients can connect."""
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the tap does not listen")

    async def _serve(self) -> None:
        place = self._folder / SOCKET
        place.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connected, place)
        orders = self._folder / "orders.sock"
        orders.unlink(missing_ok=True)
        taking = await asyncio.start_unix_server(self._ordered, orders)
        self._listening.set()
        async with server, taking:
            await asyncio.Event().wait()

    async def _ordered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order = json.loads(await reader.readline())
        point = order.get("point")
        self._points.arm((Point(**point), Place(order["place"])) if point else None)
        writer.write(b"ok\n")
        await writer.drain()
        writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self._server)
        except OSError:
            writer.close()
            return
        wire = _Connection(self._points, FrontendReader(), Session(), self._deaf)
        directions = [
            asyncio.create_task(wire.requests(reader, up_writer)),
            asyncio.create_task(wire.answers(up_reader, writer)),
        ]
        try:
            # Either side may close first; the other is then told, once all that came is passed on.
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for end in (writer, up_writer):
                end.close()


class _Connection:
    """One connection of the process."""

    def __init__(self, points: Points, frontend: FrontendReader, session: Session, deaf: bool) -> None:
        self._points = points
        self._deaf = deaf
        self._frontend = frontend
        self._session = session

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the process to the server."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                for piece, cycle in self._frontend.feed(data):
                    if cycle is not None and (label := self._session.sent(cycle)) is not None:
                        self._points.begin(COMMIT, label)
                    writer.write(_unheard(piece) if self._deaf else piece)
                await writer.drain()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the process."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                dies = False
                if self._frontend.encryption_asked:
                    self._frontend.encryption_asked = False  # one byte, before the protocol begins
                elif not self._frontend.is_cancel:
                    dies = sum(self._ended(ended) for ended in self._session.answered(data)) > 0
                writer.write(data)
                await writer.drain()
                if dies:
                    await asyncio.sleep(_AFTER_S)
                    self._points.die()

    def _ended(self, ended: Ended) -> bool:
        if ended.outcome == COMMIT and ended.label and not ended.idle:
            return self._points.done(COMMIT, ended.label)
        if ended.outcome == COMMIT:
            self._points.journal.write(READ, ended.label)
        else:
            self._points.journal.write(ended.outcome, ended.label)
        return False


def _unheard(request: bytes) -> bytes:
    """The request, with a comment of the same length in place of LISTEN."""
    return request[:5] + request[5:].replace(b"LISTEN ", b"--     ", 1) if request[5:12] == b"LISTEN " else request
