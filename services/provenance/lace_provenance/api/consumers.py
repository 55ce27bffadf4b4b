"""Takes transformation logs from the bus."""

from __future__ import annotations

import asyncio

from lace.provenance.v1 import provenance_pb2 as wire
from lace_core.errors import LaceError, Reason
from lace_platform.bus import Bus, Envelope
from lace_proto.json import from_json
from lace_provenance.api.convert import log_of_wire
from lace_provenance.app.ports import Delivery, Units
from lace_provenance.app.record_log import record_log

TOPIC = "provenance.logged"
GROUP = "provenance"


class LogConsumer:
    """Handles `provenance.logged`, whose payload is the JSON form of a TransformationLog.

    What cannot be read raises LaceError, so that the bus keeps it as a dead letter with the cause.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = False

    async def subscribe(self, bus: Bus) -> None:
        """Consume in the background."""
        await bus.subscribe([TOPIC], GROUP, self.handle)

    async def handle(self, envelope: Envelope) -> None:
        """Record one log."""
        if self._stopped:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "The service is stopping.", retryable=True)
        self._busy += 1
        self._idle.clear()
        try:
            log = log_of_wire(from_json(wire.TransformationLog, envelope.payload))
            await record_log(self._units, Delivery(envelope.id, envelope.tenant_id, envelope.topic), log)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def stop(self) -> None:
        """Finish what is being recorded and take nothing more: the bus, which others share, outlives the database."""
        self._stopped = True
        await self._idle.wait()
