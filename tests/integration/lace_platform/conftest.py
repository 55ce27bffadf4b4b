"""A small service of its own for the platform's tests: schema `probe`, with one table beside the infrastructure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.doubles.probe import Probe, open_probe

__all__ = ["Probe"]

SCHEMA = "probe"


@pytest.fixture(scope="session")
async def probe(postgres) -> AsyncIterator[Probe]:  # type: ignore[no-untyped-def]
    """The schema with the infrastructure tables and `probe.things(tenant_id, name)`."""
    async with open_probe(postgres, SCHEMA) as opened:
        yield opened
