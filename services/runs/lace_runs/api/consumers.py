"""What the service takes from the bus: dispatches, which wake the worker, and the results of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from google.protobuf.message import Message

from lace.compiler.v1 import compiler_pb2
from lace.ingest.v1 import ingest_pb2, intake_pb2
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.clock import utc_now
from lace_proto import json as wire_json
from lace_runs.api import convert_artifacts as convert
from lace_runs.app.ports import OpenUnitOfWork
from lace_runs.app.rollback import TOPIC, Orders, start_ordered
from lace_runs.app.runs import DISPATCH_TOPIC, finish_job

GROUP = "runs"
_VERSION = 1
_RESULTS: Mapping[str, type[Message]] = {
    "source.ingest.completed": ingest_pb2.SourceIngestCompleted,
    "source.import.completed": intake_pb2.SourceImportCompleted,
    "compile.completed": compiler_pb2.CompileCompleted,
}


async def subscribe(
    bus: Bus, open_work: OpenUnitOfWork, wake: Callable[[], None], orders: Orders
) -> Sequence[Consumption]:
    """Begin to consume, until the caller closes what it is given."""

    async def dispatch(_: Envelope) -> None:
        wake()  # the lease in Postgres decides who runs; the message only makes it sooner

    async def result(envelope: Envelope) -> None:
        message = wire_json.from_json(_RESULTS[envelope.topic], envelope.payload)
        payload: Mapping[str, Any] = orjson.loads(wire_json.to_json(message))
        async with open_work(envelope.tenant_id) as work:
            if await work.is_first_delivery(envelope, "runs.finish_job", _VERSION):
                await finish_job(work, envelope.tenant_id, payload["run_id"], payload["job_id"], payload)
                await work.commit()

    async def roll_back(envelope: Envelope) -> None:
        await start_ordered(orders, envelope, convert.rollback_order_of(envelope), utc_now())

    return [
        await bus.subscribe([DISPATCH_TOPIC], GROUP, dispatch),
        await bus.subscribe([TOPIC], GROUP, roll_back),
        await bus.subscribe(sorted(_RESULTS), GROUP, result),
    ]
