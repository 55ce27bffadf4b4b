"""What the providers' and ledgers' contract suites share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load_double() -> ModuleType:
    name = "lace_test_openai_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "doubles" / "openai_server.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def replies() -> ModuleType:
    """The replies that the double can be told to give."""
    return _load_double()


@pytest.fixture
async def double(replies: ModuleType) -> AsyncIterator[Any]:
    """A server that speaks OpenAI's wire on a free port."""
    async with replies.serving() as server:
        yield server
