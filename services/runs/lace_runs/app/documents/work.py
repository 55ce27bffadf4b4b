"""What the steps of a document share: the run, the neighbours, and how a model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from lace_core import contracts
from lace_core import ir as model
from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_core.planning import Grounds
from lace_runs.app.execution import Execution, StepScope
from lace_runs.app.ports import Models, OpenUnitOfWork, SourceInfo, Sources
from lace_runs.domain import steps as out

LOCK_TTL_S = 600

T = TypeVar("T", bound=Struct)


@dataclass(frozen=True)
class Writers:
    """What writing a document needs of the outside."""

    open: OpenUnitOfWork
    sources: Sources
    models: Models


class StepWork:
    """One document in the making; the base of what does its steps."""

    def __init__(self, execution: Execution, writers: Writers) -> None:
        self.execution = execution
        self.run = execution.run
        self.settings = execution.run.settings
        self._writers = writers

    async def _document(self, revision_id: str) -> model.Artifact:
        async with self._writers.open(self.run.tenant_id) as work:
            return await work.artifacts.document(self.run.tenant_id, self.run.artifact_id, revision_id)

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
            attempt=scope.attempt,
            settings=self.settings,
        )
        _tell_call(scope, contract, answer.call, self.execution.tools.now())
        try:
            return msgspec.json.decode(answer.output, type=kind)
        except msgspec.ValidationError as error:
            raise LaceError(
                Reason.PROVIDER_OUTPUT_INVALID, f"The answer breaks {contract.name}: {error}", retryable=True
            ) from None

    def _rests_on(self, scope: StepScope, node: out.PlannedNode, grounds: Iterable[Grounds]) -> None:
        """Record what the work on a node comes from: the plan that made the node, its facts and their sources."""
        self.execution.result("outline", out.Planned, scope)
        self.execution.result("context", out.Context, scope)
        for step_id in (f"strategy:{node.parent_id}", f"strategy:{node.node_id}"):
            if step_id in self.execution.checkpoints:
                self.execution.result(step_id, out.NodeStrategy, scope)
        selected = self.execution.result("sources", out.Selected)
        cited = {piece.source_id for facts in grounds for piece in facts.pieces}
        scope.lineage.rests_on(source for source in selected.sources if source.source_id in cited)

    def _words_for(self, node: out.PlannedNode) -> int:
        """The share of the document's length that a node gets."""
        target = int(self.settings["runs.target_words"])
        if node.depth == 0:
            return max(80, target // 16)
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


def _tell_call(scope: StepScope, contract: contracts.Contract, call: Mapping[str, Any], now: datetime) -> None:
    scope.lineage.calls.append(call)
    shared = {"call_id": call["call_id"]}
    scope.event(
        "pipeline.llm.prompt",
        {
            "llm_prompt": {
                **shared,
                "contract": contract.name,
                "provider": call["provider"],
                "model": call["requested_model"],
                "prompt_hash": call["input_hash"],
                "sample": call["prompt_sample"],
            }
        },
        now,
        redaction_level="sample",
        content_hash=call["input_hash"],
    )
    scope.event(
        "pipeline.llm.response",
        {
            "llm_response": {
                **shared,
                "finish_reason": call.get("finish_reason", ""),
                "output_hash": call["output_hash"],
                "repairs": call["repairs"],
                "sample": call["output_sample"],
            }
        },
        now,
        redaction_level="sample",
        content_hash=call["output_hash"],
    )
    usage = {name: call[name] for name in ("input_tokens", "output_tokens", "cost_micro_usd")}
    scope.event(
        "pipeline.llm.usage", {"llm_usage": {**shared, **usage, "count_method": call.get("count_method", "")}}, now
    )
