"""Takes transformation logs from the bus: what comes at the same time is recorded in one transaction per tenant."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import orjson

from lace.provenance.v1 import provenance_pb2 as wire
from lace_platform.bus import Bus, Consumption, Envelope
from lace_proto.json import from_json
from lace_provenance.api.convert import log_of_wire, logs_of_segment
from lace_provenance.app.ports import Delivery, Units
from lace_provenance.app.record_log import Delivered, record_logs
from lace_provenance.domain.logs import TransformationLog

TOPIC = "provenance.logged"
GROUP = "provenance"
_MOST = 64  # messages in a transaction

_Entry = tuple[Delivered, asyncio.Future[None]]


class LogConsumer:
    """Handles `provenance.logged`, whose payload is the JSON form of a TransformationLog or of a segment of them.

    A message is handled when its transaction is committed. Where one fails the messages in it are tried in halves, so
    that a bad one fails alone. What cannot be read raises LaceError, so that the bus keeps it as a dead letter with
    the cause.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self._waiting: list[_Entry] = []
        self._woken = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._consumption: Consumption | None = None

    async def subscribe(self, bus: Bus) -> None:
        """Consume in the background."""
        self._consumption = await bus.subscribe([TOPIC], GROUP, self.handle)

    async def handle(self, envelope: Envelope) -> None:
        """Record one message's logs."""
        delivered = Delivered(Delivery(envelope.id, envelope.tenant_id, envelope.topic), _logs(envelope.payload))
        delivered.check()
        self._writer = self._writer or asyncio.create_task(self._write(), name="provenance-writer")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivered, future))
        self._woken.set()
        await future

    async def stop(self) -> None:
        """Finish what is being recorded and take nothing more: the bus, which others share, outlives the database."""
        if self._consumption is not None:
            await self._consumption.close()
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer

    async def _write(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                await self._record(self._take())

    def _take(self) -> list[_Entry]:
        """The next messages of the tenant whose message has waited longest."""
        tenant_id = self._waiting[0][0].delivery.tenant_id
        taken = [entry for entry in self._waiting if entry[0].delivery.tenant_id == tenant_id][:_MOST]
        chosen = {id(entry) for entry in taken}
        self._waiting = [entry for entry in self._waiting if id(entry) not in chosen]
        return taken

    async def _record(self, entries: Sequence[_Entry]) -> None:
        messages = [delivered for delivered, _ in entries]
        try:
            await record_logs(self._units, messages[0].delivery.tenant_id, messages)
        except Exception as error:  # noqa: BLE001 - told to the bus, which tries again or keeps a dead letter
            if len(entries) > 1:
                middle = len(entries) // 2
                await self._record(entries[:middle])
                await self._record(entries[middle:])
                return
            _settle(entries, error)
            return
        _settle(entries, None)


def _logs(payload: bytes) -> Sequence[TransformationLog]:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        value = None  # from_json tells what is wrong
    if isinstance(value, dict) and "logs" in value:
        return logs_of_segment(value)
    return [log_of_wire(from_json(wire.TransformationLog, payload))]


def _settle(entries: Sequence[_Entry], error: Exception | None) -> None:
    for _, future in entries:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
