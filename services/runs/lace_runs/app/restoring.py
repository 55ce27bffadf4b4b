"""The pipeline rollback: an earlier revision comes back as a new one, whose parent is the head."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from lace_core.canonical import sha256_hex
from lace_core.diff import changes, diff
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import IR_SCHEMA_VERSION, Artifact, cited_parts
from lace_core.migrations.stored import Stored
from lace_core.policies.holding import RULES
from lace_core.validate import errors, validate
from lace_runs.app.compiling import Snapshot, compile_targets, keep_snapshot
from lace_runs.app.execution import Execution
from lace_runs.app.ports import OpenUnitOfWork
from lace_runs.app.provenance import revision_entity
from lace_runs.app.rollback import Asked, plan
from lace_runs.app.source_ports import Sources
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out
from lace_runs.domain.artifacts import Revision, snapshot_key


class RollbackRun:
    """One revision on its way back. Node versions are shared, so the new revision costs its row, not its text."""

    def __init__(self, execution: Execution, open_work: OpenUnitOfWork, sources: Sources) -> None:
        self.execution = execution
        self.run = execution.run
        self._key = (execution.run.tenant_id, execution.run.artifact_id)
        self._open = open_work
        self._sources = sources

    async def rollback(self) -> out.Committed:
        """Find the revision, stage it anew, commit, compile; where the head has its content, nothing is made."""
        targets = list(self.run.request.targets or self.run.settings["compile.targets"])
        self.execution.set_total(3 + len(targets))
        recalled = await self.execution.step("recall", self._recall)
        assert isinstance(recalled, out.Recalled)
        if recalled.base_hash == recalled.ir_hash:
            self.execution.set_total(1)
            committed = await self._committed(await self._document(recalled.base_revision_id), recalled)
            self.execution.finish = lambda: _result(committed)
            return committed
        await self.execution.step("restore", self._restore)
        done = await self.execution.step("validate", self._validate)
        assert isinstance(done, out.Committed)
        await compile_targets(self.execution, done, targets, self._snapshot, self._open)
        return done

    async def _recall(self, scope: StepScope) -> out.Recalled:
        """Take the right to write the artifact, and make sure that it is about the head that was asked for."""
        asked = self.run.request
        async with self._open(self.run.tenant_id) as work:
            await work.artifacts.hold(*self._key, self.run.run_id, self.run.epoch)
            wanted = Asked(self.run.artifact_id, asked.revision_id, head_revision_id=asked.head_revision_id)
            found = await plan(work, self.run.tenant_id, wanted)
            await work.commit()
        scope.summary = f"{found.target.revision_id} in place of {found.head.revision_id}"
        return out.Recalled(
            base_revision_id=found.head.revision_id,
            base_hash=found.head.ir_hash,
            revision_id=found.target.revision_id,
            ir_hash=found.target.ir_hash,
            content_hash=found.target.content_hash,
        )

    async def _restore(self, scope: StepScope) -> out.Staged:
        """Stage the revision once more, with what changes from the head to it, and its sentences' verdicts."""
        recalled = self.execution.result("recall", out.Recalled, scope)
        before = await self._head(scope, recalled.base_revision_id)
        stored = await self._stored(recalled.revision_id)
        document = stored.artifact
        made = changes(await asyncio.to_thread(diff, before, document), f"{self.run.run_id}/rollback")
        revision = self._revision(recalled)
        async with self._open(self.run.tenant_id) as work:
            await work.artifacts.hold(*self._key, self.run.run_id, self.run.epoch)
            await work.artifacts.stage_again(self.run.tenant_id, revision, recalled.revision_id, made)
            await work.commit()
        scope.lineage.used(self._entity(recalled.revision_id, stored))
        scope.lineage.rests_on(document.sources)
        blocks = sum(len(node.blocks) for node in document.nodes)
        size = {"applied": len(made), "nodes": len(document.nodes), "blocks": blocks}
        payload = {"revision_id": revision.revision_id, "ir_hash": revision.ir_hash, "rejected": 0, **size}
        scope.event("pipeline.apply.result", {"apply_result": payload}, self.execution.tools.now())
        scope.summary = f"{len(made)} changes"
        return out.Staged(
            revision_id=revision.revision_id,
            ir_hash=revision.ir_hash,
            content_hash=revision.content_hash,
            nodes=len(document.nodes),
            blocks=blocks,
            applied=len(made),
        )

    async def _validate(self, scope: StepScope) -> out.Committed:
        """Check what was staged, commit it, and move the head; sources that changed since are told of."""
        recalled = self.execution.result("recall", out.Recalled)
        staged = self.execution.result("restore", out.Staged, scope)
        stored = await self._stored(staged.revision_id)
        document = stored.artifact
        # What was committed with more nodes than are allowed now may come back.
        most = max(int(self.run.settings["runs.max_nodes"]), len(document.nodes))
        findings = await asyncio.to_thread(validate, document, None, most)
        told = {"stage": "document", "node_id": "", "findings": [f.told() for f in findings]}
        scope.event("pipeline.validation.result", {"validation_result": told}, self.execution.tools.now())
        # What comes back stood; words that were forbidden since are the next change's to take out.
        if broken := [finding for finding in errors(findings) if finding.code not in RULES]:
            details = [Detail(f.pointer, f"{f.code}: {f.message}") for f in broken[:50]]
            raise LaceError(Reason.IR_INVALID, f"The revision breaks a rule: {broken[0].message}", details=details)
        await self._tell_of_changed_sources(scope, document)
        async with self._open(self.run.tenant_id) as work:
            await work.artifacts.hold(*self._key, self.run.run_id, self.run.epoch)
            await work.artifacts.mark_validated(*self._key, staged.revision_id)
            await work.artifacts.commit(*self._key, staged.revision_id, document.title, self.run.run_id, self.run.epoch)
            await work.artifacts.unlock(*self._key, self.run.run_id, self.run.epoch)
            await work.commit()
        snapshot = await keep_snapshot(self.execution, self.run.artifact_id, staged.revision_id, stored)
        scope.lineage.made(revision_entity(staged.revision_id, snapshot.sha256, snapshot.uri))
        scope.lineage.validation = "passed"
        scope.summary = f"{staged.revision_id} is the head"
        return await self._committed(document, recalled, staged.revision_id)

    async def _tell_of_changed_sources(self, scope: StepScope, document: Artifact) -> None:
        """The document keeps its quotes; who reads them should know where the source does not say them any more."""
        quotes = [evidence for node in document.nodes for evidence in node.evidence]
        for source in document.sources:
            cited = [evidence for evidence in quotes if evidence.source_id == source.source_id]
            try:
                units = await self._sources.unit_texts((e.source_id, e.extraction) for e in cited) if cited else {}
            except LaceError as error:
                if error.retryable:
                    raise
                units = {}
            lost = sum(units.get(e.unit_id, "")[e.start : e.end] != e.quote for e in cited)
            if lost:
                message = f"{lost} quotes of {source.filename} do not stand in it any more; the document keeps them."
                await self.execution.warn(scope, "SOURCE_CHANGED", message, source.source_id)

    async def _committed(self, document: Artifact, recalled: out.Recalled, revision_id: str = "") -> out.Committed:
        parts = [part for node in document.nodes for block in node.blocks for part in cited_parts(block)]
        return out.Committed(
            artifact_id=self.run.artifact_id,
            revision_id=revision_id or recalled.base_revision_id,
            ir_hash=recalled.ir_hash,
            content_hash=recalled.content_hash,
            sentences=len(parts),
            cited_sentences=sum(1 for part in parts if part.evidence_ids),
            cited_sources=len({e.source_id for node in document.nodes for e in node.evidence}),
        )

    def _revision(self, recalled: out.Recalled) -> Revision:
        base, digest = recalled.base_revision_id, recalled.ir_hash
        revision_id = derive("rev", self.run.artifact_id, self.run.run_id, base, digest)
        return Revision(
            tenant_id=self.run.tenant_id,
            artifact_id=self.run.artifact_id,
            revision_id=revision_id,
            parent_revision_id=base,
            status="staged",
            ir_schema_version=IR_SCHEMA_VERSION,  # what is brought back keeps its own
            ir_hash=digest,
            content_hash=recalled.content_hash,
            ir_uri=f"lace-artifacts/{snapshot_key(*self._key, revision_id)}",
            run_id=self.run.run_id,
            created_by=self.run.requested_by,
            created_at=self.execution.tools.now(),
        )

    def _entity(self, revision_id: str, stored: Stored) -> dict[str, str]:
        uri = f"lace-artifacts/{snapshot_key(*self._key, revision_id)}"
        return revision_entity(revision_id, sha256_hex(stored.data()), uri)

    async def _head(self, scope: StepScope, revision_id: str) -> Artifact:
        """The head; one that is damaged is no reason not to go back to what is whole."""
        try:
            return await self._document(revision_id)
        except LaceError as error:
            if error.reason is not Reason.IR_CORRUPT:
                raise
            message = f"{error.message} What changes is told as if it had been empty."
            await self.execution.warn(scope, error.reason.value, message, revision_id)
            return Artifact(artifact_id=self.run.artifact_id, title="")

    async def _document(self, revision_id: str) -> Artifact:
        return (await self._stored(revision_id)).artifact

    async def _stored(self, revision_id: str) -> Stored:
        async with self._open(self.run.tenant_id) as work:
            return await work.artifacts.stored(*self._key, revision_id)

    async def _snapshot(self, revision_id: str) -> Snapshot:
        stored = await self._stored(revision_id)
        return await keep_snapshot(self.execution, self.run.artifact_id, revision_id, stored)


async def _result(committed: out.Committed) -> Mapping[str, Any]:
    return {**to_builtins(committed), "compiled": []}
