"""Sections written side by side: the same document whatever the order in which they are done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from lace_core import contracts
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_runs.app import runs
from lace_runs.app.model_ports import ModelAnswer
from lace_runs.app.ports import Caller, Resolved
from lace_runs.domain.runs import Request, RunState
from tests.doubles.runs_world import RuleModel, World

SECTIONS = ("Cost", "Safety", "Route", "Crew")
SENTENCES = 12
_SETTINGS = {"runs.judge": False, "retrieval.units_per_query": 50}


@dataclass
class ShuffledModel(RuleModel):
    """Takes its time by a seed and the step, splits what is large, and keeps count of what it does at once."""

    seed: int = 0
    now: int = 0
    most: int = 0
    ended: list[str] = field(default_factory=list)

    async def generate(self, contract: contracts.Contract, input_json: str, **named: Any) -> ModelAnswer:
        step_id: str = named["step_id"]
        self.now += 1
        self.most = max(self.most, self.now)
        kind, _, node_id = step_id.partition(":")
        await asyncio.sleep(Random(f"{self.seed}/{kind}/{len(self.ended)}/{node_id}").random() * 0.02)
        answer = await super().generate(contract, input_json, **named)
        self.now -= 1
        self.ended.append(step_id)
        return answer

    def strategy(self, asked: contracts.StrategyInput) -> contracts.Strategy:
        ids = tuple(fact.fact_id for fact in asked.facts)
        half = len(ids) // 2
        children = tuple(
            contracts.PlannedChild(title=f"{asked.section.title} {name}", brief=name, fact_ids=own)
            for name, own in (("first", ids[1:half]), ("second", ids[half:]))
        )
        return contracts.Strategy(decision="split", reason="large", children=children)


async def _generate(world: World, model: ShuffledModel, parallelism: int) -> tuple[str, str, list[str]]:
    """One generate of the same artifact under the same key in a tenant's own world: its hashes, and what ended when."""
    world.model = model
    values = {**resolve([]).values, **_SETTINGS, "compile.targets": [], "runs.node_parallelism": parallelism}
    everything = frozenset(runs.GRANT)
    caller = Caller(world.tenant_id, "prn_test", frozenset(), everything, frozenset(), "req", "cor", "same-key", "")
    async with world.open(world.tenant_id) as work:
        start = runs.Start("generate", Request(title="The bridge"))
        run = await runs.start_run(work, caller, start, Resolved(values, "", ""), utc_now())
        await work.commit()
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert done.result is not None
    return done.result["content_hash"], done.result["ir_hash"], model.ended


async def _forget(world: World) -> None:
    """Take all that the tenant has away, so that the same key makes the same ids once more."""
    async with world.system.transaction() as tx:
        tables = await tx.fetch_all(
            """SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = 'runs'::regnamespace AND c.relkind = 'r' AND a.attname = 'tenant_id'
                 AND has_table_privilege(c.oid, 'DELETE')"""
        )
        for table in tables:
            await tx.execute(f"DELETE FROM runs.{table.name} WHERE tenant_id = :tenant", {"tenant": world.tenant_id})
        await tx.commit()


@pytest.fixture
def wide(world: World) -> World:
    """A world in which every section has enough to be split."""
    world.sources.units.clear()
    world.sources.known.clear()
    for part in range(SENTENCES // 2):
        texts = {
            heading: f"The {heading.lower()} of part {part} is {part + 3} metres. It was seen on {part + 1} May 2022."
            for heading in SECTIONS
        }
        world.sources.add(f"part{part}", texts)
    return world


async def test_the_order_of_completion_changes_nothing(wide: World) -> None:
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    orders = set()
    most: dict[int, int] = {}
    for parallelism, seed in ((1, 0), (2, 1), (8, 2), (8, 3)):
        model = ShuffledModel(seed=seed)
        content, ir, ended = await _generate(wide, model, parallelism)
        found.setdefault((content, ir), []).append((parallelism, seed))
        orders.add(tuple(step_id for step_id in ended if step_id.startswith("llm:")))
        most[parallelism] = max(most.get(parallelism, 0), model.most)
        await _forget(wide)
    assert len(found) == 1, found
    assert len(orders) >= 3, "the model did not shuffle"
    assert most[1] == 1
    assert most[2] == 2
    assert most[8] > 2


@pytest.mark.parametrize("pipeline_id", ["expand", "enrich", "regenerate"])
async def test_a_change_is_the_same_whatever_the_order(wide: World, pipeline_id: str) -> None:
    wide.model = ShuffledModel(seed=1)
    made = [await wide.start("generate", _SETTINGS, title="The bridge") for _ in range(2)]
    async with wide.worker():
        written = [await wide.until(run.run_id, "succeeded", "failed") for run in made]
    assert {run.state for run in written} == {RunState.SUCCEEDED}, written[0].error_message
    wide.sources.add(
        "late", {h: f"The {h.lower()} of the end is 99 metres. It was seen on 9 May 2022." for h in SECTIONS}
    )
    found = set()
    for run, parallelism, seed in ((written[0], 1, 7), (written[1], 8, 8)):
        wide.model = ShuffledModel(seed=seed)
        values = {**_SETTINGS, "runs.node_parallelism": parallelism}
        change = await wide.start(pipeline_id, values, artifact_id=run.artifact_id)
        async with wide.worker():
            done = await wide.until(change.run_id, "succeeded", "failed")
        assert done.result is not None, done.error_message
        found.add(done.result["content_hash"])
    assert len(found) == 1
    assert found != {written[0].result and written[0].result["content_hash"]}


async def test_a_change_goes_on_where_its_worker_stopped(wide: World) -> None:
    wide.model = ShuffledModel(seed=1)
    run = await wide.start("generate", _SETTINGS, title="The bridge")
    async with wide.worker():
        written = await wide.until(run.run_id, "succeeded", "failed")
    wide.sources.add("late", {"Cost": "The cost of the end is 99 metres. It was seen on 9 May 2022."})
    wide.model = ShuffledModel(seed=2, delay_s=0.02)
    change = await wide.start("enrich", _SETTINGS, artifact_id=written.artifact_id)
    async with wide.worker():
        async with asyncio.timeout(10):
            while sum(step.startswith("enrich:") for step in wide.model.ended) < 2:
                await asyncio.sleep(0.005)
    done_before = set(wide.model.ended)
    wide.model = ShuffledModel(seed=3)
    async with wide.worker():
        done = await wide.until(change.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    again = [step for step in wide.model.ended if step in done_before]
    assert len(again) <= 4, "what has a checkpoint is not done again"
    async with wide.open(wide.tenant_id) as work:
        revisions = await work.artifacts.revisions(wide.tenant_id, written.artifact_id, None, 10)
    assert [revision.status for revision in revisions] == ["committed", "committed"]
