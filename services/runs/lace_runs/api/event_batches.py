"""Events as wire messages, in batches that every gRPC client takes: the limit is 4 MB where nobody has raised it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lace.common.v1 import event_pb2
from lace_runs.api.convert_events import event_message
from lace_runs.domain.event_versions import as_version
from lace_runs.domain.events import Event

MAX_BATCH_BYTES = 1_048_576


def first_batch(events: Sequence[Event], version: int) -> list[event_pb2.RunEvent]:
    """The first events in that version of the schema, as many as fit; at least one where there is one."""
    return next(batches(events, version), [])


def batches(events: Sequence[Event], version: int) -> Iterator[list[event_pb2.RunEvent]]:
    """All events in that version of the schema; none gives no batch."""
    batch: list[event_pb2.RunEvent] = []
    size = 0
    for event in events:
        message = event_message(as_version(event, version))
        size += message.ByteSize()
        if batch and size > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], message.ByteSize()
        batch.append(message)
    if batch:
        yield batch
