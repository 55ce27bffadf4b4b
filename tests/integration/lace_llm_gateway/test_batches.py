"""Batches on Postgres: their order, their lock, their pauses, and what is left of them when a process dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.batches.list_batches import get_batch, list_batches
from lace_llm_gateway.app.batches.move_batch import cancel_batch, pause_batch, resume_batch
from lace_llm_gateway.app.batches.run_batch import BatchAsk, run_batch
from lace_llm_gateway.app.batches.tasks import OrphanWatch, RequestedWork
from lace_llm_gateway.domain.als import SeedKeys
from lace_llm_gateway.domain.batches import BatchState, DriftPolicy, ModelLock
from lace_llm_gateway.domain.stored_templates import AlsVariant, GroundingMode, TemplateRunState
from lace_platform.db.transaction import Transaction
from tests.doubles.batch_world import FAST, LOCALES, BatchWorld, Process, unavailable

OK, FAILED = TemplateRunState.SUCCEEDED, TemplateRunState.FAILED


@pytest.fixture
async def world(
    database: Callable[[str], Any], system_database: Callable[[str], Any], tenant_id: str
) -> AsyncIterator[BatchWorld]:
    async with AsyncExitStack() as stack:
        yield BatchWorld(database("llm_gateway"), system_database("llm_gateway"), tenant_id, stack)


async def finished(world: BatchWorld, process: Process, **more: Any) -> str:
    """A batch that has come to rest; its id."""
    template = await world.template(process, **more.pop("content", {}))
    batch_id = (await world.run(process, template, **more)).batch.batch_id
    await process.background.idle()
    return batch_id


async def test_every_locale_mode_and_replicate_is_run_in_a_stable_order(world: BatchWorld) -> None:
    process = await world.process()
    modes = (GroundingMode.NONE, GroundingMode.PREFERRED)
    batch_id = await finished(world, process, modes=modes, replicates=2)
    view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
    assert view.batch.state is BatchState.COMPLETED
    assert (view.batch.total, view.progress.succeeded, view.progress.failed) == (12, 12, 0)
    assert view.batch.lock == ModelLock("gpt-4o-2024-08-06", "fp_1")
    assert [run.batch_run_index for run in runs] == list(range(12))
    expected = [(locale, mode, at) for locale in LOCALES for mode in modes for at in range(2)]
    assert [(run.locale, run.grounding, run.replicate_index) for run in runs] == expected
    asked = [request.messages[1].content for request in world.model.requests[1:]]
    assert asked == [run.als.als_block_text for run in runs]  # one at a time, in their order
    assert len({run.answered.response_output_sha256 for run in runs}) == len(LOCALES)
    assert view.progress.input_tokens == sum(run.provenance.input_tokens for run in runs) > 0


async def test_the_lock_is_taken_once_before_the_first_run(world: BatchWorld) -> None:
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=3)
    first, *others = world.model.requests
    assert "ready" in first.messages[-1].content
    assert len(others) == 3
    calls = await process.templates.gateway.ledger.of_run(world.tenant_id, batch_id, 10, None)
    assert [(call.key.step_id, call.key.attempt) for call in calls] == [("preflight", 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"locales": ("pt",)},
        {"variables": {}},
        {"variables": {"city": 1}},
        {"replicates": 1000},
        {"variables": {"city": "x" * 100_000}, "locales": ("fr",), "replicates": 200},
    ],
)
async def test_what_is_wrong_with_any_run_is_said_before_any_is_made(world: BatchWorld, wrong: dict[str, Any]) -> None:
    process = await world.process()
    template = await world.template(process)
    with pytest.raises(LaceError):
        await world.run(process, template, **wrong)
    async with process.batching.units.of_tenant(world.tenant_id) as unit:
        assert not await unit.batches.listed(world.tenant_id, template.template_id, None, 10, None)
    assert world.model.requests == []


async def test_a_key_stands_for_one_batch(world: BatchWorld) -> None:
    process = await world.process()
    template = await world.template(process)
    ask = BatchAsk(template.template_id, {"city": "Graz"}, locales=("fr",))
    seen = set()
    for _ in range(2):
        with world.asking("key_1"):
            view = await run_batch(process.batching, world.tenant_id, "prn_1", ask, ("run", b"{}"))
        seen.add(view.batch.batch_id)
        await process.background.idle()
    assert len(seen) == 1
    assert len(world.model.paid) == 1


async def test_drift_pauses_and_the_drifted_answer_does_not_count(world: BatchWorld) -> None:
    world.model.drifts_after = 3  # the preflight and two runs
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=5)
    view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
    assert (view.batch.state, view.batch.error_code) == (BatchState.PAUSED, "BATCH_DRIFTED")
    assert "fp_2" in view.batch.error_message
    queued = TemplateRunState.QUEUED
    assert [run.state for run in runs] == [OK, OK, FAILED, queued, queued]
    assert (runs[2].answered.error_code, runs[2].answered.output) == ("BATCH_DRIFTED", "")
    assert runs[2].provenance.fingerprint == "fp_2"
    assert view.progress.drifted == 1
    assert world.counts.told == [("version_mismatch", "openai"), ("batch_drift_pause", "openai")]


async def test_a_drifted_batch_goes_on_under_the_new_lock_without_paying_twice(world: BatchWorld) -> None:
    world.model.drifts_after = 3
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=4)
    with world.asking():
        await resume_batch(process.batching, world.tenant_id, batch_id, True, False, ("resume", b"{}"))
    await process.background.idle()
    view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
    assert view.batch.state is BatchState.COMPLETED
    assert view.batch.lock == ModelLock("gpt-4o-2024-08-06", "fp_2")
    assert [run.state for run in runs] == [OK] * 4
    assert [run.provenance.fingerprint for run in runs] == ["fp_1", "fp_1", "fp_2", "fp_2"]
    assert view.progress.drifted == 2  # those that were made before the new lock
    assert len(world.model.paid) == 4
    assert len(world.model.requests) == 4 + 2  # and a preflight each time


async def test_a_drifted_batch_held_to_its_old_lock_asks_again(world: BatchWorld) -> None:
    world.model.drifts_after = 2
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=2)
    world.model.drifts_after, world.model.fingerprint = 1_000, "fp_1"  # the provider went back
    with world.asking():
        await resume_batch(process.batching, world.tenant_id, batch_id, False, False, ("resume", b"{}"))
    await process.background.idle()
    view = await world.view(process, batch_id)
    assert (view.batch.state, view.progress.succeeded, view.progress.drifted) == (BatchState.COMPLETED, 2, 0)
    assert len(world.model.paid) == 3


async def test_drift_fails_the_batch_where_the_policy_says_so(world: BatchWorld) -> None:
    world.model.drifts_after = 2
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=4, drift_policy=DriftPolicy.FAIL)
    view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
    assert (view.batch.state, view.batch.error_code) == (BatchState.FAILED, "BATCH_DRIFTED")
    cancelled = TemplateRunState.CANCELLED
    assert [run.state for run in runs] == [OK, FAILED, cancelled, cancelled]
    assert len(world.model.paid) == 2


async def test_drift_is_counted_where_the_batch_goes_on(world: BatchWorld) -> None:
    world.model.drifts_after = 2
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=4, drift_policy=DriftPolicy.CONTINUE)
    view = await world.view(process, batch_id)
    assert (view.batch.state, view.progress.succeeded, view.progress.drifted) == (BatchState.COMPLETED, 4, 3)
    assert world.counts.told == [("version_mismatch", "openai")] * 3


async def test_a_batch_does_not_begin_under_another_version_than_the_template_s(world: BatchWorld) -> None:
    process = await world.process()
    held = {"model_version_constraint": "gpt-4o-2024-05-13"}
    batch_id = await finished(world, process, locales=("fr",), content=held)
    view = await world.view(process, batch_id)
    assert (view.batch.state, view.batch.error_code) == (BatchState.FAILED, "MODEL_VERSION_MISMATCH")
    assert world.model.paid == []


async def test_a_run_that_is_tried_again_keeps_its_place_and_its_block(world: BatchWorld) -> None:
    process = await world.process()
    world.model.failures = {2: [unavailable()], 3: [unavailable()]}
    batch_id = await finished(world, process, locales=("fr",), replicates=3)
    runs = await world.runs(process, batch_id)
    assert [run.state for run in runs] == [OK] * 3
    assert [(run.batch_run_index, run.replicate_index) for run in runs] == [(0, 0), (1, 1), (2, 2)]
    assert len({run.als for run in runs}) == 1
    calls = await process.templates.gateway.ledger.of_run(world.tenant_id, runs[1].run_id, 10, None)
    assert [call.settlement.state.value for call in calls if call.settlement] == ["failed", "failed", "succeeded"]


async def test_what_fails_for_good_is_left_and_made_again_when_asked_for(world: BatchWorld) -> None:
    process = await world.process()
    refused = LaceError(Reason.PROVIDER_REFUSED, "no")
    world.model.failures = {2: [refused]}
    batch_id = await finished(world, process, locales=("fr",), replicates=3)
    assert (await world.view(process, batch_id)).progress.failed == 1
    assert (await world.view(process, batch_id)).batch.state is BatchState.COMPLETED
    with world.asking(), pytest.raises(LaceError) as ended:
        await resume_batch(process.batching, world.tenant_id, batch_id, False, False, ("resume", b"{}"))
    assert ended.value.reason is Reason.BATCH_TRANSITION_ILLEGAL
    with world.asking():
        await resume_batch(process.batching, world.tenant_id, batch_id, False, True, ("resume", b"{}"))
    await process.background.idle()
    view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
    assert (view.batch.state, view.progress.succeeded) == (BatchState.COMPLETED, 3)
    assert [(run.batch_run_index, run.replicate_index) for run in runs] == [(0, 0), (1, 1), (2, 2)]
    assert len(world.model.paid) == 4


async def test_pause_lets_end_what_is_under_way_and_resume_goes_on(world: BatchWorld) -> None:
    process = await world.process(replace(FAST, concurrency=2))
    world.model.gate_from = 3
    template = await world.template(process)
    batch_id = (await world.run(process, template, locales=("fr",), replicates=6)).batch.batch_id
    await asyncio.wait_for(world.model.asked.wait(), 20)
    with world.asking():
        view = await pause_batch(process.batching, world.tenant_id, batch_id, ("pause", b"{}"))
    assert view.batch.state is BatchState.PAUSING
    await asyncio.sleep(3 * FAST.poll_s)  # the executor looks this often
    world.model.open.set()
    await process.background.idle()
    paused = await world.view(process, batch_id)
    assert paused.batch.state is BatchState.PAUSED
    made = paused.progress.succeeded
    assert 3 <= made < 6
    assert paused.progress.running == 0
    with world.asking():
        await resume_batch(process.batching, world.tenant_id, batch_id, False, False, ("resume", b"{}"))
    await process.background.idle()
    assert (await world.view(process, batch_id)).progress.succeeded == 6
    assert len(world.model.paid) == 6
    assert (await world.view(process, batch_id)).batch.dispatch == 2


async def test_cancel_ends_what_is_under_way_at_once(world: BatchWorld) -> None:
    process = await world.process()
    world.model.gate_from = 2
    template = await world.template(process)
    batch_id = (await world.run(process, template, locales=("fr",), replicates=4)).batch.batch_id
    await asyncio.wait_for(world.model.asked.wait(), 20)
    with world.asking():
        await cancel_batch(process.batching, world.tenant_id, batch_id, ("cancel", b"{}"))
    await process.background.idle()  # the gate is never opened
    runs = await world.runs(process, batch_id)
    assert [run.state for run in runs] == [OK, *[TemplateRunState.CANCELLED] * 3]
    assert (await world.view(process, batch_id)).batch.state is BatchState.CANCELLED


async def test_what_cannot_be_done_is_said_with_its_code(world: BatchWorld) -> None:
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",))
    for change in (pause_batch, cancel_batch):
        with world.asking(), pytest.raises(LaceError) as illegal:
            await change(process.batching, world.tenant_id, batch_id, ("x", b"{}"))
        assert illegal.value.reason is Reason.BATCH_TRANSITION_ILLEGAL
    with pytest.raises(LaceError) as unknown:
        await get_batch(process.batching, world.tenant_id, "bat_x")
    assert unknown.value.reason is Reason.BATCH_NOT_FOUND
    with pytest.raises(LaceError) as foreign:
        await get_batch(process.batching, "ten_other", batch_id)
    assert foreign.value.reason is Reason.BATCH_NOT_FOUND


async def killed(world: BatchWorld, process: Process, batch_id: str) -> None:
    """The process is gone in the middle: its tasks end without a word to the database, its lease runs out."""
    for task in tuple(process.background._tasks):
        task.cancel()
    await process.background.idle()
    async with world.database.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE batches SET holder = 'dead', held_until = now() - interval '1 second' WHERE batch_id = :batch_id",
            {"batch_id": batch_id},
        )
        await tx.commit()


async def as_left_by_a_kill(world: BatchWorld, run_id: str, *, answered: bool) -> None:
    """A run whose process died: after the answer was in the ledger, or while the provider was being asked."""
    async with world.system.transaction() as tx:
        await tx.execute(
            "UPDATE template_runs SET state = 'running', error_code = '', error_message = '', output = '', "
            "response_output_sha256 = '', ended_at = NULL WHERE run_id = :run_id",
            {"run_id": run_id},
        )
        if not answered:
            await tx.execute(
                "UPDATE llm_calls SET state = 'pending', output = '', output_hash = '', error_code = '', "
                "error_message = '' WHERE run_id = :run_id",
                {"run_id": run_id},
            )
        await tx.commit()


@pytest.mark.parametrize("answered", [True, False])
async def test_a_batch_whose_process_died_goes_on_without_a_run_that_is_paid_for_twice(
    world: BatchWorld, answered: bool
) -> None:
    process = await world.process()
    world.model.gate_from = 4
    template = await world.template(process)
    batch_id = (await world.run(process, template, locales=("fr",), replicates=5)).batch.batch_id
    await asyncio.wait_for(world.model.asked.wait(), 20)
    await killed(world, process, batch_id)
    runs = await world.runs(process, batch_id)
    await as_left_by_a_kill(world, runs[2].run_id if answered else runs[3].run_id, answered=answered)
    asked_before = len(world.model.paid)
    world.model.gate_from = 1_000

    other = await world.process()
    watch = OrphanWatch(other.executor, world.orphans(), other.background)
    await watch.look()
    await other.background.idle()
    view, after = await world.view(other, batch_id), await world.runs(other, batch_id)
    assert view.batch.state is BatchState.COMPLETED
    assert [run.batch_run_index for run in after] == list(range(5))
    if answered:  # the fourth was cancelled by its process, the third's answer was taken from the ledger
        assert [run.state for run in after] == [OK] * 5
        assert len(world.model.paid) == asked_before + 2
        assert len({run.answered.response_output_sha256 for run in after}) == 1
        calls = await other.templates.gateway.ledger.of_run(world.tenant_id, runs[2].run_id, 10, None)
        assert len(calls) == 1
    else:  # nothing tells whether the fourth was answered: it is not asked again by itself
        assert [run.state for run in after] == [OK, OK, OK, FAILED, OK]
        assert after[3].answered.error_code == "SERVICE_UNAVAILABLE"
        assert len(world.model.paid) == asked_before + 1


async def test_a_batch_that_is_held_is_nobody_s_orphan(world: BatchWorld) -> None:
    process, other = await world.process(), await world.process()
    world.model.gate_from = 1
    template = await world.template(process)
    batch_id = (await world.run(process, template, locales=("fr",))).batch.batch_id
    await asyncio.wait_for(world.model.asked.wait(), 20)
    await OrphanWatch(other.executor, world.orphans(), other.background).look()
    await other.executor.execute(world.tenant_id, batch_id)
    world.model.open.set()
    await process.background.idle()
    assert len(world.model.paid) == 1


async def test_a_batch_is_not_taken_twice_by_one_process(world: BatchWorld) -> None:
    """Its lease ran out while the database was away, and the search for orphans comes before its renewal."""
    process = await world.process(replace(FAST, poll_s=60.0))
    world.model.gate_from = 1
    template = await world.template(process)
    batch_id = (await world.run(process, template, locales=("fr",))).batch.batch_id
    await asyncio.wait_for(world.model.asked.wait(), 20)
    async with world.database.transaction(world.tenant_id) as tx:
        lapsed = "UPDATE batches SET held_until = now() - interval '1 hour' WHERE batch_id = :id"
        await tx.execute(lapsed, {"id": batch_id})
        await tx.commit()
    await process.executor.execute(world.tenant_id, batch_id)
    assert [run.state for run in await world.runs(process, batch_id)] == [TemplateRunState.RUNNING]
    world.model.open.set()
    await process.background.idle()
    assert [run.state for run in await world.runs(process, batch_id)] == [OK]
    assert len(world.model.paid) == 1


async def test_no_more_runs_are_under_way_than_may_be(world: BatchWorld) -> None:
    process = await world.process(replace(FAST, concurrency=3))
    world.model.gate_from = 1
    template = await world.template(process)
    await world.run(process, template, replicates=4)

    async def three() -> bool:
        return world.model.under_way == 3

    await world.until(three)
    world.model.open.set()
    await process.background.idle()
    assert world.model.most_at_once == 3


async def test_runs_begin_no_faster_than_they_may(world: BatchWorld) -> None:
    process = await world.process(replace(FAST, per_minute=2))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    process.executor.sleep = sleep
    process.executor.limits = replace(process.executor.limits, poll_s=1_000.0)  # its own waits stand out
    await finished(world, process, locales=("fr",), replicates=5)
    pauses = [seconds for seconds in waits if seconds < 1_000.0]
    # No time passes in these waits, so that each run waits half a minute longer than the one before.
    assert [round(seconds / 30) for seconds in pauses] == [1, 2, 3, 4]


async def test_both_runners_give_the_same_hashes(world: BatchWorld) -> None:
    found = {}
    for mode in ("sync", "queue"):
        process = await world.process(mode=mode)
        template = await world.template(process)
        batch_id = (await world.run(process, template, replicates=2)).batch.batch_id
        await process.background.idle()
        if mode == "queue":
            assert (await world.view(process, batch_id)).batch.state is BatchState.QUEUED
            await delivered(world, process, twice=True)
        view, runs = await world.view(process, batch_id), await world.runs(process, batch_id)
        assert (view.batch.state, view.batch.execution_mode.value) == (BatchState.COMPLETED, mode)
        found[mode] = [
            (run.batch_run_index, run.locale, run.provenance.input_hash, run.answered.response_output_sha256,
             run.als, run.answered.output)
            for run in runs
        ]  # fmt: skip
    assert found["sync"] == found["queue"]
    assert len(world.model.paid) == 2 * 6  # the second delivery made nothing


async def delivered(world: BatchWorld, process: Process, *, twice: bool = False) -> None:
    """Hands the outbox's messages to a consumer, as the bus does."""
    from lace_llm_gateway.api.consumers import BATCH_REQUESTED, BatchConsumer
    from lace_platform.bus import Envelope

    work = RequestedWork(process.templates, process.batching.units, process.executor, process.background)
    consumer = BatchConsumer(work)
    for row in await world.messages(BATCH_REQUESTED):
        envelope = Envelope(row.id, row.tenant_id, row.topic, row.key, orjson.dumps(row.payload_json))
        await consumer.handle(envelope)
        if twice:
            await consumer.handle(envelope)
        await process.background.idle()


async def test_a_single_run_takes_the_same_way(world: BatchWorld) -> None:
    from lace_llm_gateway.app.templates.run_template import RunAsk, run_template

    hashes = set()
    for mode in ("sync", "queue"):
        process = await world.process(mode=mode)
        template = await world.template(process)
        ask = RunAsk(template.template_id, {"city": "Graz"}, "fr")
        with world.asking():
            run = await run_template(
                process.templates, world.tenant_id, "prn_1", ask, ("run", b"{}"), None, process.batching.runner.run_cell
            )
        assert run.state is TemplateRunState.QUEUED
        await process.background.idle()
        if mode == "queue":
            await delivered(world, process)
        async with process.batching.units.of_tenant(world.tenant_id) as unit:
            ended = await unit.runs.get(world.tenant_id, run.run_id)
        assert ended is not None
        assert ended.state is OK
        hashes.add((ended.provenance.input_hash, ended.answered.response_output_sha256))
    assert len(hashes) == 1


async def test_what_ended_is_told_to_who_analyses(world: BatchWorld) -> None:
    process = await world.process()
    batch_id = await finished(world, process, locales=("fr",), replicates=2)
    runs = [row.payload_json["run"] for row in await world.messages("llm.template_run.recorded")]
    assert [run["batch_run_index"] for run in runs if run["batch_id"] == batch_id] == [0, 1]
    assert all(run["state"] == "succeeded" and not run["output"] for run in runs)
    assert all(run["response_output_sha256"] and run["input_tokens"] == 10 for run in runs)
    batches = [row.payload_json["batch"] for row in await world.messages("llm.batch.recorded")]
    assert [batch["state"] for batch in batches] == ["queued", "completed"]
    assert batches[-1]["succeeded"] == 2


async def test_the_batches_of_a_template_are_listed_newest_first(world: BatchWorld) -> None:
    process = await world.process()
    template = await world.template(process)
    ids = [(await world.run(process, template, locales=("fr",))).batch.batch_id for _ in range(3)]
    await process.background.idle()
    page = await list_batches(process.batching, world.tenant_id, template.template_id, None, 2, None)
    assert [view.batch.batch_id for view in page.batches] == ids[:0:-1]
    last = await list_batches(process.batching, world.tenant_id, template.template_id, None, 2, page.after)
    assert ([view.batch.batch_id for view in last.batches], last.after) == (ids[:1], None)
    queued = BatchState.QUEUED
    assert not (await list_batches(process.batching, world.tenant_id, template.template_id, queued, 2, None)).batches


async def test_a_page_of_batches_costs_as_many_statements_as_one(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await world.process()
    template = await world.template(process)
    made = [(await world.run(process, template, locales=("fr",), replicates=many)).batch.batch_id for many in (1, 2)]
    await process.background.idle()
    execute, asked = Transaction.execute, list[str]()

    async def counted(self: Transaction, statement: Any, parameters: Any = None) -> Any:
        asked.append(str(statement))
        return await execute(self, statement, parameters)

    monkeypatch.setattr(Transaction, "execute", counted)
    page = await list_batches(process.batching, world.tenant_id, template.template_id, None, 10, None)
    assert {view.batch.batch_id: view.progress.succeeded for view in page.batches} == dict(
        zip(made, (1, 2), strict=True)
    )
    assert len(asked) == 2


async def test_key_rotation_leaves_the_blocks_of_existing_templates_as_they_are(world: BatchWorld) -> None:
    before = await world.process()
    template = await world.template(before)
    first = (await world.run(before, template)).batch.batch_id
    await before.background.idle()
    world.seed_keys = SeedKeys({"k1": b"a seed key of the tests", "k2": b"the key that came after"})
    after = await world.process()
    second = (await world.run(after, template)).batch.batch_id
    await after.background.idle()
    blocks = [[run.als for run in await world.runs(after, batch_id)] for batch_id in (first, second)]
    assert blocks[0] == blocks[1]
    assert {block.seed_key_id for block in blocks[1]} == {"k1"}
    newer = await world.template(after, version="2")
    assert newer.content.seed_key_id == "k2"
    assert template.content.seed_key_id == "k1"


async def test_a_block_over_the_limit_stops_the_batch_before_it_begins(world: BatchWorld) -> None:
    process = await world.process()
    template = await world.template(process, als_variants=(AlsVariant("v", "", "x" * 300),))
    world.settings["llm.als_limit"] = 299
    stricter = await world.process()
    with pytest.raises(LaceError) as failure:
        await world.run(stricter, template)
    assert failure.value.reason is Reason.ALS_OVER_LIMIT
    assert world.counts.told == [("als_over_limit",)]
    assert world.model.requests == []
