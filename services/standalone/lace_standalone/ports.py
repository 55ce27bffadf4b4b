"""Free ports on loopback, and whether a wished one is free."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack


def free_ports(host: str, count: int) -> list[int]:
    """`count` different ports that nobody listens on at this moment.

    They are held together and then let go, so another process may take one before its owner listens: rare, since
    the system hands out a freed port last, and then the start fails with a clear message.
    """
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket(_family(host), socket.SOCK_STREAM)) for _ in range(count)]
        for one in held:
            one.bind((host, 0))
        return [one.getsockname()[1] for one in held]


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen there."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still fading is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def addresses(host: str, services: Sequence[str]) -> dict[str, str]:
    """host:port for each service, by name."""
    return {name: f"{host}:{port}" for name, port in zip(services, free_ports(host, len(services)), strict=True)}


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
