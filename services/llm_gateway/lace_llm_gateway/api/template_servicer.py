"""TemplateService over gRPC: templates and their runs."""

from __future__ import annotations

from typing import Any

from lace.llm_gateway.v1 import templates_pb2 as wire
from lace.llm_gateway.v1 import templates_pb2_grpc
from lace_llm_gateway.api import convert_templates as convert
from lace_llm_gateway.api.batch_servicer import BatchMethods, BatchPages
from lace_llm_gateway.api.template_pages import TemplatePages, page_limit
from lace_llm_gateway.app.batches.batching import Batching
from lace_llm_gateway.app.templates.create_template import create_template
from lace_llm_gateway.app.templates.list_templates import (
    get_template,
    get_template_run,
    list_template_runs,
    list_templates,
)
from lace_llm_gateway.app.templates.run_template import Later, run_template
from lace_llm_gateway.app.templates.sealed import Templates
from lace_platform.rpc import current_call, say_status

_SERVICE = "/lace.llm_gateway.v1.TemplateService"


class TemplateServicer(BatchMethods, templates_pb2_grpc.TemplateServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(
        self, templates: Templates, pages: TemplatePages, later: Later, batching: Batching, batch_pages: BatchPages
    ) -> None:
        self._templates = templates
        self._pages = pages
        self._later = later
        self._batching = batching
        self._batch_pages = batch_pages

    async def CreateTemplate(self, request: wire.CreateTemplateRequest, context: Any) -> wire.Template:
        """Keeps a template for good."""
        caller, content = current_call(), convert.content_of(request.content)
        asked = (f"{_SERVICE}/CreateTemplate", convert.canonical_request(request))
        kept = await create_template(self._templates, caller.tenant_id, caller.principal_id, content, asked)
        if not kept.created:
            say_status(context, 200)
        return convert.template_message(kept.template)

    async def ListTemplates(self, request: wire.ListTemplatesRequest, context: Any) -> wire.ListTemplatesResponse:
        """Lists templates."""
        tenant_id = current_call().tenant_id
        place = self._pages.template_place(tenant_id, request)
        page = await list_templates(self._templates, tenant_id, request.name, page_limit(request), place)
        return wire.ListTemplatesResponse(
            templates=[convert.template_message(template) for template in page.templates],
            next_page_token=self._pages.after_templates(tenant_id, request, page.after),
        )

    async def GetTemplate(self, request: wire.GetTemplateRequest, context: Any) -> wire.Template:
        """A template as it was written."""
        template = await get_template(self._templates, current_call().tenant_id, request.template_id)
        return convert.template_message(template)

    async def RunTemplate(self, request: wire.RunTemplateRequest, context: Any) -> wire.TemplateRun:
        """Runs a template."""
        caller, ask = current_call(), convert.ask_of(request)
        asked = (f"{_SERVICE}/RunTemplate", convert.canonical_request(request))
        later = self._later if request.respond_async else None
        who = (caller.tenant_id, caller.principal_id)
        run = await run_template(self._templates, *who, ask, asked, caller.remaining(), later)
        if not run.state.ended:
            say_status(context, 202)
        return convert.run_message(run)

    async def GetTemplateRun(self, request: wire.GetTemplateRunRequest, context: Any) -> wire.TemplateRun:
        """A run of a template."""
        tenant_id = current_call().tenant_id
        return convert.run_message(
            await get_template_run(self._templates, tenant_id, request.template_id, request.run_id)
        )

    async def ListTemplateRuns(
        self, request: wire.ListTemplateRunsRequest, context: Any
    ) -> wire.ListTemplateRunsResponse:
        """Lists the runs of a template."""
        tenant_id, wanted = current_call().tenant_id, convert.filter_of(request)
        place = self._pages.run_place(tenant_id, request)
        page = await list_template_runs(
            self._templates, tenant_id, request.template_id, wanted, page_limit(request), place
        )
        return wire.ListTemplateRunsResponse(
            runs=[convert.run_message(run) for run in page.runs],
            next_page_token=self._pages.after_runs(tenant_id, request, page.after),
        )
