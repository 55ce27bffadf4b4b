"""A model that takes less than was found: the lowest ranked is left out, is told, and stays out of what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_core.errors import Reason
from lace_runs.app.model_ports import ModelAnswer, TokenCounts
from lace_runs.app.provenance import TOPIC
from tests.doubles.runs_world import RuleModel, World

MORE = "The loan runs for twenty years. " + "The bank of the county gave it at a rate that was fixed in 2021. " * 9
# What stays free beside all facts, and beside each.
AROUND, BETWEEN = 400, 8


@dataclass
class NoticingModel(RuleModel):
    """Remembers which facts it was told when a section was written."""

    told: dict[str, list[str]] = field(default_factory=dict)
    longest: int = 0

    async def generate(self, contract: contracts.Contract, input_json: str, **more: Any) -> ModelAnswer:
        if contract is contracts.WRITE:
            asked = msgspec.json.decode(input_json, type=contracts.WriteInput)
            self.told[asked.section.title] = [fact.unit for fact in asked.facts]
            self.longest = max(self.longest, len(input_json))
        return await super().generate(contract, input_json, **more)


@dataclass
class TightModel(RuleModel):
    """Takes the longest question and the two longest facts, and no more."""

    async def count(
        self, prompts: Sequence[tuple[contracts.Contract, str]], parts: Sequence[str], settings: Mapping[str, Any]
    ) -> TokenCounts:
        self.context_tokens = (
            max(len(text) for _, text in prompts) + AROUND + sum(sorted(map(len, parts))[-2:]) + 2 * BETWEEN
        )
        return await super().count(prompts, parts, settings)


async def _run(world: World, context_tokens: int) -> tuple[NoticingModel, str]:
    model = world.model = NoticingModel(context_tokens=context_tokens)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    return model, run.run_id


async def _cuts(world: World, run_id: str) -> list[dict[str, Any]]:
    return [
        dict(event.draft.payload["context_cut"])
        for event in await world.events(run_id)
        if event.draft.event_type == "pipeline.context.cut"
    ]


async def test_what_fits_is_told_whole_and_nothing_is_said(world: World) -> None:
    model, run_id = await _run(world, 1_000_000)
    assert await _cuts(world, run_id) == []
    assert all(model.told.values())


async def test_what_does_not_fit_is_left_out_and_told(world: World) -> None:
    whole, _ = await _run(world, 1_000_000)
    model, run_id = await _run(world, 1500)
    cuts = await _cuts(world, run_id)
    assert cuts
    assert model.longest <= 1500
    for cut in cuts:
        assert cut["limit_tokens"] == 1500
        assert cut["count_method"] == "bound"
        room = cut["limit_tokens"] - cut["prompt_tokens"] - AROUND
        assert cut["kept_tokens"] <= room < cut["needed_tokens"]
        assert cut["left_out_units"] == len(cut["left_out"]) > 0
        assert cut["needed_tokens"] - cut["kept_tokens"] == sum(unit["tokens"] for unit in cut["left_out"])
        gone = {unit["unit_id"] for unit in cut["left_out"]}
        assert gone <= set(whole.told[cut["node_title"]])
        assert not gone & set(model.told.get(cut["node_title"], []))
    warnings = [
        event.draft.payload["warning"]
        for event in await world.events(run_id)
        if event.draft.event_type == "pipeline.warning"
    ]
    assert {warning["subject"] for warning in warnings if warning["code"] == "CONTEXT_CUT"} == {
        cut["node_id"] for cut in cuts
    }
    assert [(c["node_title"], c["left_out"]) for c in await _cuts(world, (await _run(world, 1500))[1])] == [
        (cut["node_title"], cut["left_out"]) for cut in cuts
    ]


async def test_provenance_says_it_too(world: World) -> None:
    _, run_id = await _run(world, 1500)
    left = sum(cut["left_out_units"] for cut in await _cuts(world, run_id))
    async with world.system.transaction() as tx:
        rows = await tx.fetch_all(
            "SELECT payload_json AS payload FROM runs.outbox_events WHERE key = :key AND topic = :topic",
            {"key": run_id, "topic": TOPIC},
        )
    [log] = [log for row in rows for log in row.payload["logs"] if log["stage"] == "context"]
    assert log["pedigree"]["risk_flags"] == ["context_cut"]
    assert log["pedigree"]["evals"]["context_left_out_units"] == left
    assert log["pedigree"]["evals"]["context_left_out_tokens"] > 0


async def test_where_nothing_at_all_fits_the_run_fails_and_says_why(world: World) -> None:
    world.model = RuleModel(context_tokens=900)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "failed")
    assert (await world.get(run.run_id)).error_code == Reason.CONTEXT_TOO_LONG.value


@pytest.mark.parametrize("pipeline", ["regenerate", "expand", "enrich", "patch"])
async def test_changes_of_a_document_are_held_to_it_too(world: World, pipeline: str) -> None:
    written = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(written.run_id, "succeeded")
    world.sources.add("more", {"Cost": MORE})
    world.sources.add("other", {"Cost": MORE.replace("twenty", "thirty").replace("2021", "2019")})
    world.model = TightModel()
    run = await world.start(pipeline, artifact_id=written.artifact_id, instructions="Say more about the Cost.")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state.value == "succeeded", done.error_message
    cuts = await _cuts(world, run.run_id)
    assert cuts
    assert all(cut["left_out"] for cut in cuts)
