"""Reads what is recorded about a run and about an entity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lace_provenance.app.ports import Units
from lace_provenance.domain.logs import TransformationLog
from lace_provenance.domain.neighbourhood import (
    MOST_ANCESTORS,
    MOST_LOGS,
    MOST_STEPS,
    Neighbourhood,
    Reader,
    nothing_recorded,
)


async def get_run_provenance(
    units: Units, reader: Reader, run_id: str, limit: int, after: tuple[datetime, str] | None
) -> Sequence[TransformationLog]:
    """Logs of the run in order, those after the given end and id only. Raises PROVENANCE_NOT_FOUND."""
    async with units.of_tenant(reader.tenant_id) as uow:
        logs = await uow.logs.of_run(reader.tenant_id, run_id, reader.labels, limit, after)
    if not logs and after is None:
        raise nothing_recorded(run_id)
    return logs


async def get_entity_provenance(units: Units, reader: Reader, entity_id: str) -> Neighbourhood:
    """The entity and its neighbours. Raises PROVENANCE_NOT_FOUND."""
    tenant_id, labels = reader.tenant_id, reader.labels
    async with units.of_tenant(tenant_id) as uow:
        contents = await uow.entities.contents(tenant_id, entity_id, labels)
        if not contents:
            raise nothing_recorded(entity_id)
        return Neighbourhood(
            contents=contents,
            generated_by=await uow.logs.touching(tenant_id, entity_id, "generated", labels, MOST_LOGS),
            used_by=await uow.logs.touching(tenant_id, entity_id, "used", labels, MOST_LOGS),
            derived_from=await uow.entities.ancestors(tenant_id, entity_id, labels, MOST_STEPS, MOST_ANCESTORS),
        )
