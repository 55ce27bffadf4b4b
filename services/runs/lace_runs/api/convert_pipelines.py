"""Pipelines between values and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lace.runs.v1 import runs_pb2
from lace_core.composing import Definition, StepChoice
from lace_core.pipeline import Pipeline
from lace_proto.times import to_timestamp
from lace_runs.domain.limits import step_limits
from lace_runs.domain.pipelines import Registered


def definition_of(request: runs_pb2.CreatePipelineRequest) -> Definition:
    """What a CreatePipelineRequest registers."""
    return Definition(
        pipeline_id=request.pipeline_id,
        description=request.description,
        base=request.base,
        without=tuple(request.without),
        steps=tuple(StepChoice(step.step, step.timeout_s, step.max_attempts) for step in request.steps),
    )


def pipeline_message(found: Pipeline | Registered, settings: Mapping[str, Any]) -> runs_pb2.Pipeline:
    """A pipeline on the wire, with the limits that these settings give its steps and runs."""
    pipeline = found if isinstance(found, Pipeline) else found.pipeline
    limits = {step.name: step_limits(step, settings) for step in pipeline.steps}
    message = runs_pb2.Pipeline(
        pipeline_id=pipeline.pipeline_id,
        version=pipeline.version,
        description=pipeline.description,
        available=True,
        steps=[
            runs_pb2.PipelineStep(
                step=step.name,
                per_node=step.per == "node",
                mode=step.mode,
                calls_model=step.calls_model,
                input_type=", ".join(kind.replace("|", " or ") for kind in step.takes),
                output_type=step.gives,
                timeout_s=int(limits[step.name].timeout_s),
                max_attempts=limits[step.name].attempts,
                version=step.version,
            )
            for step in pipeline.steps
        ],
        versions=[pipeline.version],
        deadline_s=settings["runs.deadline_s"],
    )
    if isinstance(found, Registered):
        message.custom, message.created_by = True, found.created_by
        message.versions[:] = found.versions
        message.created_at.CopyFrom(to_timestamp(found.created_at))
    return message
