"""A gateway in front of small services, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles import gateway_backend


@pytest.fixture
async def open_gateway(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await open_gateway(…)`: a gateway of its own for this test, with parts replaced by name."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Any:
            return await stack.enter_async_context(gateway_backend.running_gateway(tmp_path, **changes))

        yield start


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that stops within seconds has then ended its streams: it did not give up waiting for them."""
    monkeypatch.setattr("lace_gateway.api.server._GRACE_S", 60)


@pytest.fixture(scope="session")
async def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """One gateway for all tests that leave it as it was."""
    async with gateway_backend.running_gateway(tmp_path_factory.mktemp("blobs")) as found:
        yield found


@pytest.fixture
def gateway(shared_gateway: Any) -> Any:
    """The shared gateway, with services that remember nothing of other tests."""
    shared_gateway.backend.forget()
    return shared_gateway


@pytest.fixture
async def http(gateway: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with a good token."""
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=gateway.headers, timeout=30, trust_env=False, verify=False
    ) as client:
        yield client
