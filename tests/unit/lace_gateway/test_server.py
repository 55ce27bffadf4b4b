"""What the HTTP server asks of the system."""

from __future__ import annotations

import errno
import resource
import socket

import pytest
from starlette.types import Receive, Scope, Send

from lace_gateway.api.server import _MOST_FILES, HttpServer, _allow_many_connections


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that is never asked."""


async def test_a_port_that_was_taken_meanwhile_is_another_where_nobody_chose_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        refused = HttpServer(nothing, before_stop=lambda: None)
        with pytest.raises(OSError, match="in use") as told:
            await refused.start("127.0.0.1", taken)
        assert told.value.errno == errno.EADDRINUSE
        server = HttpServer(nothing, before_stop=lambda: None)
        try:
            assert await server.start("127.0.0.1", taken, or_any=True) not in (0, taken)
        finally:
            await server.stop()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_it_listens_on_ipv6() -> None:
    server = HttpServer(nothing, before_stop=lambda: None)
    try:
        port = await server.start("::1", 0)
        socket.create_connection(("::1", port)).close()
    finally:
        await server.stop()


def test_as_many_files_as_the_administrator_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        _allow_many_connections()
        raised, unchanged = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert unchanged == hard
        assert raised == (_MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES))
        _allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
