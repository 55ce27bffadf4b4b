"""The order of a document's steps: what comes after what, and which nodes are written side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lace_core import planning
from lace_runs.app.compiling import compile_targets
from lace_runs.app.documents.land import Landing
from lace_runs.app.documents.plan import Planning
from lace_runs.app.documents.work import Writers
from lace_runs.app.documents.write import Writing
from lace_runs.app.execution import Execution, Paused, StepScope, Target
from lace_runs.domain import steps as out

_NODE_STEPS = 3
# A section is taken to be split in two until it is known; guessing too many lets progress only go forward.
_SECTION_STEPS = 1 + 2 * _NODE_STEPS


class DocumentRun:
    """One document from its title to its compiled files."""

    def __init__(self, execution: Execution, writers: Writers) -> None:
        self.execution = execution
        self.run = execution.run
        self.settings = execution.run.settings
        self._planning = Planning(execution, writers)
        self._writing = Writing(execution, writers)
        self._landing = Landing(execution, writers)

    async def outline(self) -> out.Committed:
        """Plan the document and commit the plan."""
        self.execution.set_total(7)
        await self._plan()
        return await self._land([])

    async def generate(self) -> out.Committed:
        """Plan, write, verify, commit, compile."""
        targets = list(self.run.request.targets or self.settings["compile.targets"])
        own = len(self.execution.pipeline.steps) - 4 + 2 + len(targets)  # all but those of sections and targets
        self.execution.set_total(own + _SECTION_STEPS * int(self.settings["runs.max_sections"]))
        planned = await self._plan()
        self.execution.set_total(own + _SECTION_STEPS * len(planned.sections))
        await self.execution.step("context", self._writing.context)
        written = await self._write_all(planned)
        committed = await self._land(written)
        await compile_targets(self.execution, committed, targets, self._landing.snapshot)
        return committed

    async def _plan(self) -> out.Planned:
        await self.execution.step("load", self._planning.load)
        await self.execution.step("resolve", self._planning.resolve)
        await self.execution.step("intent", self._planning.intent)
        await self.execution.step("sources", self._planning.sources)
        planned = await self.execution.step("outline", self._planning.plan)
        assert isinstance(planned, out.Planned)
        return planned

    async def _land(self, written: Sequence[out.PlannedNode]) -> out.Committed:
        async def put_together(scope: StepScope) -> out.Staged:
            return await self._landing.apply(scope, written)

        await self.execution.step("apply", put_together)
        committed = await self.execution.step("validate", self._landing.validate)
        assert isinstance(committed, out.Committed)
        return committed

    async def _write_all(self, planned: out.Planned) -> list[out.PlannedNode]:
        """Write the root's summary and every section with what it is split into; the nodes in document order."""
        context = self.execution.result("context", out.Context)
        facts = {node.node_id: node.grounds for node in context.nodes}
        slots = asyncio.Semaphore(int(self.settings["runs.node_parallelism"]))
        # Every section gets the same share of the nodes that may still be made, whatever the others need of theirs:
        # the result must not depend on which of them is done first.
        room = max(0, int(self.settings["runs.max_nodes"]) - 1 - len(planned.sections)) // len(planned.sections)
        work = [self._write_summary(planned.root, facts.get(planned.root.node_id, ()), slots)]
        work += [self._write_section(s, facts.get(s.node_id, ()), planned, slots, room) for s in planned.sections]
        results = await _gather(work)
        return [node for nodes in results for node in nodes]

    async def _write_summary(
        self, root: out.PlannedNode, grounds: Sequence[planning.Grounds], slots: asyncio.Semaphore
    ) -> list[out.PlannedNode]:
        if grounds:
            async with slots:
                await self._write_node(root, tuple(grounds), ())
        return [root]

    async def _write_section(
        self,
        node: out.PlannedNode,
        grounds: Sequence[planning.Grounds],
        planned: out.Planned,
        slots: asyncio.Semaphore,
        room: int,
    ) -> list[out.PlannedNode]:
        siblings = tuple(section.title for section in planned.sections if section.node_id != node.node_id)
        target = Target(node.node_id, node.title)
        async with slots:

            async def decide(scope: StepScope) -> out.NodeStrategy:
                return await self._writing.strategy(scope, node, grounds, room)

            strategy = await self.execution.step("strategy", decide, target)
            assert isinstance(strategy, out.NodeStrategy)
            kept = tuple(g for g in grounds if g.fact.fact_id in set(strategy.kept))
            self._expect(node, wrote=bool(kept) or not strategy.children, children=len(strategy.children))
            if kept or not strategy.children:
                await self._write_node(node, kept, siblings)
        by_id = {g.fact.fact_id: g for g in grounds}
        share = (room - len(strategy.children)) // max(1, len(strategy.children))
        below = [
            self._write_section(child, [by_id[f] for f in ids], planned, slots, share)
            for child, ids in zip(strategy.children, strategy.child_facts, strict=True)
        ]
        return [node, *(n for nodes in await _gather(below) for n in nodes)]

    def _expect(self, node: out.PlannedNode, *, wrote: bool, children: int) -> None:
        """Now that it is known what becomes of a node, set its share of the steps right."""
        steps = 1 + (2 if wrote else 0) + _NODE_STEPS * children
        self.execution.expect(steps - (_SECTION_STEPS if node.depth == 1 else _NODE_STEPS))

    async def _write_node(
        self, node: out.PlannedNode, grounds: tuple[planning.Grounds, ...], siblings: tuple[str, ...]
    ) -> None:
        target = Target(node.node_id, node.title)

        async def write(scope: StepScope) -> out.NodeWritten:
            return await self._writing.write(scope, node, grounds, siblings)

        async def check(scope: StepScope) -> out.NodeVerified:
            return await self._writing.verify(scope, node, grounds)

        await self.execution.step("llm", write, target)
        await self.execution.step("verify", check, target)


async def _gather(work: Sequence[Any]) -> list[Any]:
    """All results in order. A pause lets what is under way finish; a failure stops the others at once."""
    tasks = [asyncio.ensure_future(item) for item in work]
    if not tasks:
        return []
    try:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
            failed = [t for t in done if not t.cancelled() and t.exception() and not isinstance(t.exception(), Paused)]
            if failed:
                raise failed[0].exception() or AssertionError
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
