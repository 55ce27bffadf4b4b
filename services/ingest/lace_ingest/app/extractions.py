"""Readings of sources, old and new: their units, and the exact words of a span of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.sources import get_source
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.extractions import (
    Extraction,
    LocatedUnit,
    Quote,
    extraction_not_found,
    quote_of,
    unit_not_found,
)
from lace_ingest.domain.sources import Source, may_see


async def list_extractions(
    ingest: Ingest, caller: Caller, source_id: str, limit: int, before: tuple[datetime, str] | None
) -> tuple[Source, Sequence[Extraction]]:
    """The source and its extractions, newest first. Raises SOURCE_NOT_FOUND."""
    source = await get_source(ingest, caller, source_id)
    async with ingest.units_of_work(caller.tenant_id) as work:
        return source, await work.extractions.of_source(caller.tenant_id, source_id, limit, before)


async def list_units(
    ingest: Ingest, caller: Caller, source_id: str, extraction: str, limit: int, after: int
) -> Sequence[Unit]:
    """Units of a source in reading order, those behind a place (-1: all); none before it was read.

    `extraction` is empty for the present one. Raises SOURCE_NOT_FOUND, EXTRACTION_NOT_FOUND.
    """
    source = await get_source(ingest, caller, source_id)
    async with ingest.units_of_work(caller.tenant_id) as work:
        if extraction and extraction != source.extraction:
            if await work.extractions.get(caller.tenant_id, source_id, extraction) is None:
                raise extraction_not_found(source_id, extraction)
            source = replace(source, extraction=extraction)
        return await work.units.page(caller.tenant_id, source, limit, after)


async def get_unit(ingest: Ingest, caller: Caller, unit_id: str) -> LocatedUnit:
    """A unit of any extraction, with its source. Raises UNIT_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        found = await work.units.get(caller.tenant_id, [unit_id])
        extraction = await work.extractions.of_unit(caller.tenant_id, unit_id)
        source = await work.sources.get(caller.tenant_id, found[0][0]) if found else None
    if source is None or extraction is None or not may_see(source.labels, caller.labels):
        raise unit_not_found(unit_id)
    return LocatedUnit(found[0][1], source, extraction)


async def get_quote(ingest: Ingest, caller: Caller, unit_id: str, start: int, end: int) -> Quote:
    """The exact words of a span of a unit, to its end where `end` is 0. Raises UNIT_NOT_FOUND, INVALID_ARGUMENT."""
    return quote_of(await get_unit(ingest, caller, unit_id), start, end)
