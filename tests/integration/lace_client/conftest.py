"""A client of a real gateway, in front of small services."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lace_client import LaceClient


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


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Any]:
    """A gateway that listens."""
    async with _doubles().running_gateway(tmp_path / "blobs") as found:
        yield found


@pytest.fixture
async def api(gateway: Any) -> AsyncIterator[LaceClient]:
    """A client with a good token; it blocks, so that tests call it in threads."""
    with LaceClient(gateway.url, "lace_good") as client:
        yield client
