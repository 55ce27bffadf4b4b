"""Asks what newer versions of sources do to what was written from them; nothing is recorded."""

from __future__ import annotations

from typing import TypeVar

from lace_provenance.app.ports import Impacts
from lace_provenance.domain.impact import ImpactQuestion

T = TypeVar("T")


async def get_impact(impacts: Impacts[T], question: ImpactQuestion) -> T:
    """The answer, as whoever knows the sources gives it. Raises INVALID_ARGUMENT, SOURCE_*, PERMISSION_DENIED."""
    question.check()
    return await impacts.assess(question)
