"""From a title and sources to the sections of a document."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lace_core import contracts
from lace_core import ir as model
from lace_core.errors import Detail, LaceError, Reason
from lace_core.merkle import ir_hash
from lace_core.policies.ruling import forbidden_in
from lace_runs.app.documents.fitting import fitted_outlines
from lace_runs.app.documents.work import StepWork
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out


class Planning(StepWork):
    """The steps load, resolve, intent, sources and outline."""

    async def load(self, scope: StepScope) -> out.Loaded:
        """Take the right to write the artifact, and see what is there."""
        async with self._writers.open(self.run.tenant_id) as work:
            await self._hold(work)
            record = await work.artifacts.get(self.run.tenant_id, self.run.artifact_id)
            document = await work.artifacts.document(self.run.tenant_id, self.run.artifact_id, record.head_revision_id)
            await work.commit()
        if any(node.blocks for node in document.nodes):
            raise LaceError(
                Reason.ARTIFACT_NOT_EMPTY,
                f"{self.run.artifact_id} is written already; {self.run.pipeline_id} takes a new or outlined one.",
            )
        scope.summary = "outlined document" if document.nodes else "new document"
        return out.Loaded(
            base_revision_id=record.head_revision_id,
            base_hash=ir_hash(document) if document.nodes else "",
            has_outline=bool(document.nodes),
        )

    async def resolve(self, scope: StepScope) -> out.Resolved:
        """Record what the pinned settings come to."""
        scope.summary = f"provider {self.settings['llm.provider']}"
        return out.Resolved(
            settings_hash=self.run.settings_hash,
            must_cite=bool(self.settings["runs.must_cite"]),
            judge=bool(self.settings["runs.judge"]),
            provider=str(self.settings["llm.provider"]),
        )

    async def intent(self, scope: StepScope) -> contracts.Intent:
        """What the document is to do."""
        ready = await self._ready_sources()
        scope.lineage.read(info.source for info in ready)
        asked = contracts.IntentInput(
            title=self.run.request.title,
            instructions=self.run.request.instructions,
            language=self.run.request.language,
            sources=(),
        )
        outlines = [info.outline for info in ready if info.outline is not None]
        fitting = await fitted_outlines(self._writers.models, self.settings, contracts.INTENT, asked, outlines)
        asked = msgspec.structs.replace(asked, sources=fitting)
        intent = await self._ask(scope, contracts.INTENT, asked, contracts.Intent)
        scope.summary = intent.purpose
        return intent

    async def sources(self, scope: StepScope) -> out.Selected:
        """The sources that can be used; what could not be read is said, and does not stop the rest."""
        ready = await self._ready_sources()
        found = {info.source.source_id for info in ready}
        for source_id in self.run.request.source_ids:
            if source_id not in found:
                info = await self._writers.sources.get(source_id)
                why = info.error_message or "It is not read yet."
                code = info.error_code or Reason.SOURCE_NOT_READY.value
                await self.execution.warn(scope, code, f"{info.source.filename} was left out: {why}", source_id)
        if len(ready) < int(self.settings["ingest.min_ready_sources"]):
            raise LaceError(Reason.NO_USABLE_SOURCES, "There are no readable sources; ingest some first.")
        scope.lineage.read(info.source for info in ready)
        scope.summary = f"{len(ready)} sources"
        return out.Selected(
            sources=tuple(info.source for info in ready),
            outlines=tuple(info.outline for info in ready if info.outline is not None),
        )

    async def plan(self, scope: StepScope) -> out.Planned:
        """The sections: those that the artifact has, or as many as the model finds."""
        loaded = self.execution.result("load", out.Loaded, scope)
        intent = self.execution.result("intent", contracts.Intent, scope)
        selected = self.execution.result("sources", out.Selected, scope)
        scope.lineage.rests_on(selected.sources)
        if loaded.has_outline:
            planned = self._planned_of(await self._document(loaded.base_revision_id), intent)
            await self._refuse_headings((planned.root, *planned.sections))
            scope.summary = f"{len(planned.sections)} sections as they were outlined"
            return planned
        asked = contracts.OutlineInput(
            title=self.run.request.title,
            instructions=self.run.request.instructions,
            language=self.run.request.language,
            intent=intent,
            sources=(),
            max_sections=int(self.settings["runs.max_sections"]),
            target_words=int(self.settings["runs.target_words"]),
        )
        fitting = await fitted_outlines(
            self._writers.models, self.settings, contracts.OUTLINE, asked, selected.outlines
        )
        asked = msgspec.structs.replace(asked, sources=fitting)
        outline = await self._ask(scope, *self._ruled(contracts.OUTLINE, asked), contracts.Outline)
        if not outline.sections:
            raise LaceError(Reason.NO_EVIDENCE, "The sources hold nothing to make sections of.")
        planned = self._new_plan(outline, intent)
        kept = [await self.headed(scope, section) for section in planned.sections]
        sections = tuple(section for section in kept if section is not None)
        if not sections:
            raise LaceError(Reason.NO_EVIDENCE, "No section is left whose heading the rules allow.")
        scope.summary = f"{len(sections)} sections"
        return msgspec.structs.replace(planned, sections=sections)

    async def _refuse_headings(self, nodes: Sequence[out.PlannedNode]) -> None:
        """Raises LaceError POLICY_FORBIDS for headings that are there and hold a forbidden phrase, before any work."""
        details = [
            Detail(f"/nodes/{node.node_id}/title", f"PHRASE_FORBIDDEN: “{node.title}”: {phrase!r} may not occur.")
            for node in nodes
            if (phrase := forbidden_in(node.title, await self._rules_for(node)))
        ]
        if details:
            message = f"{len(details)} headings hold a forbidden phrase; rename them. {details[0].description}"
            raise LaceError(Reason.POLICY_FORBIDS, message, details=details)

    def _new_plan(self, outline: contracts.Outline, intent: contracts.Intent) -> out.Planned:
        key = f"{self.run.run_id}/root"
        root = self._planned_node(key, "", self.run.request.title, intent.purpose, intent.questions, (), 0)
        sections = outline.sections[: int(self.settings["runs.max_sections"])]
        return out.Planned(
            root=root,
            sections=tuple(
                self._planned_node(
                    f"{self.run.run_id}/section/{i}", root.node_id, s.title, s.brief, s.queries, (root.title,), 1
                )
                for i, s in enumerate(sections)
            ),
        )

    def _planned_of(self, document: model.Artifact, intent: contracts.Intent) -> out.Planned:
        root = document.root
        found = [
            out.PlannedNode(
                node_id=node.node_id,
                parent_id=node.parent_id or "",
                key="",
                title=node.title,
                brief=node.brief,
                queries=(f"{node.title}. {node.brief}",),
                path=(root.title,) if depth else (),
                depth=depth,
            )
            for depth, node in document.walk()
        ]
        return out.Planned(root=msgspec.structs.replace(found[0], queries=intent.questions), sections=tuple(found[1:]))
