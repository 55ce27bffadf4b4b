"""RunService: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lace.runs.v1 import runs_pb2 as wire
from lace.runs.v1 import runs_pb2_grpc as grpc_wire
from lace_core.errors import LaceError
from lace_core.pipeline import IMPORT, Pipeline
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens, page_size
from lace_runs.api import convert_files
from lace_runs.api import convert_runs as convert
from lace_runs.api.convert_artifacts import damage_messages
from lace_runs.api.convert_events import event_content_message
from lace_runs.api.edge import answered, caller, canonical, once
from lace_runs.api.event_batches import batches, first_batch
from lace_runs.app import artifacts, audit, control, events, quotas, runs
from lace_runs.app.event_content import event_content
from lace_runs.app.files import as_seen, run_files
from lace_runs.app.importing import import_start
from lace_runs.app.ports import Audit, OpenUnitOfWork, Settings, Snapshots, Starts, UnitOfWork
from lace_runs.app.settling import settle
from lace_runs.app.source_ports import Sources
from lace_runs.app.starting import needs_no_look, start_at_once
from lace_runs.app.verification import verify_run
from lace_runs.domain.event_versions import asked_version
from lace_runs.domain.runs import Run, Trigger

_START = "/lace.runs.v1.RunService/StartRun"
_COMPILE = "/lace.runs.v1.RunService/StartCompile"
_FACTS = "/lace.runs.v1.RunService/StartExtractFacts"
_IMPORT = "/lace.runs.v1.RunService/StartImport"


@dataclass(frozen=True)
class RunTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    settings: Settings
    sources: Sources
    audit: Audit
    tails: events.EventTails
    pages: PageTokens
    snapshots: Snapshots
    draining: asyncio.Event
    starts: Starts | None = None  # where starts can be made together


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

    async def StartImport(self, request: wire.StartImportRequest, context: Any) -> wire.StartRunResponse:
        """Takes in what lies in the inbox."""
        start = import_start(caller(), *convert.import_of(request))
        return await self._start(_IMPORT, request, start, IMPORT)

    async def StartExtractFacts(self, request: wire.StartExtractFactsRequest, context: Any) -> wire.StartRunResponse:
        """Takes facts out of a source."""
        return await self._start(_FACTS, request, convert.start_of_facts(request))

    async def GetRun(self, request: wire.GetRunRequest, context: Any) -> wire.Run:
        """A run."""
        tenant_id = caller().tenant_id
        async with self._tools.open(tenant_id) as work:
            return convert.run_message(await work.runs.get(tenant_id, request.run_id))

    async def ListRuns(self, request: wire.ListRunsRequest, context: Any) -> wire.ListRunsResponse:
        """Runs of the tenant, newest first."""
        tenant_id, state = caller().tenant_id, convert.state_of(request.state)
        scope = {"tenant_id": tenant_id, "state": state}
        page = self._tools.pages.page("runs", scope, request)
        async with self._tools.open(tenant_id) as work:
            found = await work.runs.list(tenant_id, state, page.moment, page.limit)
        shown, token = page.cut(found, lambda run: (run.created_at, run.run_id))
        return wire.ListRunsResponse(runs=map(convert.run_message, shown), next_page_token=token)

    async def ListSteps(self, request: wire.ListStepsRequest, context: Any) -> wire.ListStepsResponse:
        """Steps of a run in the order in which they began."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "run_id": request.run_id}
        page = self._tools.pages.page("steps", scope, request, default=100)
        async with self._tools.open(tenant_id) as work:
            await work.runs.get(tenant_id, request.run_id)
            found = await work.runs.steps(tenant_id, request.run_id, page.number or 0, page.limit)
        shown, token = page.cut(found, lambda entry: (entry[0],))
        return wire.ListStepsResponse(steps=[convert.step_message(step) for _, step in shown], next_page_token=token)

    async def ListRunFiles(self, request: wire.ListRunFilesRequest, context: Any) -> wire.ListRunFilesResponse:
        """The files that a run reads, with what became of each."""
        tenant_id, tools, state = caller().tenant_id, self._tools, convert_files.state_of(request.state)
        scope = {"tenant_id": tenant_id, "run_id": request.run_id, "state": state}
        page = tools.pages.page("files", scope, request, default=100, maximum=1000)
        found = await run_files(tools.open, tools.snapshots, tenant_id, request.run_id)
        listed, token = page.cut(found.page(state, page.number or 0, page.limit), lambda entry: (entry[0],))
        shown = await as_seen(tools.sources, [file for _, file in listed])
        return convert_files.files_message(shown, found.counts(), token)

    async def ListEvents(self, request: wire.ListEventsRequest, context: Any) -> wire.ListEventsResponse:
        """A page of events from the first on."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "run_id": request.run_id}
        size = page_size(request.page_size, default=100, maximum=1000)
        cursor = self._tools.pages.decode("events", scope, request.page_token)
        after = int(cursor[0] or 0) if cursor else 0
        version = asked_version(request.schema_version)
        found, _ = await events.page(self._tools.open, tenant_id, request.run_id, after, size + 1)
        shown = first_batch(found[:size], version)
        token = self._tools.pages.encode("events", scope, (shown[-1].sequence,)) if len(found) > len(shown) else ""
        return wire.ListEventsResponse(events=shown, next_page_token=token)

    async def ReplayEvents(self, request: wire.ReplayEventsRequest, context: Any) -> wire.ReplayEventsResponse:
        """A page of events after a cursor."""
        tenant_id, run_id = caller().tenant_id, request.run_id
        after = events.cursor(run_id, request.after_event_id)
        size, version = page_size(request.page_size, default=100, maximum=1000), asked_version(request.schema_version)
        found, ended = await events.page(self._tools.open, tenant_id, run_id, after, size)
        shown = first_batch(found, version)
        return wire.ReplayEventsResponse(
            events=shown,
            next_after_event_id=shown[-1].event_id if shown else request.after_event_id,
            end_of_stream=ended and len(shown) == len(found),
        )

    async def GetEventContent(self, request: wire.GetEventContentRequest, context: Any) -> wire.EventContent:
        """The whole content of an event; on record."""
        tools = self._tools
        found = await event_content(
            tools.open, tools.snapshots, tools.audit, caller(), request.run_id, request.event_id
        )
        return event_content_message(found)

    async def WatchRun(self, request: wire.WatchRunRequest, context: Any) -> AsyncIterator[wire.WatchRunResponse]:
        """Events after a cursor, and then as they happen."""
        tenant_id, run_id = caller().tenant_id, request.run_id
        after, version = events.cursor(run_id, request.after_event_id), asked_version(request.schema_version)
        async for found, ended in self._tools.tails.watch(tenant_id, run_id, after):
            *full, last = batches(found, version) if found else ([],)
            for batch in full:
                yield wire.WatchRunResponse(events=batch)
            yield wire.WatchRunResponse(events=last, end_of_stream=ended)
            if self._tools.draining.is_set():
                return

    async def VerifyRun(self, request: wire.VerifyRunRequest, context: Any) -> wire.VerifyRunResponse:
        """Looks for damage in the results of a run's steps."""
        found = await verify_run(self._tools.open, self._tools.snapshots, caller().tenant_id, request.run_id)
        damages = damage_messages(found)
        return wire.VerifyRunResponse(intact=not damages, checked=found.checked, damages=damages)

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
        self,
        route: str,
        request: wire.StartRunRequest
        | wire.StartCompileRequest
        | wire.StartImportRequest
        | wire.StartExtractFactsRequest,
        start: runs.Start,
        own: Pipeline | None = None,
    ) -> wire.StartRunResponse:
        who = caller()
        tools = self._tools
        try:
            if own is not None:  # only its own endpoint starts it
                settled, pipeline = start, own
            else:
                settled, pipeline = await settle(tools.open, tools.sources, tools.snapshots, who, start)
            resolved = await runs.prepare(settled, tools.settings, tools.sources, pipeline)
        except LaceError:
            # What was answered once is answered again, whatever has changed since.
            before = await answered(tools.open, route, request, wire.StartRunResponse)
            if before is None:
                raise
            return before
        if tools.starts is not None and needs_no_look(settled, pipeline, resolved):
            asked = (route, canonical(request))
            kept = await start_at_once(tools.starts, who, settled, pipeline, resolved, self._now(), asked, _started)
            if kept is not None:
                return wire.StartRunResponse.FromString(kept)
        await quotas.keep(tools.open, who.tenant_id, resolved.limits)

        async def effect(work: UnitOfWork) -> wire.StartRunResponse:
            if settled.artifact_id:
                await artifacts.require_visible(work, who, settled.artifact_id, settled.request.revision_id)
            return convert.started_message(await runs.start_run(work, who, settled, resolved, self._now()))

        return await once(self._tools.open, route, request, wire.StartRunResponse, effect)

    async def _control(
        self, request: wire.ControlRunRequest | wire.RestartRunRequest, trigger: Trigger, from_step_id: str = ""
    ) -> wire.ControlRunResponse:
        who = caller()
        order = control.Order(request.run_id, trigger, request.reason, from_step_id)

        async def effect(work: UnitOfWork) -> wire.ControlRunResponse:
            run, command_id = await control.control_run(work, who, order, self._now())
            details = {"reason": request.reason, "from_step_id": from_step_id, "command_id": command_id}
            work.send(audit.entry(who, f"run.{trigger.value}", request.run_id, details, self._now()))
            return wire.ControlRunResponse(run_id=run.run_id, command_id=command_id, state=convert.run_state(run.state))

        route = f"/lace.runs.v1.RunService/{trigger.value.title()}Run/{request.run_id}"
        return await once(self._tools.open, route, request, wire.ControlRunResponse, effect)

    @staticmethod
    def _now() -> datetime:
        return utc_now()


def _started(run: Run) -> bytes:
    return convert.started_message(run).SerializeToString(deterministic=True)
