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
        request = runs_pb2.StartRunRequest(pipeline_id=pipeline_id)
        started = await self._runs.StartRun(request, metadata=self._metadata(), timeout=_DEADLINE_S)
        last = ""
        watch = runs_pb2.WatchRunRequest(run_id=started.run_id)
        async for page in self._runs.WatchRun(watch, metadata=self._metadata(), timeout=_DEADLINE_S):
            last = page.events[-1].event_type if page.events else last
        if last != "pipeline.run.completed":
            raise RuntimeError(f"{started.run_id} ended with {last}")
        return str(started.run_id)

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
