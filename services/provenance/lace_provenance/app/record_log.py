"""Records a transformation log once, however often it is delivered."""

from __future__ import annotations

from lace_provenance.app.ports import Delivery, Units
from lace_provenance.domain.logs import TransformationLog, check_log

HANDLER = "provenance.record_log"
VERSION = 1


async def record_log(units: Units, delivery: Delivery, log: TransformationLog) -> bool:
    """Keep the log with its entities and edges; False where it was kept before. Raises INVALID_ARGUMENT."""
    check_log(log, delivery.tenant_id)
    async with units.of_tenant(delivery.tenant_id) as uow:
        if not await uow.is_new(delivery, HANDLER, VERSION):
            return False
        added = await uow.logs.add(delivery.tenant_id, log)
        await uow.commit()
    return added
