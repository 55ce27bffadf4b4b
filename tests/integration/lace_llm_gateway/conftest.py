"""What the tests of the running service share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from tests.doubles import openai_server


@pytest.fixture(scope="session")
def replies() -> ModuleType:
    """The replies that the double can be told to give."""
    return openai_server


@pytest.fixture
async def double() -> AsyncIterator[Any]:
    """A server that speaks OpenAI's wire on a free port."""
    async with openai_server.serving() as server:
        yield server
