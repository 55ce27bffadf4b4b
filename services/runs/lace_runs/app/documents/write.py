"""From sections to verified text: evidence, strategy, the model's text, its verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lace_core import contracts, planning, reviewing, writing
from lace_core import ir as model
from lace_core.errors import Detail, LaceError, Reason
from lace_runs.app.documents.allowing import Allowing
from lace_runs.app.documents.fitting import Draft, fitted
from lace_runs.app.documents.verifying import Verifying
from lace_runs.app.documents.work import section_of
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

_LEAST_FACTS_TO_SPLIT = 10
_MOST_CHILDREN = 6


class Writing(Verifying, Allowing):
    """The steps context, strategy, llm and verify."""

    async def context(self, scope: StepScope) -> out.Context:
        """Search for every section at once; each unit goes to the section that it fits best."""
        planned = self.execution.result("outline", out.Planned, scope)
        selected = self.execution.result("sources", out.Selected, scope)
        queries = [
            (node.node_id, query)
            for node in planned.sections
            for query in (f"{node.title} {node.brief}", *node.queries)
            if query.strip()
        ]
        source_ids = [source.source_id for source in selected.sources]
        limit = int(self.settings["retrieval.units_per_query"])
        self.execution.progress(scope, 0, len(queries), "Searching the sources.")
        results, units = await self._writers.sources.search(queries, source_ids, limit, self.settings)
        hits: dict[str, list[Sequence[planning.Hit]]] = {node.node_id: [] for node in planned.sections}
        for (node_id, _), found in zip(queries, results, strict=True):
            hits[node_id].append(found)
        chosen = planning.assign(hits, units, int(self.settings["runs.facts_per_node"]))
        searched: list[tuple[out.PlannedNode, tuple[planning.Grounds, ...]]] = []
        first = 1
        for node in planned.sections:
            searched.append((node, tuple(planning.grounds_of(chosen[node.node_id], first))))
            first += len(searched[-1][1])
        allowed = await self.only_allowed(scope, searched)
        drafts: list[Draft] = []
        for node, grounds in zip(planned.sections, allowed, strict=True):
            drafts.append(Draft(node, grounds, await self._asked_of(scope, node, planned)))
            if not grounds:
                await self.execution.warn(
                    scope, Reason.NO_EVIDENCE.value, f"Nothing was found for the section {node.title}.", node.node_id
                )
        if not any(allowed):
            raise LaceError(Reason.NO_EVIDENCE, "The sources hold nothing about this title.")
        best = await self.best_allowed(planned.root, {draft.node.node_id: draft.grounds for draft in drafts})
        drafts.append(Draft(planned.root, best, await self._asked_of(scope, planned.root, planned)))
        nodes = await fitted(self.execution, self._writers.models, scope, drafts)
        used = {piece.source_id for node in nodes for ground in node.grounds for piece in ground.pieces}
        scope.lineage.read(source for source in selected.sources if source.source_id in used)
        scope.summary = f"{sum(map(len, allowed))} facts out of {len(units)} units"
        return out.Context(nodes=tuple(nodes))

    async def _asked_of(
        self, scope: StepScope, node: out.PlannedNode, planned: out.Planned
    ) -> tuple[tuple[contracts.Contract, Struct], ...]:
        """All that a node's facts will be told with: writing it, and where it may be split, deciding on that."""
        if self.execution.pipeline.writer != "llm":
            return ()
        siblings = tuple(other.title for other in planned.sections if other.node_id != node.node_id)
        rules = await self._rules_for(node)
        write = self._ruled(contracts.WRITE, self._write_input(scope, node, (), siblings, rules), rules)
        if node.depth == 0 or "strategy" not in self.execution.pipeline.names:
            return (write,)
        return (write, (contracts.STRATEGY, self._strategy_input(node, (), _MOST_CHILDREN)))

    async def strategy(
        self, scope: StepScope, node: out.PlannedNode, grounds: Sequence[planning.Grounds], room: int
    ) -> out.NodeStrategy:
        """Split the node or write it in full."""
        self._rests_on(scope, node, grounds)
        may_split = node.depth < int(self.settings["runs.max_depth"]) and len(grounds) >= _LEAST_FACTS_TO_SPLIT
        most = min(_MOST_CHILDREN, room) if may_split else 0
        if most >= 2 and (await self._rules_for(node)).no_split:
            message = f"The section {node.title} was not split: its constraint no_split forbids it."
            await self.execution.warn(scope, "SPLIT_SUPPRESSED", message, node.node_id)
            most = 0
        ids = tuple(g.fact.fact_id for g in grounds)
        if most < 2:
            decided = contracts.Strategy(decision="write", reason="too few facts, or no room, to split", children=())
        else:
            asked = self._strategy_input(node, grounds, most)
            decided = await self._ask(scope, contracts.STRATEGY, asked, contracts.Strategy)
        children, child_facts = await self._children(scope, node, decided, set(ids), most)
        taken = {fact_id for facts in child_facts for fact_id in facts}
        scope.summary = f"split into {len(children)}" if children else "write"
        return out.NodeStrategy(
            strategy=decided,
            kept=tuple(fact_id for fact_id in ids if fact_id not in taken),
            children=tuple(children),
            child_facts=tuple(child_facts),
        )

    async def _children(
        self, scope: StepScope, node: out.PlannedNode, decided: contracts.Strategy, allowed: set[str], most: int
    ) -> tuple[list[out.PlannedNode], list[tuple[str, ...]]]:
        """The children that are to be: at least two, each with facts of its own, each fact once."""
        if decided.decision != "split":
            return [], []
        children: list[out.PlannedNode] = []
        child_facts: list[tuple[str, ...]] = []
        left = set(allowed)
        for index, child in enumerate(decided.children):
            facts = tuple(dict.fromkeys(f for f in child.fact_ids if f in left))
            if not facts or not child.title.strip():
                continue
            key = f"{self.run.run_id}/{node.node_id}/child/{index}"
            path = (*node.path, node.title)
            planned = self._planned_node(key, node.node_id, child.title, child.brief, (), path, node.depth + 1)
            headed = await self.headed(scope, planned)
            if headed is not None:
                left.difference_update(facts)
                children.append(headed)
                child_facts.append(facts)
        return (children, child_facts) if 2 <= len(children) <= most else ([], [])

    async def write(
        self, scope: StepScope, node: out.PlannedNode, grounds: tuple[planning.Grounds, ...], siblings: tuple[str, ...]
    ) -> out.NodeWritten:
        """Have the section written; an answer that uses a fact it was not given is refused and asked for again."""
        self._rests_on(scope, node, grounds)
        if not grounds:
            scope.summary = "no facts"
            return out.NodeWritten(written=contracts.Written(blocks=(), summary=""), call_id="")
        rules = await self._rules_for(node)
        asked = self._ruled(contracts.WRITE, self._write_input(scope, node, grounds, siblings, rules), rules)
        written = await self._ask(scope, *asked, contracts.Written)
        strangers = writing.unknown_facts(written, {g.fact.fact_id: g for g in grounds})
        if strangers:
            raise LaceError(
                Reason.PROVIDER_OUTPUT_INVALID,
                f"The section {node.title} cites facts that it was not given, at {strangers[0][0]}: {strangers[0][1]}.",
                details=[Detail(pointer, f"FACT_NOT_ALLOWED: {fact_id}") for pointer, fact_id in strangers],
                retryable=True,
            )
        scope.summary = f"{len(written.blocks)} blocks"
        return out.NodeWritten(written=written, call_id=scope.lineage.calls[-1]["call_id"])

    def _strategy_input(
        self, node: out.PlannedNode, grounds: Sequence[planning.Grounds], most: int
    ) -> contracts.StrategyInput:
        return contracts.StrategyInput(
            document_title=self.run.request.title,
            language=self.run.request.language,
            section=section_of(node),
            facts=tuple(g.fact for g in grounds),
            max_children=most,
            target_words=self._words_for(node),
        )

    def _write_input(
        self,
        scope: StepScope,
        node: out.PlannedNode,
        grounds: Sequence[planning.Grounds],
        siblings: tuple[str, ...],
        rules: model.Constraints,
    ) -> contracts.WriteInput:
        words = self._words_for(node)
        return contracts.WriteInput(
            document_title=self.run.request.title,
            language=self.run.request.language,
            audience=rules.audience or self.execution.result("intent", contracts.Intent, scope).audience,
            section=section_of(node),
            siblings=siblings,
            facts=tuple(g.fact for g in grounds),
            target_words=min(words, rules.max_words or words),
            must_cite=bool(self.settings["runs.must_cite"]) or bool(rules.must_cite),
            forbidden_phrases=rules.forbidden_phrases or (),
        )

    async def verify(
        self, scope: StepScope, node: out.PlannedNode, grounds: tuple[planning.Grounds, ...]
    ) -> out.NodeVerified:
        """Hold every sentence against its quotes; what they do not support stays out of the document."""
        written = self.execution.result(f"llm:{node.node_id}", out.NodeWritten, scope).written
        self._rests_on(scope, node, grounds)
        known = {g.fact.fact_id: g for g in grounds}
        written = await self._allowed(scope, node, written, known)
        verdicts = await self.judged(scope, node, written, known)
        key = f"{self.run.run_id}/{node.node_id}"
        actions = await self._held(scope, node, writing.actions_of(written, verdicts, known, node.node_id, key))
        places = reviewing.places_of_blocks(self.run.artifact_id, node.node_id, written.blocks, key)
        undecided = reviewing.withheld(written.blocks, places, verdicts, known)
        return out.NodeVerified(verdicts=tuple(verdicts), actions=tuple(actions), withheld=undecided)
