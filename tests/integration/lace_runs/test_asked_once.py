"""A step that is repeated asks a model what it asked before, unless it was told what came of that."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import field
from typing import Any

import pytest

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_runs.app.model_ports import ModelAnswer
from tests.doubles.runs_world import RuleModel, World


@dataclasses.dataclass
class ListeningModel(RuleModel):
    """Remembers under which attempt each question was asked."""

    attempts: list[tuple[str, int]] = field(default_factory=list)

    async def generate(self, contract: contracts.Contract, input_json: str, **named: Any) -> ModelAnswer:
        self.attempts.append((named["step_id"], named["attempt"]))
        return await super().generate(contract, input_json, **named)


@pytest.mark.parametrize(
    ("reason", "second"),
    [(Reason.SERVICE_UNAVAILABLE, 1), (Reason.DEADLINE_EXCEEDED, 1), (Reason.PROVIDER_UNAVAILABLE, 2)],
)
async def test_only_a_failure_that_was_told_is_asked_anew(world: World, reason: Reason, second: int) -> None:
    model = world.model = ListeningModel(fail_first=[LaceError(reason, "away", retryable=True, retry_after=0.01)])
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    assert model.attempts[:2] == [("intent", 1), ("intent", second)]
    assert len(set(model.attempts)) == len(model.attempts) - (second == 1)


async def test_a_question_whose_asker_died_is_asked_again_as_the_same(world: World) -> None:
    model = world.model = ListeningModel(delay_s=0.3)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        async with asyncio.timeout(10):
            # Until the attempt has its row: one without is the same attempt again in any case.
            while not model.attempts or "pipeline.step.started" not in await _told_of(world, run.run_id, "intent"):
                await asyncio.sleep(0.02)
    model.delay_s = 0.0
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    assert model.attempts[:2] == [("intent", 1), ("intent", 1)]
    async with world.open(world.tenant_id) as work:
        steps = [step for _, step in await work.runs.steps(world.tenant_id, run.run_id, 0, 100)]
    assert [(step.attempt, step.state) for step in steps if step.step_id == "intent"] == [
        (1, "running"),
        (2, "succeeded"),
    ]


async def _told_of(world: World, run_id: str, step_id: str) -> set[str]:
    return {event.draft.event_type for event in await world.events(run_id) if event.draft.step_id == step_id}
