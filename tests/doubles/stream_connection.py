"""A subscriber over a bare socket."""

from __future__ import annotations

import asyncio
import socket


class StreamConnection:
    """A server-sent stream over a bare socket, which reads when the test says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(
        cls, port: int, run_id: str, after: str = "", *, token: str = "lace_good", buffer: int = 262_144
    ) -> StreamConnection:
        """Opened and accepted; `buffer` bounds what comes in before anyone reads."""
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=own, limit=buffer)
        resume = f"Last-Event-ID: {after}\r\n" if after else ""
        head = f"GET /v1/runs/{run_id}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{resume}\r\n"
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        return cls(reader, writer)

    async def event_ids(self, count: int | None = None) -> list[str]:
        """Ids of the next events, or of all to the end."""
        found: list[str] = []
        while count is None or len(found) < count:
            line = await self._reader.readline()
            if line.startswith(b"id: "):
                found.append(line[4:-1].decode())
            if line in (b"", b"0\r\n"):
                break
        return found
