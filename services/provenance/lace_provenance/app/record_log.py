"""Records transformation logs once, however often they are delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lace_provenance.app.ports import Delivery, Units
from lace_provenance.domain.logs import TransformationLog, check_log

HANDLER = "provenance.record_log"
VERSION = 1


@dataclass(frozen=True)
class Delivered:
    """The logs of one message."""

    delivery: Delivery
    logs: Sequence[TransformationLog]

    def check(self) -> None:
        """Raises INVALID_ARGUMENT for logs that cannot be kept."""
        for log in self.logs:
            check_log(log, self.delivery.tenant_id)


async def record_log(units: Units, delivery: Delivery, log: TransformationLog) -> bool:
    """Keep the log with its entities and edges; False where it was kept before. Raises INVALID_ARGUMENT."""
    delivered = Delivered(delivery, [log])
    delivered.check()
    return await record_logs(units, delivery.tenant_id, [delivered]) == 1


async def record_logs(units: Units, tenant_id: str, messages: Sequence[Delivered]) -> int:
    """Keep the logs of several messages of one tenant in one transaction; the number that were not kept before."""
    async with units.of_tenant(tenant_id) as uow:
        new = await uow.claim(tenant_id, [message.delivery for message in messages], HANDLER, VERSION)
        logs = [log for message in messages if message.delivery.event_id in new for log in message.logs]
        added = await uow.logs.add(tenant_id, logs)
        if new:
            await uow.commit()
    return len(added)
