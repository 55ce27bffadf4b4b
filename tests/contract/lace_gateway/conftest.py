"""The gateway's application in front of services that answer with the contract's examples, without sockets outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lace_gateway.api.application import create_application, guarded
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from tests.doubles import gateway_backend


@pytest.fixture(scope="session")
def doubles() -> Any:
    """The module of the services that stand in."""
    return gateway_backend


@pytest.fixture(scope="session")
async def application(doubles: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Any, Any]]:
    """The FastAPI application, and the same with its layers."""
    async with doubles.running_backend(answer_all=True) as backend:
        blobs = FolderBlobStore(tmp_path_factory.mktemp("blobs"), UrlSigner("secret"))
        surroundings = doubles.surroundings_of(backend, blobs)
        app = create_application(surroundings)
        yield app, guarded(app, surroundings)


@pytest.fixture(scope="session")
def document(application: tuple[Any, Any]) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = application[0].openapi()
    return found
