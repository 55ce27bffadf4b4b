"""From sections to verified text: evidence, strategy, the model's text, its verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lace_core import contracts, planning, writing
from lace_core.errors import Detail, LaceError, Reason
from lace_core.grounding import Verdict
from lace_runs.app.documents.work import StepWork, section_of
from lace_runs.app.execution import StepScope
from lace_runs.domain import steps as out

_SUMMARY_FACTS = 90
_LEAST_FACTS_TO_SPLIT = 10
_MOST_CHILDREN = 6


class Writing(StepWork):
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
        results, units = await self._writers.sources.search(queries, source_ids, limit)
        hits: dict[str, list[Sequence[planning.Hit]]] = {node.node_id: [] for node in planned.sections}
        for (node_id, _), found in zip(queries, results, strict=True):
            hits[node_id].append(found)
        chosen = planning.assign(hits, units, int(self.settings["runs.facts_per_node"]))
        nodes: list[out.NodeGrounds] = []
        first = 1
        for node in planned.sections:
            grounds = planning.grounds_of(chosen[node.node_id], first)
            first += len(grounds)
            nodes.append(out.NodeGrounds(node_id=node.node_id, grounds=tuple(grounds)))
            if not grounds:
                await self.execution.warn(
                    scope, Reason.NO_EVIDENCE.value, f"Nothing was found for the section {node.title}.", node.node_id
                )
        if first == 1:
            raise LaceError(Reason.NO_EVIDENCE, "The sources hold nothing about this title.")
        nodes.append(out.NodeGrounds(node_id=planned.root.node_id, grounds=_best(nodes)))
        used = {piece.source_id for node in nodes for ground in node.grounds for piece in ground.pieces}
        scope.lineage.read(source for source in selected.sources if source.source_id in used)
        scope.summary = f"{first - 1} facts out of {len(units)} units"
        return out.Context(nodes=tuple(nodes))

    async def strategy(
        self, scope: StepScope, node: out.PlannedNode, grounds: Sequence[planning.Grounds], room: int
    ) -> out.NodeStrategy:
        """Split the node or write it in full."""
        self._rests_on(scope, node, grounds)
        may_split = node.depth < int(self.settings["runs.max_depth"]) and len(grounds) >= _LEAST_FACTS_TO_SPLIT
        most = min(_MOST_CHILDREN, room) if may_split else 0
        ids = tuple(g.fact.fact_id for g in grounds)
        if most < 2:
            decided = contracts.Strategy(decision="write", reason="too few facts, or no room, to split", children=())
        else:
            asked = contracts.StrategyInput(
                document_title=self.run.request.title,
                language=self.run.request.language,
                section=section_of(node),
                facts=tuple(g.fact for g in grounds),
                max_children=most,
                target_words=self._words_for(node),
            )
            decided = await self._ask(scope, contracts.STRATEGY, asked, contracts.Strategy)
        children, child_facts = self._children(node, decided, set(ids), most)
        taken = {fact_id for facts in child_facts for fact_id in facts}
        scope.summary = f"split into {len(children)}" if children else "write"
        return out.NodeStrategy(
            strategy=decided,
            kept=tuple(fact_id for fact_id in ids if fact_id not in taken),
            children=tuple(children),
            child_facts=tuple(child_facts),
        )

    def _children(
        self, node: out.PlannedNode, decided: contracts.Strategy, allowed: set[str], most: int
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
            left.difference_update(facts)
            key = f"{self.run.run_id}/{node.node_id}/child/{index}"
            path = (*node.path, node.title)
            children.append(self._planned_node(key, node.node_id, child.title, child.brief, (), path, node.depth + 1))
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
        asked = contracts.WriteInput(
            document_title=self.run.request.title,
            language=self.run.request.language,
            audience=self.execution.result("intent", contracts.Intent, scope).audience,
            section=section_of(node),
            siblings=siblings,
            facts=tuple(g.fact for g in grounds),
            target_words=self._words_for(node),
            must_cite=bool(self.settings["runs.must_cite"]),
            forbidden_phrases=(),
        )
        written = await self._ask(scope, contracts.WRITE, asked, contracts.Written)
        strangers = writing.unknown_facts(written, {g.fact.fact_id: g for g in grounds})
        if strangers:
            raise LaceError(
                Reason.PROVIDER_OUTPUT_INVALID,
                f"The section {node.title} cites facts that it was not given.",
                details=[Detail(pointer, f"{fact_id} is not allowed here") for pointer, fact_id in strangers],
                retryable=True,
            )
        scope.summary = f"{len(written.blocks)} blocks"
        return out.NodeWritten(written=written, call_id=scope.lineage.calls[-1]["call_id"])

    async def verify(
        self, scope: StepScope, node: out.PlannedNode, grounds: tuple[planning.Grounds, ...]
    ) -> out.NodeVerified:
        """Hold every sentence against its quotes; what they do not support stays out of the document."""
        written = self.execution.result(f"llm:{node.node_id}", out.NodeWritten, scope).written
        self._rests_on(scope, node, grounds)
        known = {g.fact.fact_id: g for g in grounds}
        verdicts = await asyncio.to_thread(writing.check, written, known, node.node_id)
        asked = writing.judge_input(verdicts, known)
        if self.settings["runs.judge"] and asked.sentences:
            verdicts = writing.lower(verdicts, await self._ask(scope, contracts.JUDGE, asked, contracts.Judgement))
        counts = {v.word: sum(own.verdict == v.word for own in verdicts) for v in Verdict}
        findings = [
            {
                "code": f"SENTENCE_{v.verdict.upper()}",
                "severity": "warning",
                "pointer": f"/nodes/{node.node_id}/sentences/{v.sentence_id}",
                "message": f"Kept out: {v.text[:160]} ({v.reasons[-1]})",
            }
            for v in verdicts
            if not v.stands
        ]
        payload = {"stage": "proposal", "node_id": node.node_id, "findings": findings, **counts}
        scope.event("pipeline.validation.result", {"validation_result": payload}, self.execution.tools.now())
        if findings:
            await self.execution.warn(
                scope,
                "SENTENCES_KEPT_OUT",
                f"{len(findings)} unsupported sentences were kept out of {node.title}.",
                node.node_id,
            )
        scope.lineage.validation = "passed"
        scope.lineage.evals = dict(counts)
        if verdicts:
            scope.lineage.confidence = f"{counts['supported'] / len(verdicts):.3f}"
        scope.summary = f"{counts['supported']} of {len(verdicts)} sentences supported"
        key = f"{self.run.run_id}/{node.node_id}"
        actions = writing.actions_of(written, verdicts, known, node.node_id, key)
        return out.NodeVerified(verdicts=tuple(verdicts), actions=tuple(actions))


def _best(nodes: Sequence[out.NodeGrounds]) -> tuple[planning.Grounds, ...]:
    """The facts for the document's own summary: the best sentences of every section in turn."""
    # First sentences first: they say what their paragraphs are about.
    ranked = [
        sorted((g for g in n.grounds if g.fact.kind == "sentence"), key=lambda g: (g.fact.position, -g.fact.score))
        for n in nodes
    ]
    found: list[planning.Grounds] = []
    for place in range(max((len(facts) for facts in ranked), default=0)):
        found.extend(facts[place] for facts in ranked if place < len(facts))
        if len(found) >= _SUMMARY_FACTS:
            break
    return tuple(found[:_SUMMARY_FACTS])
