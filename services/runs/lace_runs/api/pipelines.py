"""PipelineService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.runs.v1 import runs_pb2 as wire
from lace.runs.v1 import runs_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_runs.api import convert_pipelines as convert
from lace_runs.api.edge import caller, once
from lace_runs.app import pipelines
from lace_runs.app.ports import OpenUnitOfWork, Settings, UnitOfWork

_CREATE = "/lace.runs.v1.PipelineService/CreatePipeline"


class PipelineServicer(grpc_wire.PipelineServiceServicer):
    """The pipelines there are, and registering one."""

    def __init__(self, open_work: OpenUnitOfWork, settings: Settings) -> None:
        self._open = open_work
        self._settings = settings

    async def ListPipelines(self, request: wire.ListPipelinesRequest, context: Any) -> wire.ListPipelinesResponse:
        """The pipelines with their steps."""
        tenant_id = caller().tenant_id
        async with self._open(tenant_id) as work:
            found = await pipelines.pipelines(work, tenant_id)
        values = (await self._settings.resolve({})).values
        return wire.ListPipelinesResponse(pipelines=[convert.pipeline_message(pipeline, values) for pipeline in found])

    async def GetPipeline(self, request: wire.GetPipelineRequest, context: Any) -> wire.Pipeline:
        """A pipeline."""
        tenant_id = caller().tenant_id
        async with self._open(tenant_id) as work:
            found = await pipelines.show(work, tenant_id, request.pipeline_id, request.version)
        return convert.pipeline_message(found, (await self._settings.resolve({})).values)

    async def CreatePipeline(self, request: wire.CreatePipelineRequest, context: Any) -> wire.Pipeline:
        """Registers a pipeline."""
        who, definition = caller(), convert.definition_of(request)
        values = (await self._settings.resolve({})).values

        async def effect(work: UnitOfWork) -> wire.Pipeline:
            return convert.pipeline_message(await pipelines.register(work, who, definition, utc_now()), values)

        return await once(self._open, _CREATE, request, wire.Pipeline, effect)
