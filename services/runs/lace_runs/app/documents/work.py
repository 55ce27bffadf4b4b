"""What the steps of a document share: the run, the neighbours, and how a model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct

from lace_core import contracts
from lace_core import ir as model
from lace_core.ids import derive
from lace_core.phrases import without_phrases
from lace_core.planning import Grounds
from lace_core.policies.asking import kind_of, under_rules
from lace_core.policies.in_force import pinned_in
from lace_core.policies.ruling import instructions
from lace_runs.app.documents.answers import answer_of
from lace_runs.app.documents.ruling import rules_for
from lace_runs.app.documents.telling import tell_call
from lace_runs.app.execution import Execution
from lace_runs.app.fact_ports import Facts
from lace_runs.app.model_ports import Models
from lace_runs.app.ports import OpenUnitOfWork, UnitOfWork
from lace_runs.app.source_ports import SourceInfo, Sources
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

_SUMMARY_FACTS = 90

T = TypeVar("T", bound=Struct)


@dataclass(frozen=True)
class Writers:
    """What writing a document needs of the outside."""

    open: OpenUnitOfWork
    sources: Sources
    models: Models
    facts: Facts


class StepWork:
    """One document in the making; the base of what does its steps."""

    def __init__(self, execution: Execution, writers: Writers) -> None:
        self.execution = execution
        self.run = execution.run
        self.settings = execution.run.settings
        self.policy = pinned_in(execution.run.settings)
        self._writers = writers
        self._started_from: model.Artifact | None = None

    async def _document(self, revision_id: str) -> model.Artifact:
        async with self._writers.open(self.run.tenant_id) as work:
            return await work.artifacts.document(self.run.tenant_id, self.run.artifact_id, revision_id)

    async def _start(self) -> model.Artifact:
        """The document that the run began with; empty for a new one."""
        if self._started_from is None:
            if "open" in self.execution.checkpoints:
                revision_id = self.execution.result("open", out.Opened).base_revision_id
            else:
                revision_id = self.execution.result("load", out.Loaded).base_revision_id
            self._started_from = await self._document(revision_id)
        return self._started_from

    async def _rules_for(self, node: out.PlannedNode) -> model.Constraints:
        """What the policy and the document ask of a node."""
        return rules_for(self.policy, await self._start(), node)

    async def headed(self, scope: StepScope, node: out.PlannedNode) -> out.PlannedNode | None:
        """A section that is to be made, its heading without forbidden phrases; None where nothing is left of it."""
        title = without_phrases(node.title, (await self._rules_for(node)).forbidden_phrases or ())
        if title == node.title:
            return node
        became = f"is {title!r} now" if title else "was left out with its section"
        message = f"The heading {node.title!r} {became}: it holds a phrase that may not occur."
        await self.execution.warn(scope, "PHRASE_FORBIDDEN", message, node.node_id)
        return msgspec.structs.replace(node, title=title) if title else None

    def _ruled(
        self, contract: contracts.Contract, asked: Struct, rules: model.Constraints | None = None
    ) -> tuple[contracts.Contract, Struct]:
        """The question as the policy has it: with the house's rules, where it has some for it."""
        return under_rules(contract, asked, instructions(self.policy, kind_of(contract), rules))

    async def _hold(self, work: UnitOfWork) -> None:
        """Within this transaction the run is ours, and so is the right to write its artifact."""
        await work.artifacts.hold(self.run.tenant_id, self.run.artifact_id, self.run.run_id, self.run.epoch)

    async def _ready_sources(self) -> Sequence[SourceInfo]:
        wanted = self.run.request.source_ids or await self._writers.sources.list_ready()
        return await self._writers.sources.outlines(list(wanted)) if wanted else []

    async def _ask(self, scope: StepScope, contract: contracts.Contract, asked: Struct, kind: type[T]) -> T:
        """Call the model under a contract; the call's events and its record in provenance come with it."""
        answer = await self._writers.models.generate(
            contract,
            msgspec.json.encode(asked).decode(),
            run_id=self.run.run_id,
            step_id=scope.step_id,
            attempt=scope.asking,
            settings=self.settings,
            progress=lambda tokens: self.execution.progress(scope, tokens, 0, "Tokens of the model's answer."),
        )
        tell_call(scope, contract, answer, self.execution.tools.now())
        return answer_of(contract, answer.output, kind)

    def _rests_on(self, scope: StepScope, node: out.PlannedNode, grounds: Iterable[Grounds]) -> None:
        """Record what the work on a node comes from: the plan that made the node, its facts and their sources."""
        if "scope" in self.execution.checkpoints:
            self.execution.result("scope", out.Scoped, scope)
        else:
            self.execution.result("outline", out.Planned, scope)
        self.execution.result("context", out.Context, scope)
        for step_id in (f"strategy:{node.parent_id}", f"strategy:{node.node_id}"):
            if step_id in self.execution.checkpoints:
                self.execution.result(step_id, out.NodeStrategy, scope)
        selected = self.execution.result("sources", out.Selected)
        cited = {piece.source_id for facts in grounds for piece in facts.pieces}
        scope.lineage.rests_on(source for source in selected.sources if source.source_id in cited)

    def _audience(self, scope: StepScope) -> str:
        if "intent" not in self.execution.checkpoints:
            return ""
        return self.execution.result("intent", contracts.Intent, scope).audience

    def _words_for(self, node: out.PlannedNode) -> int:
        """The share of the document's length that a node gets."""
        target = int(self.settings["runs.target_words"])
        if node.depth == 0:
            return max(80, target // 16)
        if "scope" in self.execution.checkpoints:
            sections = self.execution.result("scope", out.Scoped).sections
        else:
            sections = len(self.execution.result("outline", out.Planned).sections)
        return max(60, target // max(1, sections) >> (node.depth - 1))

    def _planned_node(
        self,
        key: str,
        parent_id: str,
        title: str,
        brief: str,
        queries: Sequence[str],
        path: tuple[str, ...],
        depth: int,
    ) -> out.PlannedNode:
        return out.PlannedNode(
            node_id=derive("nod", self.run.artifact_id, key),
            parent_id=parent_id,
            key=key,
            title=title.strip(),
            brief=brief,
            queries=tuple(queries),
            path=path,
            depth=depth,
        )


def section_of(node: out.PlannedNode) -> contracts.Section:
    """The node as contracts name it."""
    return contracts.Section(title=node.title, brief=node.brief, path=node.path, depth=node.depth)


def best_facts(nodes: Sequence[out.NodeGrounds]) -> tuple[Grounds, ...]:
    """The facts for the document's own summary: the best sentences of every section in turn."""
    # First sentences first: they say what their paragraphs are about.
    ranked = [
        sorted((g for g in n.grounds if g.fact.kind == "sentence"), key=lambda g: (g.fact.position, -g.fact.score))
        for n in nodes
    ]
    found: list[Grounds] = []
    for place in range(max((len(facts) for facts in ranked), default=0)):
        found.extend(facts[place] for facts in ranked if place < len(facts))
        if len(found) >= _SUMMARY_FACTS:
            break
    return tuple(found[:_SUMMARY_FACTS])
