"""The events of runs by RunService, as frames."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import grpc

from lace.common.v1 import event_pb2
from lace.runs.v1 import runs_pb2, runs_pb2_grpc
from lace_gateway.app.ports import Viewer
from lace_gateway.domain.frames import Frame, Page
from lace_platform.rpc.context import AUTHORIZATION, BEARER, CORRELATION_ID, REQUEST_ID
from lace_proto.json import to_json


class RpcEventLog:
    """See lace_gateway.app.ports.EventLog.

    The viewer's identity and ids are given with each call: a feed outlives the request that opened it, and reads
    for whoever is still there.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = runs_pb2_grpc.RunServiceStub(channel)

    async def replay(self, viewer: Viewer, run_id: str, after_event_id: str, limit: int) -> Page:
        """See EventLog.replay."""
        request = runs_pb2.ReplayEventsRequest(
            run_id=run_id, after_event_id=after_event_id, page_size=limit, schema_version=viewer.schema_version
        )
        answer = await self._stub.ReplayEvents(request, metadata=await _metadata(viewer))
        return Page(_frames(answer.events), answer.end_of_stream)

    async def watch(self, viewer: Viewer, run_id: str, after_event_id: str) -> AsyncIterator[Page]:
        """See EventLog.watch."""
        request = runs_pb2.WatchRunRequest(
            run_id=run_id, after_event_id=after_event_id, schema_version=viewer.schema_version
        )
        responses = self._stub.WatchRun(request, metadata=await _metadata(viewer))
        try:
            async for answer in responses:
                yield Page(_frames(answer.events), answer.end_of_stream)
        finally:
            responses.cancel()


async def _metadata(viewer: Viewer) -> tuple[tuple[str, str], ...]:
    identity = await viewer.identity()
    return (
        (AUTHORIZATION, BEARER + identity.signed),
        (REQUEST_ID, viewer.request_id),
        (CORRELATION_ID, viewer.correlation_id),
    )


def _frames(events: Iterable[event_pb2.RunEvent]) -> list[Frame]:
    return [Frame(event.sequence, event.event_id, event.event_type, to_json(event)) for event in events]
