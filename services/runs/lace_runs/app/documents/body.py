"""The order of a document's steps: what comes after what, and which nodes are worked on side by side.

The pipeline's data says which steps there are; here is what each of them means for a document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lace_core.planning import Grounds
from lace_runs.app.compiling import compile_targets
from lace_runs.app.documents.land import Landing
from lace_runs.app.documents.plan import Planning
from lace_runs.app.documents.revise import Revising
from lace_runs.app.documents.scoping import Scoping
from lace_runs.app.documents.work import Writers
from lace_runs.app.documents.write import Writing
from lace_runs.app.execution import Execution
from lace_runs.app.gathering import gather
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.domain import steps as out


@dataclass(frozen=True)
class _Side:
    """What nodes that are written side by side share: the places that there are, and how many nodes may be made."""

    slots: asyncio.Semaphore
    room: int
    titles: Mapping[str, str]

    def siblings(self, node: out.PlannedNode) -> tuple[str, ...]:
        """The headings of the nodes that were planned beside it."""
        return tuple(title for node_id, title in self.titles.items() if node_id != node.node_id)


class DocumentRun:
    """One document, written or changed."""

    def __init__(self, execution: Execution, writers: Writers) -> None:
        self.execution = execution
        self.run = execution.run
        self.settings = execution.run.settings
        self._names = execution.pipeline.names
        self._node_steps = [step.name for step in execution.pipeline.steps if step.per == "node"]
        self._targets = list(self.run.request.targets or self.settings["compile.targets"])
        self._planning = Planning(execution, writers)
        self._scoping = Scoping(execution, writers)
        self._writing = Writing(execution, writers)
        self._revising = Revising(execution, writers)
        self._landing = Landing(execution, writers)
        self._open = writers.open
        self._edits = execution.pipeline.edits
        self._nodes: list[out.PlannedNode] = []

    async def follow(self) -> out.Committed | None:
        """Go through the pipeline's steps in their order; the committed revision, where it makes one."""
        self._set_total(int(self.settings["runs.max_sections"]))
        committed: out.Committed | None = None
        for step in self.execution.pipeline.steps:
            if step.per == "node":
                if step.name == self._node_steps[0]:
                    self._nodes = await self._write_all()
            elif step.name == "compile":
                assert committed is not None
                await compile_targets(self.execution, committed, self._targets, self._landing.snapshot, self._open)
            elif step.per == "run":
                result = await self._run_step(step.name)
                committed = result if isinstance(result, out.Committed) else committed
        return committed

    async def _run_step(self, name: str) -> Any:
        work: dict[str, Any] = {
            "load": self._planning.load,
            "open": self._scoping.open,
            "resolve": self._planning.resolve,
            "intent": self._planning.intent,
            "sources": self._planning.sources,
            "outline": self._planning.plan,
            "scope": self._scoping.scope,
            "context": self._scoping.context if self._edits else self._writing.context,
            "apply": self._put_together,
            "validate": self._landing.validate,
        }
        result = await self.execution.step(name, work[name])
        if isinstance(result, out.Planned):
            self._set_total(len(result.sections))
        elif isinstance(result, out.Scoped):
            self._set_total(len(result.nodes))
        return result

    async def _put_together(self, scope: StepScope) -> out.Staged:
        if self._edits:
            scoped = self.execution.result("scope", out.Scoped, scope)
            return await self._landing.change(scope, self._nodes or scoped.nodes)
        return await self._landing.apply(scope, self._nodes)

    # -- nodes ------------------------------------------------------------------------------------------------------

    async def _write_all(self) -> list[out.PlannedNode]:
        """Write every node with what it is split into, and of a new document the summary; in document order."""
        context = self.execution.result("context", out.Context)
        facts = {node.node_id: node.grounds for node in context.nodes}
        slots = asyncio.Semaphore(int(self.settings["runs.node_parallelism"]))
        if self._edits:
            scoped = self.execution.result("scope", out.Scoped)
            nodes, known = scoped.nodes, scoped.total
            work: list[Any] = []
        else:
            planned = self.execution.result("outline", out.Planned)
            nodes, known = planned.sections, 1 + len(planned.sections)
            work = [self._write_summary(planned.root, facts.get(planned.root.node_id, ()), slots)]
        # Every node gets the same share of the nodes that may still be made, whatever the others need of theirs:
        # the result must not depend on which of them is done first.
        room = max(0, int(self.settings["runs.max_nodes"]) - known) // max(1, len(nodes))
        side = _Side(slots, room, {node.node_id: node.title for node in nodes})
        work += [self._write_section(node, facts.get(node.node_id, ()), side) for node in nodes]
        results = await gather(work)
        return [node for nodes in results for node in nodes]

    async def _write_summary(
        self, root: out.PlannedNode, grounds: Sequence[Grounds], slots: asyncio.Semaphore
    ) -> list[out.PlannedNode]:
        if grounds:
            async with slots:
                await self._write_node(root, tuple(grounds), ())
        return [root]

    async def _write_section(
        self, node: out.PlannedNode, grounds: Sequence[Grounds], side: _Side
    ) -> list[out.PlannedNode]:
        """Decide what becomes of a node, write it, then what it is split into: those are siblings of one another."""
        async with side.slots:
            strategy = await self._decide(node, grounds, side.room)
            kept = tuple(g for g in grounds if strategy is None or g.fact.fact_id in set(strategy.kept))
            children = strategy.children if strategy else ()
            self._expect(node, wrote=bool(kept) or not children, children=len(children))
            if kept or not children:
                await self._write_node(node, kept, side.siblings(node))
        if strategy is None:
            return [node]
        by_id = {g.fact.fact_id: g for g in grounds}
        share = (side.room - len(children)) // max(1, len(children))
        below = [
            self._write_section(child, [by_id[f] for f in ids], replace(side, room=share))
            for child, ids in zip(children, strategy.child_facts, strict=True)
        ]
        return [node, *(n for nodes in await gather(below) for n in nodes)]

    async def _decide(self, node: out.PlannedNode, grounds: Sequence[Grounds], room: int) -> out.NodeStrategy | None:
        if "strategy" not in self._node_steps:
            return None

        async def decide(scope: StepScope) -> out.NodeStrategy:
            return await self._writing.strategy(scope, node, grounds, room)

        strategy = await self.execution.step("strategy", decide, Target(node.node_id, node.title))
        assert isinstance(strategy, out.NodeStrategy)
        return strategy

    async def _write_node(self, node: out.PlannedNode, grounds: tuple[Grounds, ...], siblings: tuple[str, ...]) -> None:
        target = Target(node.node_id, node.title)
        writer = self.execution.pipeline.writer

        async def write(scope: StepScope) -> Any:
            if writer == "llm":
                return await self._writing.write(scope, node, grounds, siblings)
            if writer == "enrich":
                return await self._revising.enrich(scope, node, grounds)
            if writer == "amend":
                return await self._revising.amend(scope, node, grounds)
            return await self._revising.write(scope, node, grounds)

        async def check(scope: StepScope) -> out.NodeVerified:
            verifying = self._writing if writer == "llm" else self._revising
            return await verifying.verify(scope, node, grounds)

        if writer:
            await self.execution.step(writer, write, target)
        if "verify" in self._node_steps:
            await self.execution.step("verify", check, target)

    # -- how much there is to do ------------------------------------------------------------------------------------

    def _set_total(self, sections: int) -> None:
        """The steps as far as they are known. A section is taken to be split in two until it is known: guessing too
        many lets progress only go forward."""
        per = [step.per for step in self.execution.pipeline.steps]
        own = per.count("run") + per.count("target") * len(self._targets)
        own += per.count("source") * len(self.run.request.source_ids)
        if not self._edits and self.execution.pipeline.writer:
            own += self._written_steps  # the summary
        self.execution.set_total(own + self._guess * sections if self._node_steps else own)

    @property
    def _written_steps(self) -> int:
        return len(self._node_steps) - self._node_steps.count("strategy")

    @property
    def _guess(self) -> int:
        if self._edits or "strategy" not in self._node_steps:
            return len(self._node_steps)
        return 1 + 2 * len(self._node_steps)

    def _expect(self, node: out.PlannedNode, *, wrote: bool, children: int) -> None:
        """Now that it is known what becomes of a node, set its share of the steps right."""
        steps = self._node_steps.count("strategy") + (self._written_steps if wrote else 0)
        steps += len(self._node_steps) * children
        planned = not node.key or (node.depth == 1 and not self._edits)
        self.execution.expect(steps - (self._guess if planned else len(self._node_steps)))
