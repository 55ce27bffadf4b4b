"""RunService and PipelineService: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lace.runs.v1 import runs_pb2 as wire
from lace.runs.v1 import runs_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens, page_size
from lace_runs.api import convert
from lace_runs.api.edge import caller, once, pair
from lace_runs.app import events, runs
from lace_runs.app.ports import Audit, OpenUnitOfWork, Settings, Sources, UnitOfWork, Wakeups
from lace_runs.domain.runs import Trigger

_START = "/lace.runs.v1.RunService/StartRun"
_COMPILE = "/lace.runs.v1.RunService/StartCompile"


@dataclass(frozen=True)
class RunTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    settings: Settings
    sources: Sources
    audit: Audit
    wakeups: Wakeups
    pages: PageTokens
    draining: asyncio.Event


class RunServicer(grpc_wire.RunServiceServicer):
    """Starts, reads, watches and controls runs."""

    def __init__(self, tools: RunTools) -> None:
        self._tools = tools

    async def StartRun(self, request: wire.StartRunRequest, context: Any) -> wire.StartRunResponse:
        """Starts a run of a pipeline."""
        return await self._start(_START, request, convert.start_of(request))

    async def StartCompile(self, request: wire.StartCompileRequest, context: Any) -> wire.StartRunResponse:
        """Compiles a committed revision once more."""
        return await self._start(_COMPILE, request, convert.start_of_compile(request))

    async def GetRun(self, request: wire.GetRunRequest, context: Any) -> wire.Run:
        """A run."""
        tenant_id = caller().tenant_id
        async with self._tools.open(tenant_id) as work:
            return convert.run_message(await work.runs.get(tenant_id, request.run_id))

    async def ListRuns(self, request: wire.ListRunsRequest, context: Any) -> wire.ListRunsResponse:
        """Runs of the tenant, newest first."""
        tenant_id, state = caller().tenant_id, convert.state_of(request.state)
        scope = {"tenant_id": tenant_id, "state": state}
        size = page_size(request.page_size, default=50, maximum=500)
        cursor = self._tools.pages.decode("runs", scope, request.page_token)
        async with self._tools.open(tenant_id) as work:
            found = await work.runs.list(tenant_id, state, pair(cursor), size + 1)
        token = ""
        if len(found) > size:
            last = found[size - 1]
            token = self._tools.pages.encode("runs", scope, (last.created_at.isoformat(), last.run_id))
        return wire.ListRunsResponse(runs=[convert.run_message(run) for run in found[:size]], next_page_token=token)

    async def ListSteps(self, request: wire.ListStepsRequest, context: Any) -> wire.ListStepsResponse:
        """Steps of a run in the order in which they began."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "run_id": request.run_id}
        size = page_size(request.page_size, default=100, maximum=500)
        cursor = self._tools.pages.decode("steps", scope, request.page_token)
        async with self._tools.open(tenant_id) as work:
            await work.runs.get(tenant_id, request.run_id)
            found = await work.runs.steps(tenant_id, request.run_id, int(cursor[0] or 0) if cursor else 0, size + 1)
        token = self._tools.pages.encode("steps", scope, (found[size - 1][0],)) if len(found) > size else ""
        return wire.ListStepsResponse(
            steps=[convert.step_message(step) for _, step in found[:size]], next_page_token=token
        )

    async def ListEvents(self, request: wire.ListEventsRequest, context: Any) -> wire.ListEventsResponse:
        """A page of events from the first on."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "run_id": request.run_id}
        size = page_size(request.page_size, default=100, maximum=1000)
        cursor = self._tools.pages.decode("events", scope, request.page_token)
        after = int(cursor[0] or 0) if cursor else 0
        found, _ = await events.page(self._tools.open, tenant_id, request.run_id, after, size + 1)
        token = self._tools.pages.encode("events", scope, (found[size - 1].sequence,)) if len(found) > size else ""
        return wire.ListEventsResponse(
            events=[convert.event_message(event) for event in found[:size]], next_page_token=token
        )

    async def ReplayEvents(self, request: wire.ReplayEventsRequest, context: Any) -> wire.ReplayEventsResponse:
        """A page of events after a cursor."""
        tenant_id, run_id = caller().tenant_id, request.run_id
        after = events.cursor(run_id, request.after_event_id)
        size = page_size(request.page_size, default=100, maximum=1000)
        found, ended = await events.page(self._tools.open, tenant_id, run_id, after, size)
        return wire.ReplayEventsResponse(
            events=[convert.event_message(event) for event in found],
            next_after_event_id=found[-1].event_id if found else request.after_event_id,
            end_of_stream=ended,
        )

    async def WatchRun(self, request: wire.WatchRunRequest, context: Any) -> AsyncIterator[wire.WatchRunResponse]:
        """Events after a cursor, and then as they happen."""
        tenant_id, run_id = caller().tenant_id, request.run_id
        after = events.cursor(run_id, request.after_event_id)
        async for found, ended in events.watch(self._tools.open, self._tools.wakeups, tenant_id, run_id, after):
            yield wire.WatchRunResponse(events=[convert.event_message(event) for event in found], end_of_stream=ended)
            if self._tools.draining.is_set():
                return

    async def PauseRun(self, request: wire.ControlRunRequest, context: Any) -> wire.ControlRunResponse:
        """Pauses a run at its next step boundary."""
        return await self._control(request, Trigger.PAUSE)

    async def ResumeRun(self, request: wire.ControlRunRequest, context: Any) -> wire.ControlRunResponse:
        """Lets a paused run go on."""
        return await self._control(request, Trigger.RESUME)

    async def RestartRun(self, request: wire.RestartRunRequest, context: Any) -> wire.ControlRunResponse:
        """Goes back to a step, or starts a finished run anew."""
        return await self._control(request, Trigger.RESTART, request.from_step_id)

    async def CancelRun(self, request: wire.ControlRunRequest, context: Any) -> wire.ControlRunResponse:
        """Cancels a run."""
        return await self._control(request, Trigger.CANCEL)

    async def _start(
        self, route: str, request: wire.StartRunRequest | wire.StartCompileRequest, start: runs.Start
    ) -> wire.StartRunResponse:
        who = caller()
        resolved = await runs.prepare(start, self._tools.settings, self._tools.sources)

        async def effect(work: UnitOfWork) -> wire.StartRunResponse:
            run = await runs.start_run(work, who, start, resolved, self._now())
            return wire.StartRunResponse(
                run_id=run.run_id, artifact_id=run.artifact_id, state=convert.run_state(run.state)
            )

        return await once(self._tools.open, route, request, wire.StartRunResponse, effect)

    async def _control(
        self, request: wire.ControlRunRequest | wire.RestartRunRequest, trigger: Trigger, from_step_id: str = ""
    ) -> wire.ControlRunResponse:
        who = caller()

        async def effect(work: UnitOfWork) -> wire.ControlRunResponse:
            run, command_id = await runs.control_run(
                work, who, request.run_id, trigger, request.reason, from_step_id, self._now()
            )
            details = {"reason": request.reason, "from_step_id": from_step_id, "command_id": command_id}
            await self._tools.audit.record(who, f"run.{trigger.value}", request.run_id, details)
            return wire.ControlRunResponse(run_id=run.run_id, command_id=command_id, state=convert.run_state(run.state))

        route = f"/lace.runs.v1.RunService/{trigger.value.title()}Run/{request.run_id}"
        return await once(self._tools.open, route, request, wire.ControlRunResponse, effect)

    @staticmethod
    def _now() -> datetime:
        return utc_now()


class PipelineServicer(grpc_wire.PipelineServiceServicer):
    """The pipelines there are."""

    async def ListPipelines(self, request: wire.ListPipelinesRequest, context: Any) -> wire.ListPipelinesResponse:
        """The pipelines with their steps."""
        return wire.ListPipelinesResponse(pipelines=[convert.pipeline_message(p) for p in runs.pipelines()])
