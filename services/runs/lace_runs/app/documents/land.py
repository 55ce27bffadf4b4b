"""From verified text to a committed revision: deterministic apply, validation, the head."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from lace_core import ir as model
from lace_core import writing
from lace_core.actions import Action, InsertNode, Proposal
from lace_core.apply import Applied, Change, Policy, apply
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.merkle import content_hash, ir_hash
from lace_core.policies.holding import RULES, unless_stood
from lace_core.scope import Scope, Way, apply_within, dropped
from lace_core.validate import Finding, errors, validate
from lace_runs.app.compiling import Snapshot, keep_snapshot
from lace_runs.app.documents.revise import WAYS
from lace_runs.app.documents.ruling import constraint_actions
from lace_runs.app.documents.scoping import merged_sources, refuse_conflict, without_unused_sources
from lace_runs.app.documents.telling import tell_findings
from lace_runs.app.documents.work import StepWork
from lace_runs.app.ports import UnitOfWork
from lace_runs.app.provenance import revision_entity
from lace_runs.app.reviews import making as reviews
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out
from lace_runs.domain.artifacts import Revision, Staging, snapshot_key
from lace_runs.domain.reviews import Origin

_MOST_DROPPED = 500
_LONGEST_QUOTE = 300
_ANEW = ("llm", "rewrite")  # writers that leave nothing of what a section said


class Landing(StepWork):
    """The steps apply and validate."""

    async def apply(self, scope: StepScope, nodes: Sequence[out.PlannedNode]) -> out.Staged:
        """Put everything that was verified together into one staged revision."""
        loaded = self.execution.result("load", out.Loaded, scope)
        planned = self.execution.result("outline", out.Planned, scope)
        selected = self.execution.result("sources", out.Selected, scope)
        base = await self._document(loaded.base_revision_id)
        actions, verdicts = self._collect(scope, nodes or (planned.root, *planned.sections))
        actions.extend(self._rules(base, nodes or (planned.root, *planned.sections), planned.root.node_id))
        start = msgspec.structs.replace(base, title=self.run.request.title or base.title, sources=selected.sources)
        # The plan was made for the base; its new title and sources are not what the base's hash is about.
        applied = apply(start, Proposal(base_hash="", actions=tuple(actions)), Policy(on_conflict="rebase"))
        refuse(applied, len(actions))
        document = without_unused_sources(applied.artifact)
        scope.lineage.rests_on(document.sources)
        staging = Staging(
            revision=self._revision(document, loaded.base_revision_id),
            document=document,
            changes=applied.changes,
            verdicts=tuple(verdicts),
            actions=applied.digests,
        )
        await self._stage(staging)
        return self._tell_staged(scope, staged_of(staging, len(actions)))

    async def change(self, scope: StepScope, nodes: Sequence[out.PlannedNode]) -> out.Staged:
        """Put everything that was verified into the written document, within the scope of the change and no further.

        Raises LaceError PROPOSAL_REJECTED, and REVISION_CONFLICT where the head moved and differs within the scope.
        """
        opened = self.execution.result("open", out.Opened, scope)
        selected = self.execution.result("sources", out.Selected, scope)
        actions, verdicts = self._collect(scope, nodes)
        head_id, base = await self._head(opened)
        start = msgspec.structs.replace(base, sources=merged_sources(base.sources, selected.sources))
        way = WAYS.get(self.execution.pipeline.writer, Way.PATCH)
        applied = apply_within(start, actions, Scope(way, frozenset(opened.node_ids)))
        refuse(applied, len(actions))
        if not applied.changes:
            await self.execution.warn(scope, "NOTHING_CHANGED", "There was nothing to change; no revision was made.")
            return self._tell_staged(scope, _unchanged(base, await self._revision_of(head_id)))
        document, ruled = await self._under_policy(scope, without_unused_sources(applied.artifact))
        scope.lineage.rests_on(document.sources)
        gone = {change.subject_id for change in applied.changes if change.change == "removed"}
        staging = Staging(
            revision=self._revision(document, head_id),
            document=document,
            changes=(*applied.changes, *ruled),
            verdicts=tuple(verdicts),
            verdicts_of=head_id,
            judged_anew=tuple(n.node_id for n in base.nodes if any(block.block_id in gone for block in n.blocks)),
            actions=applied.digests,
        )
        await self._stage(staging)
        lost = await self._told_dropped(scope, base, document)
        staged = msgspec.structs.replace(
            staged_of(staging, len(actions)), dropped=lost[:_MOST_DROPPED], dropped_citations=len(lost)
        )
        return self._tell_staged(scope, staged)

    async def _under_policy(
        self, scope: StepScope, document: model.Artifact
    ) -> tuple[model.Artifact, Sequence[Change]]:
        """The document with the policy's constraints written down, where all of it meets them; else it is told.

        What a change wrote is held to the policy already; what others wrote before is not the change's to take out.
        """
        if self.policy is None:
            return document, ()
        rules = constraint_actions(self.policy, document, (), document.root.node_id, self.run.run_id, must_cite=False)
        applied = apply(document, Proposal(base_hash="", actions=tuple(rules)), Policy(on_conflict="rebase"))
        broken = errors(await asyncio.to_thread(validate, applied.artifact)) if applied.changes else []
        if not broken and not applied.rejections:
            return applied.artifact, applied.changes
        message = f"The document breaks {self.policy.link.name} in {len(broken)} places that this run leaves alone."
        await self.execution.warn(scope, "POLICY_NOT_MET", message, document.root.node_id)
        return document, ()

    async def _head(self, opened: out.Opened) -> tuple[str, model.Artifact]:
        """What the change is put on: its base, or a head that moved since but left the scope alone."""
        key = (self.run.tenant_id, self.run.artifact_id)
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            head_id = (await work.artifacts.get(*key)).head_revision_id
            head = await work.artifacts.document(*key, head_id)
            base = head
            if head_id != opened.base_revision_id:
                base = await work.artifacts.document(*key, opened.base_revision_id)
            await work.commit()
        refuse_conflict(base, head, opened.node_ids)
        return head_id, head

    async def _revision_of(self, revision_id: str) -> Revision:
        async with self._writers.open(self.run.tenant_id) as work:
            return await work.artifacts.revision(self.run.tenant_id, self.run.artifact_id, revision_id)

    async def _told_dropped(
        self, scope: StepScope, base: model.Artifact, document: model.Artifact
    ) -> tuple[out.DroppedCitation, ...]:
        """The citations that the change took out; each node that lost some is told of.

        Everybody in the tenant is shown a run's result: of sources with labels it quotes nothing.
        """
        lost = dropped(base, document)
        labelled = {source.source_id for source in base.sources if source.labels}
        for node_id in dict.fromkeys(item.node_id for item in lost):
            count = sum(item.node_id == node_id for item in lost)
            what = "1 citation is" if count == 1 else f"{count} citations are"
            message = f"{what} no longer in the section {base.node(node_id).title}; see the run's result."
            await self.execution.warn(scope, "CITATIONS_DROPPED", message, node_id)
        return tuple(
            out.DroppedCitation(
                node_id=item.node_id,
                evidence_id=item.evidence.evidence_id,
                source_id=item.evidence.source_id,
                quote="" if item.evidence.source_id in labelled else item.evidence.quote[:_LONGEST_QUOTE],
            )
            for item in lost
        )

    async def _stage(self, staging: Staging) -> None:
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            await work.artifacts.stage(self.run.tenant_id, staging)
            await work.commit()

    def _tell_staged(self, scope: StepScope, staged: out.Staged) -> out.Staged:
        payload = {
            "revision_id": staged.revision_id,
            "ir_hash": staged.ir_hash,
            "applied": staged.applied,
            "rejected": 0,
            "nodes": staged.nodes,
            "blocks": staged.blocks,
        }
        scope.event("pipeline.apply.result", {"apply_result": payload}, self.execution.tools.now())
        scope.summary = f"{staged.nodes} nodes, {staged.blocks} blocks" if staged.changed else "nothing changed"
        return staged

    def _collect(
        self, scope: StepScope, nodes: Sequence[out.PlannedNode]
    ) -> tuple[list[Action], list[tuple[str, writing.SentenceVerdict]]]:
        actions: list[Action] = [
            InsertNode(key=n.key, parent_id=n.parent_id or None, title=n.title, brief=n.brief) for n in nodes if n.key
        ]
        verdicts: list[tuple[str, writing.SentenceVerdict]] = []
        for node in nodes:
            step_id = f"verify:{node.node_id}"
            if step_id in self.execution.checkpoints:
                verified = self.execution.result(step_id, out.NodeVerified, scope)
                actions.extend(verified.actions)
                verdicts.extend((node.node_id, verdict) for verdict in verified.verdicts)
        return actions, verdicts

    def _rules(self, base: model.Artifact, nodes: Sequence[out.PlannedNode], root_id: str) -> list[Action]:
        """What the run and its policy ask of the document stays with it, for later changes too."""
        must_cite = bool(self.settings["runs.must_cite"])
        return constraint_actions(self.policy, base, nodes, root_id, self.run.run_id, must_cite=must_cite)

    def _revision(self, document: model.Artifact, parent_revision_id: str) -> Revision:
        digest = ir_hash(document)
        revision_id = derive("rev", self.run.artifact_id, self.run.run_id, parent_revision_id, digest)
        key = snapshot_key(self.run.tenant_id, self.run.artifact_id, revision_id)
        return Revision(
            tenant_id=self.run.tenant_id,
            artifact_id=self.run.artifact_id,
            revision_id=revision_id,
            parent_revision_id=parent_revision_id,
            status="staged",
            ir_schema_version=document.ir_schema_version,
            ir_hash=digest,
            content_hash=content_hash(document),
            ir_uri=f"lace-artifacts/{key}",
            run_id=self.run.run_id,
            created_by=self.run.requested_by,
            created_at=self.execution.tools.now(),
        )

    async def validate(self, scope: StepScope) -> out.Committed:
        """Check the staged revision against its sources, commit it, and move the head."""
        staged = self.execution.result("apply", out.Staged, scope)
        document = await self._document(staged.revision_id)
        cited = sorted({e.source_id for node in document.nodes for e in node.evidence})
        scope.lineage.read(source for source in document.sources if source.source_id in cited)
        # A section that stays may cite a source as it was read before: its quotes are exact in those units.
        read_as = {(e.source_id, e.extraction) for node in document.nodes for e in node.evidence}
        units = await self._writers.sources.unit_texts(read_as)
        findings = await asyncio.to_thread(validate, document, units, int(self.settings["runs.max_nodes"]))
        payload = {
            "stage": "document",
            "node_id": "",
            "supported": 0,
            "partially": 0,
            "contradicted": 0,
            "unsupported": 0,
        }
        await tell_findings(self.execution, scope, payload, [f.told() for f in findings])
        if broken := await self._broken(findings):
            scope.lineage.validation = "failed"
            raise LaceError(
                Reason.IR_INVALID,
                f"The document breaks {len(broken)} rules: {broken[0].message}",
                details=[Detail(f.pointer, f"{f.code}: {f.message}") for f in broken[:50]],
            )
        if staged.changed:
            waiting = await self._commit(staged.revision_id, document)
        else:
            waiting = await self._let_go(document)
        snapshot = await self.snapshot(staged.revision_id)
        scope.lineage.made(revision_entity(staged.revision_id, snapshot.sha256, snapshot.uri))
        scope.lineage.validation = "passed"
        parts = [p for node in document.nodes for block in node.blocks for p in model.cited_parts(block)]
        scope.summary = f"{len(parts)} sentences, {len(cited)} sources"
        return out.Committed(
            artifact_id=self.run.artifact_id,
            revision_id=staged.revision_id,
            ir_hash=staged.ir_hash,
            content_hash=staged.content_hash,
            sentences=len(parts),
            cited_sentences=sum(1 for p in parts if p.evidence_ids),
            cited_sources=len(cited),
            dropped=staged.dropped,
            dropped_citations=staged.dropped_citations,
            review_items=waiting,
        )

    async def _broken(self, findings: list[Finding]) -> list[Finding]:
        """What forbids the commit; words that stood before in a place that the run left alone do not."""
        broken = errors(findings)
        if not any(finding.code in RULES for finding in broken):
            return broken
        return await asyncio.to_thread(unless_stood, broken, (await self._start(),))

    async def _commit(self, revision_id: str, document: model.Artifact) -> int:
        key = (self.run.tenant_id, self.run.artifact_id)
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            await work.artifacts.mark_validated(*key, revision_id)
            await work.artifacts.commit(*key, revision_id, document.title, self.run.run_id, self.run.epoch)
            waiting = await self._keep_undecided(work, document)
            await work.artifacts.unlock(*key, self.run.run_id, self.run.epoch)
            await work.commit()
        return waiting

    async def _let_go(self, document: model.Artifact) -> int:
        key = (self.run.tenant_id, self.run.artifact_id)
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            waiting = await self._keep_undecided(work, document)
            await work.artifacts.unlock(*key, self.run.run_id, self.run.epoch)
            await work.commit()
        return waiting

    async def _keep_undecided(self, work: UnitOfWork, document: model.Artifact) -> int:
        """What the run could not decide goes to review, in the transaction that commits what it could."""
        steps = [step_id for step_id in self.execution.checkpoints if step_id.startswith("verify:")]
        if not steps:
            return 0
        verified = {step_id.partition(":")[2]: self.execution.result(step_id, out.NodeVerified) for step_id in steps}
        selected = self.execution.result("sources", out.Selected)
        origin = Origin(
            tenant_id=self.run.tenant_id,
            artifact_id=self.run.artifact_id,
            run_id=self.run.run_id,
            principal_id=self.run.requested_by,
            at=self.execution.tools.now(),
            titles={node.node_id: node.title for node in document.nodes},
            sources={source.source_id: source for source in (*document.sources, *selected.sources)},
        )
        undecided = [item for result in verified.values() for item in result.withheld]
        anew = list(verified) if self.execution.pipeline.writer in _ANEW else []
        return await reviews.keep(work, undecided, origin, anew)

    async def snapshot(self, revision_id: str) -> Snapshot:
        """The committed revision's snapshot, for those who compile it."""
        key = (self.run.tenant_id, self.run.artifact_id)
        async with self._writers.open(self.run.tenant_id) as work:
            stored = await work.artifacts.stored(*key, revision_id)
        return await keep_snapshot(self.execution, self.run.artifact_id, revision_id, stored)


def refuse(applied: Applied, count: int) -> None:
    """Raises LaceError PROPOSAL_REJECTED where something of a proposal of so many actions was refused."""
    if applied.rejections:
        raise LaceError(
            Reason.PROPOSAL_REJECTED,
            f"{len(applied.rejections)} of {count} actions do not fit: {applied.rejections[0].message}",
            details=[Detail(r.pointer, f"{r.code}: {r.message}") for r in applied.rejections[:50]],
        )


def staged_of(staging: Staging, applied: int) -> out.Staged:
    """What was staged, in figures."""
    document, revision = staging.document, staging.revision
    return out.Staged(
        revision_id=revision.revision_id,
        ir_hash=revision.ir_hash,
        content_hash=revision.content_hash,
        nodes=len(document.nodes),
        blocks=sum(len(node.blocks) for node in document.nodes),
        applied=applied,
    )


def _unchanged(base: model.Artifact, revision: Revision) -> out.Staged:
    """The head stays; its hashes are those that it was stored with, whatever schema version that was."""
    return out.Staged(
        revision_id=revision.revision_id,
        ir_hash=revision.ir_hash,
        content_hash=revision.content_hash,
        nodes=len(base.nodes),
        blocks=sum(len(node.blocks) for node in base.nodes),
        applied=0,
        changed=False,
    )
