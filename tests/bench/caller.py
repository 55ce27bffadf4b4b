"""An authenticated caller of the gRPC services, without any layer of ours between it and the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace.runs.v1 import runs_pb2, runs_pb2_grpc
from lace_platform.ids import new_id
from tests.bench.server import Places

_DEADLINE_S = 60


class Caller:
    """Calls the run service under one identity, which every call carries and the service verifies."""

    def __init__(self, channel: grpc.aio.Channel, identity: str) -> None:
        self._runs = runs_pb2_grpc.RunServiceStub(channel)
        self._identity = identity

    async def run_to_end(self, pipeline_id: str) -> str:
        """Start a run and follow its events to the last; the run's id. Raises RuntimeError where it failed."""
        run_id = await self.start(pipeline_id)
        await self.watch_to_end(run_id)
        return run_id

    async def watch_to_end(self, run_id: str) -> None:
        """Follow a run's events to the last. Raises RuntimeError where it failed."""
        last = ""
        watch = runs_pb2.WatchRunRequest(run_id=run_id)
        async for page in self._runs.WatchRun(watch, metadata=self._metadata(), timeout=_DEADLINE_S):
            last = page.events[-1].event_type if page.events else last
        if last != "pipeline.run.completed":
            raise RuntimeError(f"{run_id} ended with {last}")

    async def start(self, pipeline_id: str) -> str:
        """Start a run; its id once that is durable."""
        request = runs_pb2.StartRunRequest(pipeline_id=pipeline_id)
        started = await self._runs.StartRun(request, metadata=self._metadata(), timeout=_DEADLINE_S)
        return str(started.run_id)

    async def watch(self, run_id: str, after_event_id: str) -> AsyncIterator[int]:
        """How many events come in each message of a stream, to the run's end."""
        request = runs_pb2.WatchRunRequest(run_id=run_id, after_event_id=after_event_id)
        async for page in self._runs.WatchRun(request, metadata=self._metadata(), timeout=_DEADLINE_S):
            yield len(page.events)

    async def replay(self, run_id: str, after_event_id: str, page_size: int) -> runs_pb2.ReplayEventsResponse:
        """One page."""
        request = runs_pb2.ReplayEventsRequest(run_id=run_id, after_event_id=after_event_id, page_size=page_size)
        return await self._runs.ReplayEvents(request, metadata=self._metadata(), timeout=_DEADLINE_S)

    async def get_run(self, run_id: str) -> None:
        """One read."""
        await self._runs.GetRun(runs_pb2.GetRunRequest(run_id=run_id), metadata=self._metadata(), timeout=_DEADLINE_S)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._identity}"), ("idempotency-key", new_id("idk")))


@asynccontextmanager
async def calling(places: Places) -> AsyncIterator[Caller]:
    """A caller with the identity that the first tenant's token stands for; it is good for some minutes."""
    async with (
        grpc.aio.insecure_channel(places.addresses["control"]) as control,
        grpc.aio.insecure_channel(places.addresses["runs"]) as runs,
    ):
        await asyncio.wait_for(asyncio.gather(control.channel_ready(), runs.channel_ready()), _DEADLINE_S)
        request = control_pb2.AuthenticateRequest(bearer=places.token)
        answer = await control_pb2_grpc.AuthServiceStub(control).Authenticate(request, timeout=_DEADLINE_S)
        yield Caller(runs, answer.identity)
