"""ArtifactService: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lace.runs.v1 import artifacts_pb2 as wire
from lace.runs.v1 import artifacts_pb2_grpc as grpc_wire
from lace.runs.v1 import citations_pb2 as citations_wire
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call
from lace_proto import json as wire_json
from lace_runs.api import convert_artifacts as convert
from lace_runs.api import convert_verdicts
from lace_runs.api.convert_citations import citation_message, cursor_of, wanted_of
from lace_runs.api.convert_proposals import limits_of, pointing_into, proposed_actions
from lace_runs.api.edge import caller, once
from lace_runs.app import artifacts, citations, heads, rollback, runs, verification
from lace_runs.app.ports import OpenUnitOfWork, Settings, Snapshots, UnitOfWork
from lace_runs.app.source_ports import Sources

_CREATE = "/lace.runs.v1.ArtifactService/CreateArtifact"
_PATCH = "/lace.runs.v1.ArtifactService/PatchArtifact"
_MERGE_PATCH = "/lace.runs.v1.ArtifactService/MergePatchArtifact"
_ROLLBACK = "/lace.runs.v1.ArtifactService/RollbackArtifact"


@dataclass(frozen=True)
class ArtifactTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    settings: Settings
    sources: Sources
    snapshots: Snapshots
    pages: PageTokens


class ArtifactServicer(grpc_wire.ArtifactServiceServicer):
    """Documents, which only deterministic apply changes."""

    def __init__(self, tools: ArtifactTools) -> None:
        self._tools = tools

    async def CreateArtifact(self, request: wire.CreateArtifactRequest, context: Any) -> wire.Artifact:
        """Makes an empty document."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Artifact:
            made = await artifacts.create(work, who, request.title, request.language, utc_now())
            return convert.artifact_message(made)

        return await once(self._tools.open, _CREATE, request, wire.Artifact, effect)

    async def ListArtifacts(self, request: wire.ListArtifactsRequest, context: Any) -> wire.ListArtifactsResponse:
        """Documents of the tenant, newest first."""
        tenant_id = caller().tenant_id
        wanted = convert.wanted_artifacts_of(request)
        scope = {"tenant_id": tenant_id, **vars(wanted)}
        page = self._tools.pages.page("artifacts", scope, request)
        async with self._tools.open(tenant_id) as work:
            found = await work.artifacts.list(tenant_id, caller().labels, page.moment, page.limit, wanted)
        shown, token = page.cut(found, lambda record: (record.created_at, record.artifact_id))
        return wire.ListArtifactsResponse(artifacts=map(convert.record_message, shown), next_page_token=token)

    async def GetArtifact(self, request: wire.GetArtifactRequest, context: Any) -> wire.Artifact:
        """A document: its head, or another committed revision."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            key = (who.tenant_id, request.artifact_id)
            wanted = await artifacts.asked_revision(work, who, request.artifact_id, request.revision_id, request.ref)
            message = convert.artifact_message(await artifacts.show(work, *key, wanted), request.inline)
            message.etag = await heads.etag(work, *key, request.ref)
        return message

    async def PatchArtifact(self, request: wire.PatchArtifactRequest, context: Any) -> wire.PatchArtifactResponse:
        """Applies actions and commits the revision that comes of it."""
        who = caller()
        limits = limits_of((await self._tools.settings.resolve({})).values)
        actions = proposed_actions(request.actions, f"{who.principal_id}/{who.idempotency_key}", limits)
        asked = convert.patch_of(request, actions)

        async def effect(work: UnitOfWork) -> wire.PatchArtifactResponse:
            await artifacts.require_visible(work, who, request.artifact_id, request.base_revision_id)
            with pointing_into(request.actions):
                made = await artifacts.patch(work, self._tools.sources, who, asked, utc_now())
            return convert.patched_message(*made)

        return await self._patched(_PATCH, request, effect)

    async def MergePatchArtifact(
        self, request: wire.MergePatchArtifactRequest, context: Any
    ) -> wire.PatchArtifactResponse:
        """Changes what a JSON Merge Patch names."""
        who, wanted, asked = caller(), wire_json.parse(request.patch), convert.merge_patch_of(request)

        async def effect(work: UnitOfWork) -> wire.PatchArtifactResponse:
            await artifacts.require_visible(work, who, request.artifact_id)
            return convert.patched_message(
                *await artifacts.merge_patched(work, self._tools.sources, who, asked, wanted, utc_now())
            )

        return await self._patched(_MERGE_PATCH, request, effect)

    async def _patched(
        self,
        route: str,
        request: wire.PatchArtifactRequest | wire.MergePatchArtifactRequest,
        effect: Callable[[UnitOfWork], Awaitable[wire.PatchArtifactResponse]],
    ) -> wire.PatchArtifactResponse:
        """The change, once, and the snapshot of what came of it."""
        tools, tenant_id = self._tools, caller().tenant_id
        answer = await once(tools.open, route, request, wire.PatchArtifactResponse, effect)
        await artifacts.keep_snapshot(tools.open, tools.snapshots, tenant_id, request.artifact_id, request.branch)
        return answer

    async def GetNode(self, request: wire.GetNodeRequest, context: Any) -> wire.GetNodeResponse:
        """A section with its blocks and evidence."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            wanted = await artifacts.asked_revision(work, who, request.artifact_id, request.revision_id, request.ref)
            shown = await artifacts.show_node(work, who.tenant_id, request.artifact_id, request.node_id, wanted)
        return convert.shown_node_message(shown)

    async def ListRevisions(self, request: wire.ListRevisionsRequest, context: Any) -> wire.ListRevisionsResponse:
        """Revisions, newest first."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "artifact_id": request.artifact_id}
        page = self._tools.pages.page("revisions", scope, request)
        async with self._tools.open(tenant_id) as work:
            await artifacts.require_visible(work, caller(), request.artifact_id)
            found = await work.artifacts.revisions(tenant_id, request.artifact_id, page.moment, page.limit)
        shown, token = page.cut(found, lambda revision: (revision.created_at, revision.revision_id))
        return wire.ListRevisionsResponse(revisions=map(convert.revision_message, shown), next_page_token=token)

    async def ListVerdicts(self, request: wire.ListVerdictsRequest, context: Any) -> wire.ListVerdictsResponse:
        """What was found of a revision's sentences, those of kept-out ones first."""
        tenant_id, wanted = caller().tenant_id, convert_verdicts.wanted_of(request, caller().labels)
        scope = {"tenant_id": tenant_id, **{name: str(value) for name, value in vars(wanted).items()}}
        page = self._tools.pages.page("verdicts", scope, request, default=100, maximum=1000)
        async with self._tools.open(tenant_id) as work:
            await artifacts.require_visible(work, caller(), wanted.artifact_id, wanted.revision_id)
            found = await artifacts.list_verdicts(work, tenant_id, wanted, page.number or 0, page.limit)
        shown, token = page.cut(found, lambda entry: (entry[0],))
        verdicts = [convert_verdicts.verdict_message(row) for _, row in shown]
        return wire.ListVerdictsResponse(verdicts=verdicts, next_page_token=token)

    async def VerifyArtifact(self, request: wire.VerifyArtifactRequest, context: Any) -> wire.VerifyArtifactResponse:
        """Looks for damage in a document's revisions."""
        tools, tenant_id = self._tools, caller().tenant_id
        async with tools.open(tenant_id) as work:
            await artifacts.require_visible(work, caller(), request.artifact_id, request.revision_id)
        found = await verification.verify_artifact(
            tools.open, tools.snapshots, tenant_id, request.artifact_id, request.revision_id
        )
        return wire.VerifyArtifactResponse(
            intact=not found.damages, checked=found.checked, damages=convert.damage_messages(found)
        )

    async def ListCitations(
        self, request: citations_wire.ListCitationsRequest, context: Any
    ) -> citations_wire.ListCitationsResponse:
        """Who cites given sources, units, or within a document."""
        tenant_id, wanted = caller().tenant_id, wanted_of(request, current_call().labels)
        named = (*wanted.source_ids, "", *wanted.unit_ids, "", wanted.artifact_id, str(wanted.all_revisions))
        scope = {"tenant_id": tenant_id, "wanted": list(named)}
        page = self._tools.pages.page("citations", scope, request, default=100)
        after = cursor_of(page.cursor)
        found = await citations.list_citations(self._tools.open, caller(), wanted, after, page.limit)
        shown, token = page.cut(found, lambda citation: citation.cursor)
        return citations_wire.ListCitationsResponse(citations=map(citation_message, shown), next_page_token=token)

    async def RollbackArtifact(
        self, request: wire.RollbackArtifactRequest, context: Any
    ) -> wire.RollbackArtifactResponse:
        """Brings a revision back by a run, or shows what that would change."""
        who, asked = caller(), convert.rollback_of(request)
        async with self._tools.open(who.tenant_id) as work:
            await artifacts.require_visible(work, who, asked.artifact_id, asked.revision_id)
        if request.dry_run:
            return convert.preview_message(*await rollback.preview(self._tools.open, who.tenant_id, asked))
        resolved = await runs.prepare(rollback.start_of(asked), self._tools.settings, self._tools.sources)

        async def effect(work: UnitOfWork) -> wire.RollbackArtifactResponse:
            return convert.rollback_message(*await rollback.start(work, who, asked, resolved, utc_now()))

        return await once(self._tools.open, _ROLLBACK, request, wire.RollbackArtifactResponse, effect)
