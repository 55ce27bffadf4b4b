"""Working on sections that are written: anew, with more, with further evidence, or as instructions say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from lace_core import actions as act
from lace_core import contracts, planning, reviewing, revising, writing
from lace_core import ir as model
from lace_core.errors import Detail, LaceError, Reason
from lace_core.policies.keeping_out import allowed_edits
from lace_core.scope import Scope, Way, apply_within
from lace_runs.app.documents.asking import enrich_input, more_input, node_in, patch_input
from lace_runs.app.documents.verifying import Verifying
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

WAYS: Mapping[str, Way] = {
    "rewrite": Way.REGENERATE,
    "extend": Way.EXPAND,
    "enrich": Way.ENRICH,
    "amend": Way.PATCH,
}

Grounds = tuple[planning.Grounds, ...]


class Revising(Verifying):
    """The steps rewrite, extend, enrich and amend, and verify behind them."""

    _base: model.Artifact | None = None

    async def write(self, scope: StepScope, node: out.PlannedNode, grounds: Grounds) -> out.NodeWritten:
        """Have a section written anew (rewrite), or what is to be added to it (extend)."""
        self._rests_on(scope, node, grounds)
        if not grounds:
            scope.summary = "no facts"
            return out.NodeWritten(written=contracts.Written(blocks=(), summary=""), call_id="")
        base = await self._base_document()
        rules = await self._rules_for(node)
        asked = more_input(
            self.run,
            base,
            node,
            grounds,
            rules,
            audience=self._audience(scope),
            words=self._words_for(node),
            anew=scope.step.name == "rewrite",
        )
        written = await self._ask(scope, *self._ruled(contracts.WRITE_MORE, asked, rules), contracts.Written)
        self._refuse_strangers(node, written.blocks, grounds)
        scope.summary = f"{len(written.blocks)} blocks"
        return out.NodeWritten(written=written, call_id=scope.lineage.calls[-1]["call_id"])

    async def enrich(self, scope: StepScope, node: out.PlannedNode, grounds: Grounds) -> out.NodeRevised:
        """Have further evidence found for what the section says, and what newer sources add to it."""
        self._rests_on(scope, node, grounds)
        base = await self._base_document()
        there = base.node(node.node_id)
        if not grounds:
            scope.summary = "no facts"
            return out.NodeRevised(call_id="", enriched=contracts.Enriched(citations=(), blocks=()))
        rules = await self._rules_for(node)
        asked = enrich_input(base, node, grounds, rules, self._words_for(node))
        enriched = await self._ask(scope, *self._ruled(contracts.ENRICH, asked, rules), contracts.Enriched)
        _refuse_outside(node, revising.strange_citations(enriched, there))
        allowed = set(asked.new_fact_ids)
        self._refuse_strangers(node, enriched.blocks, [g for g in grounds if g.fact.fact_id in allowed])
        scope.summary = f"{len(enriched.citations)} sentences with further evidence, {len(enriched.blocks)} blocks"
        return out.NodeRevised(call_id=scope.lineage.calls[-1]["call_id"], enriched=enriched)

    async def amend(self, scope: StepScope, node: out.PlannedNode, grounds: Grounds) -> out.NodeRevised:
        """Have the section changed as the instructions say."""
        self._rests_on(scope, node, grounds)
        base = await self._base_document()
        there = base.node(node.node_id)
        rules = await self._rules_for(node)
        asked = self._ruled(contracts.PATCH, patch_input(self.run, base, node, grounds, rules), rules)
        patched = await self._ask(scope, *asked, contracts.Patched)
        _refuse_outside(node, revising.strange_edits(patched, there))
        self._refuse_strangers(node, revising.edited_blocks(patched), grounds)
        scope.summary = f"{len(patched.edits)} edits"
        return out.NodeRevised(call_id=scope.lineage.calls[-1]["call_id"], patched=patched)

    async def verify(self, scope: StepScope, node: out.PlannedNode, grounds: Grounds) -> out.NodeVerified:
        """Hold what was proposed against its quotes; the actions are what stands of it."""
        writer = self.execution.pipeline.writer
        self._rests_on(scope, node, grounds)
        known = {g.fact.fact_id: g for g in grounds}
        key = f"{self.run.run_id}/{node.node_id}"
        there = node_in(await self._base_document(), node.node_id)
        if writer in ("rewrite", "extend"):
            written = self.execution.result(f"{writer}:{node.node_id}", out.NodeWritten, scope).written
            written = await self._allowed(scope, node, written, known)
            verdicts = await self.judged(scope, node, written, known)
            made = await self._held(scope, node, writing.actions_of(written, verdicts, known, node.node_id, key))
            actions = made if there is None else _put(writer, there, made, key)
            undecided = self._undecided(node, written.blocks, verdicts, known, key)
            return out.NodeVerified(verdicts=tuple(verdicts), actions=tuple(actions), withheld=undecided)
        revised = self.execution.result(f"{writer}:{node.node_id}", out.NodeRevised, scope)
        assert there is not None
        if revised.enriched is not None:
            return await self._enriched(scope, node, there, revised.enriched, known, key)
        assert revised.patched is not None
        return await self._patched(scope, node, there, revised.patched, known, key)

    async def _enriched(
        self,
        scope: StepScope,
        node: out.PlannedNode,
        there: model.Node,
        enriched: contracts.Enriched,
        known: Mapping[str, planning.Grounds],
        key: str,
    ) -> out.NodeVerified:
        offered = await asyncio.to_thread(revising.offered_citations, enriched, there, known)
        offered = await self.lowered(scope, offered, known)
        further = revising.further_evidence(offered, there, known)
        refused = sum(not verdict.stands for verdict in offered)
        if refused:
            message = f"{refused} further citations of {node.title} do not state their sentence and were left out."
            await self.execution.warn(scope, "CITATIONS_KEPT_OUT", message, node.node_id)
        actions = revising.enriched_actions(there, further, key)
        verdicts: Sequence[writing.SentenceVerdict] = ()
        written = await self._allowed(scope, node, contracts.Written(blocks=enriched.blocks, summary=""), known)
        if written.blocks:
            verdicts = await self.judged(scope, node, written, known)
            added = revising.added_blocks(written.blocks, verdicts, known, node.node_id, key)
            actions += await self._held(scope, node, added)
        else:
            scope.lineage.validation = "passed"
        scope.summary = f"{sum(map(len, further.values()))} further citations"
        undecided = self._undecided(node, written.blocks, verdicts, known, key)
        return out.NodeVerified(verdicts=tuple(verdicts), actions=tuple(actions), withheld=undecided)

    async def _patched(
        self,
        scope: StepScope,
        node: out.PlannedNode,
        there: model.Node,
        patched: contracts.Patched,
        known: Mapping[str, planning.Grounds],
        key: str,
    ) -> out.NodeVerified:
        patched, phrases = allowed_edits(patched, known, await self._rules_for(node))
        await self._tell_blocks(scope, node, phrases)
        written = contracts.Written(blocks=revising.edited_blocks(patched), summary="")
        verdicts = await self.judged(scope, node, written, known)
        actions, refused = revising.patched_actions(patched, verdicts, known, there, key)
        actions = await self._held(scope, node, actions)
        if refused:
            message = f"{refused} blocks of {node.title} stay as they were: what was to replace them is not supported."
            await self.execution.warn(scope, "EDITS_KEPT_OUT", message, node.node_id)
        base = await self._base_document()
        after = apply_within(base, actions, Scope(Way.PATCH, frozenset({node.node_id}))).artifact.node(node.node_id)
        quotes = [evidence.quote for evidence in after.evidence]
        if actions and not revising.held_summary(there.summary, quotes):
            # It is shown like a sentence, and what it rested on is gone.
            actions.append(act.SetSummary(key=f"{key}/summary", node_id=node.node_id, summary=""))
        scope.summary = f"{len(actions)} actions"
        places = reviewing.places_of_edits(self.run.artifact_id, node.node_id, patched, key)
        undecided = reviewing.withheld(written.blocks, places, verdicts, known)
        return out.NodeVerified(verdicts=tuple(verdicts), actions=tuple(actions), withheld=undecided)

    def _undecided(
        self,
        node: out.PlannedNode,
        blocks: Sequence[contracts.WrittenBlock],
        verdicts: Sequence[writing.SentenceVerdict],
        known: Mapping[str, planning.Grounds],
        key: str,
    ) -> tuple[reviewing.Withheld, ...]:
        places = reviewing.places_of_blocks(self.run.artifact_id, node.node_id, blocks, key)
        return reviewing.withheld(blocks, places, verdicts, known)

    async def _base_document(self) -> model.Artifact:
        if self._base is None:
            opened = self.execution.result("open", out.Opened)
            self._base = await self._document(opened.base_revision_id)
        return self._base

    def _refuse_strangers(
        self, node: out.PlannedNode, blocks: Sequence[contracts.WrittenBlock], grounds: Sequence[planning.Grounds]
    ) -> None:
        known = {g.fact.fact_id: g for g in grounds}
        found = writing.unknown_facts(contracts.Written(blocks=tuple(blocks), summary=""), known)
        if found:
            raise LaceError(
                Reason.PROVIDER_OUTPUT_INVALID,
                f"The section {node.title} cites facts that it was not given, at {found[0][0]}: {found[0][1]}.",
                details=[Detail(pointer, f"FACT_NOT_ALLOWED: {fact_id}") for pointer, fact_id in found],
                retryable=True,
            )


def _refuse_outside(node: out.PlannedNode, found: Sequence[Detail]) -> None:
    if found:
        raise LaceError(
            Reason.PROPOSAL_REJECTED,
            f"What was proposed for {node.title} reaches beyond it: {found[0].description}",
            details=found[:50],
        )


def _put(writer: str, there: model.Node, made: Sequence[act.Action], key: str) -> list[act.Action]:
    return revising.rewritten(there, made, key) if writer == "rewrite" else revising.extended(there, made)
