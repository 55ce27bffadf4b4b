"""ParagraphService: decode, one use case, encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from lace.runs.v1 import paragraphs_pb2 as wire
from lace.runs.v1 import paragraphs_pb2_grpc as grpc_wire
from lace_core.canonical import sha256_hex
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_proto import json as wire_json
from lace_runs.api import convert_paragraphs as convert
from lace_runs.api.edge import answered, caller, once
from lace_runs.app import artifacts, runs
from lace_runs.app.paragraphs import editing, landing, rebuilding, specs, starting
from lace_runs.app.paragraphs.ports import FactReader
from lace_runs.app.ports import OpenUnitOfWork, Settings, Snapshots, UnitOfWork
from lace_runs.app.source_ports import Sources
from lace_runs.domain.paragraphs.records import GENERATE, VERIFY

_SERVICE = "/lace.runs.v1.ParagraphService"


@dataclass(frozen=True)
class ParagraphTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    settings: Settings
    sources: Sources
    facts: FactReader
    snapshots: Snapshots
    pages: PageTokens


class ParagraphServicer(grpc_wire.ParagraphServiceServicer):
    """Paragraphs by specification."""

    def __init__(self, tools: ParagraphTools) -> None:
        self._tools = tools

    async def CreateParagraph(self, request: wire.CreateParagraphRequest, context: Any) -> wire.Paragraph:
        """Makes a draft."""
        who, spec = caller(), convert.spec_of(request.spec)
        if done := await self._done("CreateParagraph", request):
            return done
        place = specs.Place(request.artifact_id, request.node_id)
        facts = await specs.sound_facts(self._tools.facts, spec)

        async def effect(work: UnitOfWork) -> wire.Paragraph:
            return convert.paragraph_message(await specs.create(work, who, spec, place, facts, utc_now()))

        return await once(self._tools.open, f"{_SERVICE}/CreateParagraph", request, wire.Paragraph, effect)

    async def GetParagraph(self, request: wire.GetParagraphRequest, context: Any) -> wire.Paragraph:
        """A paragraph with what stands of it."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            return convert.paragraph_message(await specs.show(work, who, request.paragraph_id))

    async def ListParagraphs(self, request: wire.ListParagraphsRequest, context: Any) -> wire.ListParagraphsResponse:
        """Paragraphs, newest first."""
        who, state = caller(), convert.state_of(request.state)
        scope = {"tenant_id": who.tenant_id, "state": state, "artifact_id": request.artifact_id}
        page = self._tools.pages.page("paragraphs", scope, request)
        async with self._tools.open(who.tenant_id) as work:
            found = await specs.list_paragraphs(work, who, state, request.artifact_id, page.moment, page.limit)
        shown, token = page.cut(found, lambda paragraph: (paragraph.created_at, paragraph.paragraph_id))
        return wire.ListParagraphsResponse(paragraphs=map(convert.row_message, shown), next_page_token=token)

    async def UpdateParagraphSpec(self, request: wire.UpdateParagraphSpecRequest, context: Any) -> wire.Paragraph:
        """Puts another specification in the place of the one there is."""
        who, spec = caller(), convert.spec_of(request.spec)
        if done := await self._done("UpdateParagraphSpec", request):
            return done
        facts = await specs.sound_facts(self._tools.facts, spec)

        async def effect(work: UnitOfWork) -> wire.Paragraph:
            asked = (request.paragraph_id, spec, facts, request.etag)
            return convert.paragraph_message(await specs.change_spec(work, who, *asked, utc_now()))

        return await once(self._tools.open, f"{_SERVICE}/UpdateParagraphSpec", request, wire.Paragraph, effect)

    async def GenerateParagraph(
        self, request: wire.GenerateParagraphRequest, context: Any
    ) -> wire.StartParagraphRunResponse:
        """Starts the run that writes it."""
        return await self._start(GENERATE, "GenerateParagraph", request)

    async def VerifyParagraph(
        self, request: wire.VerifyParagraphRequest, context: Any
    ) -> wire.StartParagraphRunResponse:
        """Starts the run that verifies it."""
        return await self._start(VERIFY, "VerifyParagraph", request)

    async def _start(
        self, pipeline_id: str, method: str, request: wire.GenerateParagraphRequest | wire.VerifyParagraphRequest
    ) -> wire.StartParagraphRunResponse:
        who, tools = caller(), self._tools
        overrides = wire_json.to_python(request.settings)
        start = starting.start_of(pipeline_id, request.paragraph_id, overrides)
        resolved = await runs.prepare(start, tools.settings, tools.sources)

        async def effect(work: UnitOfWork) -> wire.StartParagraphRunResponse:
            found = await starting.start(work, who, start, request.etag, resolved, utc_now())
            state = convert.state_message(found.state)
            return wire.StartParagraphRunResponse(run_id=found.run_id, paragraph_id=found.paragraph_id, state=state)

        return await once(tools.open, f"{_SERVICE}/{method}", request, wire.StartParagraphRunResponse, effect)

    async def EditParagraph(self, request: wire.EditParagraphRequest, context: Any) -> wire.Paragraph:
        """Puts a person's sentences in the place of the text."""
        who, asked = caller(), convert.edit_of(request)
        if done := await self._done("EditParagraph", request):
            return done
        facts = await editing.cited_facts(self._tools.facts, asked)

        async def effect(work: UnitOfWork) -> wire.Paragraph:
            return convert.paragraph_message(await editing.edit(work, who, asked, facts, utc_now()))

        return await once(self._tools.open, f"{_SERVICE}/EditParagraph", request, wire.Paragraph, effect)

    async def _done(self, method: str, request: Message) -> wire.Paragraph | None:
        """The answer to the same request of before: what it was made of may be there no more."""
        return await answered(self._tools.open, f"{_SERVICE}/{method}", request, wire.Paragraph)

    async def LandParagraph(self, request: wire.LandParagraphRequest, context: Any) -> wire.Paragraph:
        """Puts the sentences that stand into the document."""
        who, tools = caller(), self._tools

        async def effect(work: UnitOfWork) -> wire.Paragraph:
            asked = (request.paragraph_id, request.etag)
            landed = await landing.land(work, tools.sources, tools.facts, who, *asked, utc_now())
            return convert.paragraph_message(landed)

        answer = await once(tools.open, f"{_SERVICE}/LandParagraph", request, wire.Paragraph, effect)
        await artifacts.keep_snapshot(tools.open, tools.snapshots, who.tenant_id, answer.artifact_id)
        return answer

    async def RebuildParagraph(
        self, request: wire.RebuildParagraphRequest, context: Any
    ) -> wire.RebuildParagraphResponse:
        """Makes the text again out of what is stored."""
        tools, asked = self._tools, (request.paragraph_id, request.text_version)
        rebuilt = await rebuilding.rebuild(tools.open, tools.snapshots, caller(), *asked)
        return convert.rebuilt_message(rebuilt, sha256_hex(rebuilt.data))

    async def DeleteParagraph(self, request: wire.DeleteParagraphRequest, context: Any) -> wire.DeleteParagraphResponse:
        """Deletes a paragraph."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.DeleteParagraphResponse:
            await specs.delete(work, who, request.paragraph_id, request.etag, utc_now())
            return wire.DeleteParagraphResponse(paragraph_id=request.paragraph_id)

        return await once(
            self._tools.open, f"{_SERVICE}/DeleteParagraph", request, wire.DeleteParagraphResponse, effect
        )
