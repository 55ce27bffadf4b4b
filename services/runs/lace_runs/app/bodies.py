"""Which body runs which pipeline."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct, to_builtins

from lace_runs.app.compiling import CompileRun
from lace_runs.app.documents.body import DocumentRun
from lace_runs.app.documents.work import Writers
from lace_runs.app.execution import Execution
from lace_runs.app.extracting import FactsRun
from lace_runs.app.ingesting import IngestRun
from lace_runs.app.paragraphs.writing import ParagraphRun
from lace_runs.app.restoring import RollbackRun
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

Body = Callable[[Execution], Coroutine[Any, Any, Struct | None]]


CUSTOM = "*"
"""The body of every pipeline that has none of its own: it does what the pipeline's steps say."""


def bodies(writers: Writers) -> dict[str, Body]:
    """The body of every pipeline by its id."""

    async def follow(execution: Execution) -> Struct | None:
        return await _follow(execution, writers)

    async def rollback(execution: Execution) -> Struct | None:
        return await RollbackRun(execution, writers.open, writers.sources).rollback()

    return {CUSTOM: follow, "rollback": rollback, "noop10": do_nothing}


async def _follow(execution: Execution, writers: Writers) -> Struct | None:
    """Read sources and take facts out of them where the pipeline does, then write, change or compile."""
    pipeline = execution.pipeline
    if pipeline.is_of_paragraph:
        return await ParagraphRun(execution, writers).follow()
    if pipeline.reads:
        await IngestRun(execution, writers.sources).ingest()
    if pipeline.takes_facts:
        await FactsRun(execution, writers).extract()
    if "snapshot" in pipeline.names:
        return await CompileRun(execution, writers.open).compile()
    if not pipeline.writes and not pipeline.edits:
        return None
    committed = await DocumentRun(execution, writers).follow()
    if "compile" not in pipeline.names:
        execution.finish = lambda: _finished(execution, committed)
    return committed


async def do_nothing(execution: Execution) -> Struct | None:
    """Every step of the pipeline, without any work in it."""
    execution.set_total(len(execution.pipeline.steps))
    last = execution.pipeline.steps[-1]
    for step in execution.pipeline.steps:
        await execution.step(step.name, _nothing, is_last=step is last)
    return None


async def _nothing(scope: StepScope) -> Struct:
    del scope
    return out.Nothing()


async def _finished(execution: Execution, committed: out.Committed | None) -> dict[str, Any]:
    if committed is None:
        return {"artifact_id": execution.run.artifact_id}
    return {**to_builtins(committed), "compiled": []}
