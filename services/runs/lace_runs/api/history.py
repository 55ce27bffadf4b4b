"""HistoryService: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from lace.runs.v1 import history_pb2 as wire
from lace.runs.v1 import history_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens, page_size
from lace_runs.api import convert_history as convert
from lace_runs.api.edge import caller, once
from lace_runs.app.artifacts import keep_snapshot
from lace_runs.app.history import blame, differing, log, merging, naming
from lace_runs.app.ports import OpenUnitOfWork, Snapshots, UnitOfWork

_SERVICE = "/lace.runs.v1.HistoryService/"
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class HistoryTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    snapshots: Snapshots
    pages: PageTokens


class HistoryServicer(grpc_wire.HistoryServiceServicer):
    """Diffs, logs, blame, branches, merges and tags."""

    def __init__(self, tools: HistoryTools) -> None:
        self._tools = tools

    async def DiffArtifact(self, request: wire.DiffArtifactRequest, context: Any) -> wire.DiffArtifactResponse:
        """What is different between two refs; its pages are of the revisions that the first was of."""
        who = caller()
        wanted, size = convert.wanted_diff_of(request), page_size(request.page_size, default=200, maximum=1000)
        named = [wanted.artifact_id, wanted.before, wanted.after, wanted.node_id, wanted.level]
        before, after, first = self._place("diff", named, request.page_token, (wanted.before, wanted.after, 0))
        pinned = differing.Wanted(wanted.artifact_id, before, after, wanted.node_id, wanted.level)
        async with self._tools.open(who.tenant_id) as work:
            found = await differing.compare(work, who, pinned)
        answer = convert.diff_message(found, first, size, request.format)
        if first + size < len(found.differences):
            answer.next_page_token = self._token("diff", named, (found.before, found.after, first + size))
        return answer

    async def LogArtifact(self, request: wire.LogArtifactRequest, context: Any) -> wire.LogArtifactResponse:
        """The revisions behind a ref; its pages are of the head that the first was of."""
        who, size = caller(), page_size(request.page_size, default=50, maximum=500)
        named = [request.artifact_id, request.ref, request.subject_id]
        head, skip = self._place("log", named, request.page_token, (request.ref, 0))
        async with self._tools.open(who.tenant_id) as work:
            found = await log.log(work, who, request.artifact_id, head, request.subject_id, skip, size)
        token = self._token("log", named, (found.head, skip + size)) if found.more else ""
        return wire.LogArtifactResponse(entries=map(convert.entry_message, found.entries), next_page_token=token)

    async def BlameArtifact(self, request: wire.BlameArtifactRequest, context: Any) -> wire.BlameArtifactResponse:
        """Where the sentences of a ref come from; its pages are of the revision that the first was of."""
        who, size = caller(), page_size(request.page_size, default=100, maximum=500)
        named = [request.artifact_id, request.ref, request.node_id]
        head, skip = self._place("blame", named, request.page_token, (request.ref, 0))
        async with self._tools.open(who.tenant_id) as work:
            found = await blame.blame(work, who, request.artifact_id, head, request.node_id, skip, size)
        answer = convert.blame_message(found)
        answer.next_page_token = self._token("blame", named, (found.revision_id, skip + size)) if found.more else ""
        return answer

    async def CreateBranch(self, request: wire.CreateBranchRequest, context: Any) -> wire.Branch:
        """Begins a branch."""
        who, ref = caller(), getattr(request, "from")

        async def effect(work: UnitOfWork) -> wire.Branch:
            made = await naming.create_branch(work, who, request.artifact_id, request.name, ref, utc_now())
            return convert.branch_message(made)

        return await self._once("CreateBranch", request, wire.Branch, effect)

    async def ListBranches(self, request: wire.ListBranchesRequest, context: Any) -> wire.ListBranchesResponse:
        """Branches by name, main first."""
        who = caller()
        page = self._tools.pages.page("branches", _scope([request.artifact_id]), request)
        async with self._tools.open(who.tenant_id) as work:
            found = await naming.list_branches(work, who, request.artifact_id, page.name, page.limit)
        shown, token = page.cut(found, lambda apart: (apart.branch.name,))
        return wire.ListBranchesResponse(branches=map(convert.branch_message, shown), next_page_token=token)

    async def GetBranch(self, request: wire.GetBranchRequest, context: Any) -> wire.Branch:
        """A branch."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            return convert.branch_message(await naming.get_branch(work, who, request.artifact_id, request.name))

    async def DeleteBranch(self, request: wire.DeleteBranchRequest, context: Any) -> wire.Branch:
        """Deletes a branch."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Branch:
            gone = await naming.delete_branch(work, who, request.artifact_id, request.name, request.force, utc_now())
            return convert.branch_message(gone)

        return await self._once("DeleteBranch", request, wire.Branch, effect)

    async def MergeArtifact(self, request: wire.MergeArtifactRequest, context: Any) -> wire.MergeArtifactResponse:
        """Merges a ref into a branch, or lists the conflicts that keep it from it."""
        who, wanted = caller(), convert.wanted_merge_of(request)

        async def effect(work: UnitOfWork) -> wire.MergeArtifactResponse:
            return convert.outcome_message(await merging.merge(work, who, wanted, utc_now()))

        answer = await self._once("MergeArtifact", request, wire.MergeArtifactResponse, effect)
        if answer.HasField("revision"):
            await keep_snapshot(
                self._tools.open, self._tools.snapshots, who.tenant_id, wanted.artifact_id, answer.revision.revision_id
            )
        return answer

    async def CreateTag(self, request: wire.CreateTagRequest, context: Any) -> wire.Tag:
        """Names a revision."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Tag:
            asked = (request.artifact_id, request.name, request.ref, request.message)
            return convert.tag_message(await naming.create_tag(work, who, *asked, utc_now()))

        return await self._once("CreateTag", request, wire.Tag, effect)

    async def ListTags(self, request: wire.ListTagsRequest, context: Any) -> wire.ListTagsResponse:
        """Tags by name."""
        who = caller()
        page = self._tools.pages.page("tags", _scope([request.artifact_id]), request)
        async with self._tools.open(who.tenant_id) as work:
            found = await naming.list_tags(work, who, request.artifact_id, page.name, page.limit)
        shown, token = page.cut(found, lambda tag: (tag.name,))
        return wire.ListTagsResponse(tags=map(convert.tag_message, shown), next_page_token=token)

    async def GetTag(self, request: wire.GetTagRequest, context: Any) -> wire.Tag:
        """A tag."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            return convert.tag_message(await naming.get_tag(work, who, request.artifact_id, request.name))

    async def DeleteTag(self, request: wire.DeleteTagRequest, context: Any) -> wire.Tag:
        """Deletes a tag."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Tag:
            gone = await naming.delete_tag(work, who, request.artifact_id, request.name, utc_now())
            return convert.tag_message(gone)

        return await self._once("DeleteTag", request, wire.Tag, effect)

    async def _once(
        self, name: str, request: Message, answer: type[M], effect: Callable[[UnitOfWork], Awaitable[M]]
    ) -> M:
        return await once(self._tools.open, f"{_SERVICE}{name}", request, answer, effect)

    def _place(self, what: str, named: list[str], token: str, first: tuple[Any, ...]) -> tuple[Any, ...]:
        """Where the page begins: what its token holds, or `first`."""
        cursor = self._tools.pages.decode(what, _scope(named), token)
        return first if cursor is None else tuple(cursor)

    def _token(self, what: str, named: list[str], place: tuple[Any, ...]) -> str:
        return self._tools.pages.encode(what, _scope(named), place)


def _scope(named: list[str]) -> Mapping[str, Any]:
    return {"tenant_id": caller().tenant_id, "asked": named}
