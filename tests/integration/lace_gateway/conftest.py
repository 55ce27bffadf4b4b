"""A gateway in front of small services, over real sockets."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest


def _doubles() -> Any:
    name = "lace_gateway_doubles"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).parents[2] / "doubles" / "gateway_backend.py"
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


doubles = _doubles()


@pytest.fixture
async def open_gateway(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await open_gateway(…)`: a gateway of its own for this test, with parts replaced by name."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Any:
            return await stack.enter_async_context(doubles.running_gateway(tmp_path, **changes))

        yield start


@pytest.fixture(scope="session")
async def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """One gateway for all tests that leave it as it was."""
    async with doubles.running_gateway(tmp_path_factory.mktemp("blobs")) as found:
        yield found


@pytest.fixture
def gateway(shared_gateway: Any) -> Any:
    """The shared gateway, with services that remember nothing of other tests."""
    shared_gateway.backend.forget()
    return shared_gateway


@pytest.fixture
async def http(gateway: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with a good token."""
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, timeout=10, trust_env=False) as client:
        yield client
