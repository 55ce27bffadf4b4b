"""Registered pipelines: kept in versions, run as their steps say, and only by workers that can."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lace_core.composing import Definition, StepChoice
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import KINDS, PIPELINES
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from lace_runs.adapters.lease import WorkerLease
from lace_runs.app import pipelines
from lace_runs.app.runs import Start
from lace_runs.app.settling import settle
from lace_runs.domain.pipelines import Registered, kind_key
from lace_runs.domain.runs import Request, Run, RunState, Trigger
from tests.doubles.runs_world import RuleModel, World

DRAFT = Definition("draft", base="generate", without=("compile",))


async def _register(world: World, definition: Definition) -> Registered:
    async with world.open(world.tenant_id) as work:
        made = await pipelines.register(work, world.caller(), definition, utc_now())
        await work.commit()
    return made


async def _done(world: World, run: Run) -> Run:
    async with world.worker():
        return await world.until(run.run_id, "succeeded", "failed")


async def test_other_content_is_the_next_version_and_the_same_is_none(world: World) -> None:
    first = await _register(world, DRAFT)
    again = await _register(world, DRAFT)
    other = await _register(world, replace(DRAFT, description="Without files."))
    assert [p.pipeline.version for p in (first, again, other)] == [1, 1, 2]
    async with world.open(world.tenant_id) as work:
        listed = await pipelines.pipelines(work, world.tenant_id)
        shown = await pipelines.show(work, world.tenant_id, "draft", 1)
        assert isinstance(shown, Registered)
        assert (shown.pipeline.description, shown.versions) == ("", (1, 2))
        with pytest.raises(LaceError) as unknown:
            await pipelines.show(work, world.tenant_id, "draft", 3)
    assert unknown.value.reason is Reason.PIPELINE_UNKNOWN
    custom = [found for found in listed if isinstance(found, Registered)]
    assert [(found.pipeline.pipeline_id, found.pipeline.version) for found in custom] == [("draft", 2)]
    assert {found.pipeline_id for found in listed if not isinstance(found, Registered)} == set(PIPELINES) - {"noop10"}


async def test_two_at_once_make_two_versions(world: World) -> None:
    made = await asyncio.gather(*(_register(world, replace(DRAFT, description=f"{n}")) for n in range(4)))
    assert sorted(registered.pipeline.version for registered in made) == [1, 2, 3, 4]


async def test_another_tenant_does_not_see_it(world: World) -> None:
    await _register(world, DRAFT)
    other = new_id("ten")
    async with world.open(other) as work:
        with pytest.raises(LaceError) as unknown:
            await pipelines.pipeline_of(work, other, "draft")
    assert unknown.value.reason is Reason.PIPELINE_UNKNOWN


async def test_a_run_stays_on_the_version_that_it_began_with(world: World) -> None:
    await _register(world, DRAFT)
    run = await world.start("draft", title="The bridge", settings={"compile.targets": ["md"]})
    outline = Definition("draft", base="outline")
    await _register(world, outline)
    done = await _done(world, run)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert (done.pipeline_id, done.pipeline_version) == ("draft", 1)
    assert done.result is not None
    assert done.result["sentences"] == 8
    assert done.result["compiled"] == []
    assert done.steps_done == done.steps_total
    again = await world.control(run.run_id, Trigger.RESTART, "context")
    assert again.pipeline_version == 1
    finished = await _done(world, again)
    assert finished.state is RunState.SUCCEEDED, finished.error_message
    with pytest.raises(LaceError) as unknown:
        await world.control(run.run_id, Trigger.RESTART, "compile")
    assert unknown.value.reason is Reason.STEP_UNKNOWN
    newer = await _done(world, await world.start("draft", title="The bridge"))
    assert (newer.pipeline_version, newer.result and newer.result["sentences"]) == (2, 0)


async def test_an_outline_with_a_look_at_its_facts(world: World) -> None:
    names = ("load", "resolve", "intent", "sources", "outline", "context", "apply", "validate")
    await _register(world, Definition("preview", steps=tuple(map(StepChoice, names))))
    done = await _done(world, await world.start("preview", title="The bridge"))
    assert done.state is RunState.SUCCEEDED, done.error_message
    async with world.open(world.tenant_id) as work:
        kept = await work.runs.checkpoint(world.tenant_id, done.run_id, "context")
        steps = await work.runs.steps(world.tenant_id, done.run_id, 0, 100)
        document = await work.artifacts.document(world.tenant_id, done.artifact_id, done.revision_id)
    assert kept is not None
    assert [step.step for _, step in steps] == list(names)
    assert [(node.title, node.blocks) for node in document.nodes] == [("The bridge", ()), ("Cost", ()), ("Safety", ())]


async def test_a_change_of_its_own_steps(world: World) -> None:
    written = await _done(world, await world.start("generate", title="The bridge"))
    await _register(world, Definition("freshen", base="regenerate", without=("intent", "compile")))
    done = await _done(world, await world.start("freshen", artifact_id=written.artifact_id))
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert {warning["code"] for warning in done.warnings} == {"NOTHING_CHANGED"}
    assert done.revision_id == written.revision_id


async def test_a_steps_own_limits_hold(world: World) -> None:
    away = LaceError(Reason.PROVIDER_UNAVAILABLE, "away", retryable=True, retry_after=0.01)
    await _register(world, Definition("once", base="outline", steps=(StepChoice("intent", max_attempts=1),)))
    world.model = RuleModel(fail_first=[away])
    failed = await _done(world, await world.start("once", title="The bridge"))
    assert (failed.state, failed.error_code) == (RunState.FAILED, "PROVIDER_UNAVAILABLE")
    assert world.model.asked == ["intent"]
    await _register(
        world, Definition("quick", base="outline", steps=(StepChoice("intent", timeout_s=1, max_attempts=1),))
    )
    world.model = RuleModel(delay_s=5)
    late = await _done(world, await world.start("quick", title="The bridge"))
    assert (late.state, late.error_code) == (RunState.FAILED, "STEP_TIMEOUT")


async def test_only_a_worker_that_knows_all_kinds_of_steps_takes_it(world: World) -> None:
    made = await _register(world, DRAFT)
    run = await world.start("draft", title="The bridge")
    lease = WorkerLease(world.system, world.dsn, world.password, lease_ms=1500, renewal_ms=100)
    await lease.start()
    shipped = [f"{p.pipeline_id}/{p.version}" for p in PIPELINES.values()]
    kinds = [kind_key(kind) for kind in KINDS.values()]
    try:
        older = [kind for kind in kinds if kind != kind_key(KINDS["verify"])]
        # Runs that other tests left queued may be claimed too.
        assert run.run_id not in {work.run.run_id for work in await lease.claim([], [*shipped, *older], 1000)}
        claimed = await lease.claim([], [*shipped, *kinds], 1000)
    finally:
        await lease.close()
        async with world.system.transaction() as tx:  # or the worker of the next test takes it
            await tx.execute("UPDATE runs.runs SET state = 'cancelled' WHERE run_id = :run_id", {"run_id": run.run_id})
            await tx.commit()
    assert (run.run_id, made.pipeline) in [(work.run.run_id, work.pipeline) for work in claimed]


async def _settled(world: World, pipeline_id: str, artifact_id: str = "", **request: object) -> Start:
    start = Start(pipeline_id, Request(**request), artifact_id)  # type: ignore[arg-type]
    settled, pipeline = await settle(world.open, world.sources, world.snapshots, world.caller(), start)
    assert settled.pipeline_id == pipeline.pipeline_id
    return settled


async def test_auto_chooses_by_what_is_there(world: World) -> None:
    fresh = await _settled(world, "auto", title="The bridge")
    assert (fresh.pipeline_id, fresh.request.asked_pipeline_id) == ("generate", "auto")
    planned = await _done(world, await world.start("outline", title="The bridge"))
    outlined = await _settled(world, "auto", planned.artifact_id)
    assert (outlined.pipeline_id, outlined.request.title) == ("generate", "The bridge")
    written = await _done(world, await world.start("generate", title="The bridge", artifact_id=planned.artifact_id))
    assert written.state is RunState.SUCCEEDED, written.error_message
    assert (await _settled(world, "auto", written.artifact_id)).pipeline_id == "regenerate"
    assert (await _settled(world, "auto", written.artifact_id, instructions="Shorter.")).pipeline_id == "patch"
    world.sources.add("more", {"Cost": "The loan runs for twenty years. It was taken in 2020."})
    newer = await _settled(world, "auto", written.artifact_id)
    assert newer.pipeline_id == "enrich"
    assert "1 source is" in newer.request.chosen_because
    enriched = await _done(world, await world.start("enrich", artifact_id=written.artifact_id))
    assert enriched.state is RunState.SUCCEEDED, enriched.error_message
    looked = await _settled(world, "auto", written.artifact_id)
    assert looked.pipeline_id == "regenerate", "a source that a run has looked at is not new, cited or not"


async def test_a_change_is_checked_against_what_it_is_about(world: World) -> None:
    written = await _done(world, await world.start("generate", title="The bridge"))
    for artifact_id, request, reason in (
        ("", {}, Reason.INVALID_ARGUMENT),
        ("art_none", {}, Reason.ARTIFACT_NOT_FOUND),
        (written.artifact_id, {"node_id": "nod_none"}, Reason.NODE_NOT_FOUND),
        (written.artifact_id, {"title": "Another"}, Reason.INVALID_ARGUMENT),
    ):
        with pytest.raises(LaceError) as refused:
            await _settled(world, "expand", artifact_id, **request)
        assert refused.value.reason is reason
    settled = await _settled(world, "expand", written.artifact_id)
    assert (settled.request.title, settled.request.scope) == ("The bridge", "subtree")
