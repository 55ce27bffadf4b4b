"""From a written document to what of it is changed: its base, the nodes in scope, and the facts that each may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core import contracts, planning, revising
from lace_core import ir as model
from lace_core.errors import Detail, LaceError, Reason
from lace_core.merkle import ir_hash
from lace_core.scope import conflicts, nodes_of
from lace_runs.app.documents.allowing import Allowing
from lace_runs.app.documents.asking import enrich_input, more_input, patch_input
from lace_runs.app.documents.fitting import Draft, fitted
from lace_runs.app.documents.ruling import rules_for
from lace_runs.app.documents.work import best_facts
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

_MOST_UNITS = 200
_LONGEST_QUERY = 500
# These look for what the instructions name as well.
_ASKED = frozenset({"amend", "extend"})


class Scoping(Allowing):
    """The steps open and scope, and context where a scope is set."""

    async def open(self, scope: StepScope) -> out.Opened:
        """Take the right to write the artifact, and find the base and the nodes that may be changed.

        Raises LaceError ARTIFACT_EMPTY, REVISION_NOT_FOUND, REVISION_CONFLICT, NODE_NOT_FOUND, PROPOSAL_REJECTED.
        """
        request, key = self.run.request, (self.run.tenant_id, self.run.artifact_id)
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            head_id = (await work.artifacts.get(*key)).head_revision_id
            if not head_id:
                raise LaceError(Reason.ARTIFACT_EMPTY, f"{self.run.artifact_id} has no committed revision yet.")
            head = await work.artifacts.document(*key, head_id)
            read = head
            if request.revision_id not in ("", head_id):
                if (await work.artifacts.revision(*key, request.revision_id)).status != "committed":
                    raise LaceError(Reason.REVISION_NOT_FOUND, f"{request.revision_id} was never committed.")
                read = await work.artifacts.document(*key, request.revision_id)
            await work.commit()
        node_ids = scope_of(read, request.node_id, request.scope)
        refuse_conflict(read, head, node_ids)
        left = self._open_nodes(head, node_ids)
        for node_id in sorted(set(node_ids) - set(left)):
            message = f"The section {head.node(node_id).title} is final and was left as it is; reopen it to change it."
            await self.execution.warn(scope, "NODE_FINAL", message, node_id)
        scope.lineage.rests_on(head.sources)
        scope.summary = f"{len(left)} of {len(head.nodes)} nodes"
        return out.Opened(
            base_revision_id=head_id, base_hash=ir_hash(head), title=head.title, language=head.language, node_ids=left
        )

    @staticmethod
    def _open_nodes(document: model.Artifact, node_ids: Sequence[str]) -> tuple[str, ...]:
        left = tuple(i for i in node_ids if document.node(i).state is not model.NodeState.FINAL)
        if not left:
            pointer = f"/nodes/{node_ids[0]}"
            message = f"{node_ids[0]} is final; reopen it first."
            raise LaceError(Reason.PROPOSAL_REJECTED, message, details=[Detail(pointer, f"NODE_FINAL: {message}")])
        return left

    async def scope(self, scope: StepScope) -> out.Scoped:
        """The nodes in scope as they are to be worked on."""
        opened = self.execution.result("open", out.Opened, scope)
        base = await self._document(opened.base_revision_id)
        nodes = [node for node in planned_nodes(base) if node.node_id in set(opened.node_ids)]
        sections = sum(1 for depth, _ in base.walk() if depth == 1)
        scope.summary = ", ".join(node.title for node in nodes[:5])
        return out.Scoped(nodes=tuple(nodes), sections=sections, total=len(base.nodes))

    async def context(self, scope: StepScope) -> out.Context:
        """Search for all sections of the document, so that a fact goes to the one it fits best; keep those in scope."""
        opened = self.execution.result("open", out.Opened, scope)
        scoped = self.execution.result("scope", out.Scoped, scope)
        selected = self.execution.result("sources", out.Selected, scope)
        base = await self._document(opened.base_revision_id)
        taken = {node.node_id: self._taken(base, node.node_id, opened.node_ids) for node in scoped.nodes}
        chosen = await self._search(base, scoped, [s.source_id for s in selected.sources], taken)
        found = {node.node_id: node.grounds for node in self._grounds(base, scoped, chosen, taken)}
        allowed = await self.only_allowed(scope, [(node, found[node.node_id]) for node in scoped.nodes], taken)
        drafts = [
            self._draft(scope, base, node, out.NodeGrounds(node_id=node.node_id, grounds=grounds))
            for node, grounds in zip(scoped.nodes, allowed, strict=True)
        ]
        nodes = await fitted(self.execution, self._writers.models, scope, drafts)
        writer = self.execution.pipeline.writer
        for planned, node in zip(scoped.nodes, nodes, strict=True):
            if not node.grounds and writer == "rewrite":
                message = f"Nothing was found for the section {planned.title}; it stays as it is."
                await self.execution.warn(scope, Reason.NO_EVIDENCE.value, message, node.node_id)
        used = {piece.source_id for node in nodes for ground in node.grounds for piece in ground.pieces}
        scope.lineage.read(source for source in selected.sources if source.source_id in used)
        scope.summary = f"{sum(len(node.grounds) for node in nodes)} facts for {len(nodes)} nodes"
        return out.Context(nodes=tuple(nodes))

    def _draft(self, scope: StepScope, base: model.Artifact, node: out.PlannedNode, found: out.NodeGrounds) -> Draft:
        """The facts of a node with what will be asked; what the node cites must stay where it is to be amended."""
        writer = self.execution.pipeline.writer
        rules = rules_for(self.policy, base, node)
        asked: tuple[tuple[contracts.Contract, Struct], ...] = ()
        fixed = 0
        if writer in ("rewrite", "extend"):
            audience, words = self._audience(scope), self._words_for(node)
            anew = writer == "rewrite"
            more = more_input(self.run, base, node, (), rules, audience=audience, words=words, anew=anew)
            asked = (self._ruled(contracts.WRITE_MORE, more, rules),)
        elif writer == "enrich":
            enrich = enrich_input(base, node, (), rules, self._words_for(node))
            asked = (self._ruled(contracts.ENRICH, enrich, rules),)
        elif writer == "amend":
            asked = (self._ruled(contracts.PATCH, patch_input(self.run, base, node, (), rules), rules),)
            cited = {evidence.evidence_id for evidence in base.node(node.node_id).evidence}
            fixed = sum(any(piece.evidence_id in cited for piece in ground.pieces) for ground in found.grounds)
        return Draft(node, found.grounds, asked, fixed)

    def _taken(self, base: model.Artifact, node_id: str, node_ids: Sequence[str]) -> set[str]:
        """The evidence that a node may not use (again), by what is to become of it."""
        root_id = base.root.node_id
        cited = {node.node_id: {e.evidence_id for e in node.evidence} for node in base.nodes}
        own = cited[node_id]
        # The root's text sums up what its sections say, so it takes nothing away from them, nor they from it.
        others = {i: ids for i, ids in cited.items() if i not in (root_id, node_id)} if node_id != root_id else {}
        match self.execution.pipeline.writer:
            case "rewrite":
                return set().union(*(ids for i, ids in others.items() if i not in node_ids))
            case "extend" | "amend":
                return set().union(own, *(others if node_id != root_id else cited).values())
            case "enrich":
                return own
        return set()

    async def _search(
        self,
        base: model.Artifact,
        scoped: out.Scoped,
        source_ids: Sequence[str],
        taken: Mapping[str, set[str]],
    ) -> dict[str, list[tuple[planning.Unit, int, str]]]:
        alone = len(scoped.nodes) == 1 and scoped.nodes[0].depth == 0
        nodes = [node for node in planned_nodes(base) if alone == (node.depth == 0)] or planned_nodes(base)
        meant = {node.node_id for node in scoped.nodes} if self.execution.pipeline.writer in _ASKED else set()
        asked = (self.run.request.instructions[:_LONGEST_QUERY],)
        queries = [
            (node.node_id, query)
            for node in nodes
            for query in (*node.queries, *(asked if node.node_id in meant else ()))
            if query.strip(" .")
        ]
        # What is taken already is found first; there must be room for what is not.
        more = len(
            {e.unit_id for node in base.nodes for e in node.evidence if any(e.evidence_id in t for t in taken.values())}
        )
        limit = min(_MOST_UNITS, int(self.settings["retrieval.units_per_query"]) + more)
        results, units = await self._writers.sources.search(queries, source_ids, limit, self.settings)
        hits: dict[str, list[Sequence[planning.Hit]]] = {node.node_id: [] for node in nodes}
        for (node_id, _), found in zip(queries, results, strict=True):
            hits[node_id].append(found)
        most = int(self.settings["runs.facts_per_node"]) + max((len(ids) for ids in taken.values()), default=0)
        return planning.assign(hits, units, most)

    def _grounds(
        self,
        base: model.Artifact,
        scoped: out.Scoped,
        chosen: Mapping[str, Sequence[tuple[planning.Unit, int, str]]],
        taken: Mapping[str, set[str]],
    ) -> list[out.NodeGrounds]:
        amends = self.execution.pipeline.writer == "amend"
        filenames = {source.source_id: source.filename for source in base.sources}
        most = int(self.settings["runs.facts_per_node"])
        found: dict[str, tuple[planning.Grounds, ...]] = {}
        first = 1
        for node in scoped.nodes:
            own = revising.own_grounds(base.node(node.node_id), filenames, first) if amends else []
            fresh = [
                ground
                for ground in planning.grounds_of(chosen.get(node.node_id, ()), first + len(own))
                if not any(piece.evidence_id in taken[node.node_id] for piece in ground.pieces)
            ]
            found[node.node_id] = (*own, *fresh[:most])
            first = max(first, *(int(g.fact.fact_id[1:]) + 1 for g in found[node.node_id]), first)
        root = scoped.nodes[0]
        if root.depth == 0 and len(scoped.nodes) > 1 and self.execution.pipeline.writer in ("rewrite", "enrich", ""):
            below = [out.NodeGrounds(node_id=i, grounds=g) for i, g in found.items() if i != root.node_id]
            mine = taken[root.node_id]
            facts = best_facts(below)
            found[root.node_id] = tuple(g for g in facts if not any(p.evidence_id in mine for p in g.pieces))
        return [out.NodeGrounds(node_id=node_id, grounds=grounds) for node_id, grounds in found.items()]


def scope_of(document: model.Artifact, node_id: str, scope: str) -> tuple[str, ...]:
    """The nodes that a request is about; raises LaceError NODE_NOT_FOUND."""
    try:
        return nodes_of(document, node_id or document.root.node_id, subtree=scope != "node")
    except LookupError:
        raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {document.artifact_id} has no node {node_id}.") from None


def refuse_conflict(base: model.Artifact, head: model.Artifact, node_ids: Sequence[str]) -> None:
    """Changes of a base that is not the head any more fit where nothing in scope differs; else REVISION_CONFLICT."""
    differ = conflicts(base, head, set(node_ids)) if base is not head else []
    if differ:
        raise LaceError(
            Reason.REVISION_CONFLICT,
            f"The document changed since its base was read, in {len(differ)} of the nodes in scope; read it again.",
            details=[
                Detail(f"/nodes/{node_id}", "CHANGED: differs between the base and the head") for node_id in differ
            ],
        )


def planned_nodes(document: model.Artifact) -> list[out.PlannedNode]:
    """The nodes of a document in order, as steps work on them."""
    path: list[str] = []
    found = []
    for depth, node in document.walk():
        path[depth:] = [node.title]
        found.append(
            out.PlannedNode(
                node_id=node.node_id,
                parent_id=node.parent_id or "",
                key="",
                title=node.title,
                brief=node.brief,
                queries=(f"{node.title}. {node.brief}",),
                path=tuple(path[:depth]),
                depth=depth,
            )
        )
    return found


def merged_sources(base: Sequence[model.Source], more: Sequence[model.Source]) -> tuple[model.Source, ...]:
    """The sources of a document with those that a change may cite beside them."""
    known = {source.source_id for source in base}
    return (*base, *(source for source in more if source.source_id not in known))


def without_unused_sources(document: model.Artifact) -> model.Artifact:
    """The document with those sources alone that it cites."""
    cited = {e.source_id for node in document.nodes for e in node.evidence}
    return msgspec.structs.replace(document, sources=tuple(s for s in document.sources if s.source_id in cited))
