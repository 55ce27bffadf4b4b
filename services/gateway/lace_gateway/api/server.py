"""The HTTP server of a process: uvicorn on the loop that is there, without signal handlers of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from lace_gateway.api.websockets import FramingWebSockets

_GRACE_S = 5
STALLED_AFTER_S = 60
_MOST_FILES = 65_536


class HttpServer:
    """Serves one application until it is stopped.

    A connection whose client takes nothing of what waits for it, for `stalled_after_s` seconds, is closed.
    """

    def __init__(
        self, app: ASGIApp, *, before_stop: Callable[[], None], stalled_after_s: float = STALLED_AFTER_S
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws=FramingWebSockets,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than clients keep idle connections, so that it is they who close them
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            ws_max_size=65_536,  # nothing that a client says on a stream is of interest
            ws_ping_interval=None,  # streams have heartbeats, and the kernel finds who has gone without a word
            ws_per_message_deflate=False,  # it would compress each frame anew for each subscriber
        )
        self._stalled_after_s = stalled_after_s
        self._server = _Server(config)
        self._before_stop = before_stop
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, *, or_any: bool = False) -> int:
        """Listens (port 0 takes a free one) and returns the port.

        Where it is taken, `or_any` takes a free one instead. Raises OSError where it cannot listen.
        """
        _allow_many_connections()
        listening = _listening(host, port, or_any)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets inherit it, and the kernel keeps the time: no timer of ours for each write.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * self._stalled_after_s))
        self._task = asyncio.create_task(self._server.serve([listening]), name="http-server")
        started = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            started.cancel()
            self._task.result()
        bound: int = listening.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Ends streams, lets other requests finish within a few seconds, then closes."""
        if self._task is None:
            return
        self._before_stop()
        self._server.should_exit = True
        await self._task
        self._task = None


def _listening(host: str, port: int, or_any: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if not or_any or error.errno != errno.EADDRINUSE:
            raise
        return socket.create_server((host, 0), family=family, backlog=2048)


def _allow_many_connections() -> None:
    """Each stream holds a connection open, and the usual soft limit is 1,024; the hard one is the administrator's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Server(uvicorn.Server):
    """Signals belong to the process that hosts this, and it says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
