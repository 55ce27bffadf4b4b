"""Ports are free, different and on the host that was named."""

from __future__ import annotations

import socket

from lace_standalone.ports import addresses, free_ports, is_free


def test_ports_are_different_and_free() -> None:
    ports = free_ports("127.0.0.1", 20)
    assert len(set(ports)) == 20
    assert all(is_free("127.0.0.1", port) for port in ports)


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


def test_every_service_gets_an_address() -> None:
    found = addresses("127.0.0.1", ["control", "runs"])
    assert set(found) == {"control", "runs"}
    assert len(set(found.values())) == 2
    assert all(address.startswith("127.0.0.1:") for address in found.values())
