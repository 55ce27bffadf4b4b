"""A client of a real gateway, in front of small services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lace_client import LaceClient
from tests.doubles import gateway_backend


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Any]:
    """A gateway that listens."""
    async with gateway_backend.running_gateway(tmp_path / "blobs") as found:
        yield found


@pytest.fixture
async def api(gateway: Any) -> AsyncIterator[LaceClient]:
    """A client with a good token; it blocks, so that tests call it in threads."""
    with LaceClient(gateway.url, "lace_good") as client:
        yield client
