"""Which body runs which pipeline."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct, to_builtins

from lace_runs.app.compiling import CompileRun
from lace_runs.app.documents.body import DocumentRun
from lace_runs.app.documents.work import Writers
from lace_runs.app.execution import Execution, StepScope
from lace_runs.app.ingesting import IngestRun
from lace_runs.domain import steps as out

Body = Callable[[Execution], Coroutine[Any, Any, Struct | None]]


def bodies(writers: Writers) -> dict[str, Body]:
    """The body of every pipeline by its id."""

    async def generate(execution: Execution) -> Struct | None:
        return await DocumentRun(execution, writers).generate()

    async def outline(execution: Execution) -> Struct | None:
        committed = await DocumentRun(execution, writers).outline()
        execution.finish = lambda: _committed(committed)
        return committed

    async def ingest(execution: Execution) -> Struct | None:
        await IngestRun(execution, writers.sources).ingest()
        return None

    async def compile_again(execution: Execution) -> Struct | None:
        return await CompileRun(execution, writers.open).compile()

    return {
        "generate": generate,
        "outline": outline,
        "ingest": ingest,
        "compile": compile_again,
        "noop10": do_nothing,
    }


async def do_nothing(execution: Execution) -> Struct | None:
    """Every step of the pipeline, without any work in it."""
    execution.set_total(len(execution.pipeline.steps))
    for step in execution.pipeline.steps:
        await execution.step(step.name, _nothing)
    return None


async def _nothing(scope: StepScope) -> Struct:
    del scope
    return out.Nothing()


async def _committed(committed: out.Committed) -> dict[str, Any]:
    return {**to_builtins(committed), "compiled": []}
