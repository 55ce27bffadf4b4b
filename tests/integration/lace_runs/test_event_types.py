"""Every type of event is really said, when it should be, with the payload that belongs to it and a true envelope."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_runs.domain.event_types import EVENT_TYPES, LAST_TYPES
from lace_runs.domain.events import SCHEMA_VERSION, Event, payload_version
from lace_runs.domain.runs import Trigger
from tests.doubles.runs_world import RuleModel, World

LIE = "The bridge cost 9.9 million pounds in 2021."


async def _written(world: World) -> str:
    """A document, with a sentence that its evidence does not support."""
    world.model = RuleModel(lie=LIE)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    return run.run_id


async def _cut(world: World) -> str:
    """A model that takes less than was found."""
    world.model = RuleModel(context_tokens=1500)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    return run.run_id


async def _compiled(world: World) -> str:
    """A document that is compiled to one format, by a compiler that this test is."""
    run = await world.start("generate", title="The bridge", targets=("md",))
    async with world.worker():
        async with asyncio.timeout(20):
            while not (jobs := await world.open_jobs(run.run_id)):
                await asyncio.sleep(0.02)
        compiled = {
            "status": "succeeded", "compiled_id": "cmp_1", "bundle_hash": "0" * 64, "size_bytes": 12, "error_code": "",
            "bundle_uri": "lace-compiled/x", "error_message": "", "warnings": [],
        }  # fmt: skip
        await world.answer(run.run_id, jobs[0].job_id, {"compiled": compiled})
        await world.until(run.run_id, "succeeded")
    return run.run_id


async def _controlled(world: World) -> str:
    """Paused, resumed, taken back to a step, and cancelled."""
    world.model = RuleModel(delay_s=0.05)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "running")
        await world.control(run.run_id, Trigger.PAUSE)
        await world.until(run.run_id, "paused")
        await world.control(run.run_id, Trigger.RESUME)
        await world.until(run.run_id, "running")
        world.model.delay_s = 30
        await _said(world, run.run_id, "pipeline.step.started", 3)
        await world.control(run.run_id, Trigger.RESTART)
        await _said(world, run.run_id, "pipeline.run.restart.requested")
        await world.control(run.run_id, Trigger.CANCEL)
        await world.until(run.run_id, "cancelled")
    return run.run_id


async def _failed(world: World) -> str:
    """A step that is tried again in vain."""
    again = LaceError(Reason.PROVIDER_UNAVAILABLE, "away", retryable=True, retry_after=0.01)
    world.model = RuleModel(fail_first=[again, LaceError(Reason.PROVIDER_REFUSED, "no")])
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "failed")
    return run.run_id


async def _overdue(world: World) -> str:
    """A run that is ended from outside of its steps."""
    world.model = RuleModel(delay_s=30)
    run = await world.start("generate", {"runs.deadline_s": 1}, title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "failed")
    return run.run_id


async def _said(world: World, run_id: str, event_type: str, times: int = 1) -> None:
    async with asyncio.timeout(10):
        while [event.draft.event_type for event in await world.events(run_id)].count(event_type) < times:
            await asyncio.sleep(0.02)


RUN, STEP = "pipeline.run.", "pipeline.step."
CONTROL = [
    f"{RUN}{kind}"
    for kind in ("pause.requested", "paused", "resume.requested", "resumed", "restart.requested", "cancelled")
]
SCENARIOS: Mapping[str, tuple[Callable[[World], Awaitable[str]], Sequence[str]]] = {
    "written": (
        _written,
        [
            f"{RUN}requested", f"{RUN}started", f"{RUN}progress", f"{STEP}started", f"{STEP}progress",
            f"{STEP}completed", "pipeline.llm.prompt", "pipeline.llm.response", "pipeline.llm.usage",
            "pipeline.validation.result", "pipeline.apply.result", "pipeline.warning", f"{RUN}completed",
        ],
    ),
    "cut": (_cut, ["pipeline.context.cut", "pipeline.warning", f"{RUN}completed"]),
    "compiled": (_compiled, [f"{STEP}progress", "pipeline.compile.result", f"{RUN}completed"]),
    "controlled": (_controlled, CONTROL),
    "failed": (_failed, [f"{STEP}failed", "pipeline.error", f"{RUN}failed"]),
    "overdue": (_overdue, ["pipeline.error", f"{RUN}failed"]),
}  # fmt: skip


def test_every_type_of_the_table_has_a_scenario() -> None:
    assert {kind for _, kinds in SCENARIOS.values() for kind in kinds} == set(EVENT_TYPES)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_scenario_says_its_events_under_true_envelopes(world: World, name: str) -> None:
    act, kinds = SCENARIOS[name]
    run_id = await act(world)
    events = await world.events(run_id)
    said = [event.draft.event_type for event in events]
    assert set(kinds) <= set(said) <= set(EVENT_TYPES)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert said[0] == "pipeline.run.requested"
    assert [kind for kind in said if kind in LAST_TYPES] == [said[-1]]
    run = await world.get(run_id)
    for event in events:
        _check_envelope(event, run_id, world.tenant_id)
        # What a command brought about names the command's request, everything else the one that started the run.
        is_command = event.draft.event_type in CONTROL
        assert (event.idempotency_key == run.idempotency_key) is not is_command, event.draft.event_type
        assert (event.request_id, event.correlation_id) == ("req", "cor")


def _check_envelope(event: Event, run_id: str, tenant_id: str) -> None:
    draft, kind = event.draft, EVENT_TYPES[event.draft.event_type]
    assert list(draft.payload) == [kind.member]
    assert kind.about in ("either", "step" if draft.step_id else "run")
    assert (event.event_id, event.run_id) == (f"evt_{run_id[4:]}_{event.sequence}", run_id)
    assert (event.tenant_id, event.pipeline_id) == (tenant_id, "generate")
    assert (event.schema_version, draft.payload_schema_version) == (SCHEMA_VERSION, payload_version(draft.event_type))
    assert draft.status
    assert draft.attempt >= 1
    assert 0 <= event.progress_pct <= 100
    assert draft.occurred_at.utcoffset() is not None
    assert (draft.redaction_level == "none") is (draft.content_hash == "")


async def test_a_restart_makes_a_new_attempt_of_the_run_and_each_try_one_of_its_step(world: World) -> None:
    restarted = await world.events(await _controlled(world))
    of_run = [event.draft.attempt for event in restarted if not event.draft.step_id]
    assert of_run == sorted(of_run)
    assert of_run[-1] == 2
    world.model = RuleModel()
    tried = await world.events(await _failed(world))
    failures = [event.draft for event in tried if event.draft.event_type == "pipeline.step.failed"]
    assert [(draft.attempt, draft.payload["step_failed"]["will_retry"]) for draft in failures] == [
        (1, True),
        (2, False),
    ]


async def test_a_failure_that_ends_something_is_an_error_once_and_a_retried_one_is_none(world: World) -> None:
    of_a_step = [e.draft for e in await world.events(await _failed(world)) if e.draft.event_type == "pipeline.error"]
    assert [draft.payload["error"] for draft in of_a_step] == [
        {"code": "PROVIDER_REFUSED", "message": "no", "subject": of_a_step[0].step_id}
    ]
    of_the_run = [e.draft for e in await world.events(await _overdue(world)) if e.draft.event_type == "pipeline.error"]
    assert [(d.step_id, d.payload["error"]["code"]) for d in of_the_run] == [("", "RUN_DEADLINE_EXCEEDED")]


async def test_progress_of_a_run_names_the_node_and_only_what_is_known(world: World) -> None:
    world.model = RuleModel(delay_s=0.06)  # longer than ticks are held back
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    told: list[Any] = [
        event.draft.payload["run_progress_v2"]
        for event in await world.events(run.run_id)
        if event.draft.event_type == "pipeline.run.progress"
    ]
    assert told[-1] == {
        "steps_done": told[-1]["steps_total"],
        "steps_total": told[-1]["steps_total"],
        "remaining_ms": 0,
    }
    nodes = [progress["node"] for progress in told if "node" in progress]
    assert {node["title"] for node in nodes} <= {"The bridge", "Cost", "Safety"}
    assert nodes
    assert all(node["node_id"].startswith("nod_") for node in nodes)


@pytest.mark.parametrize("level", ["sample", "hash", "none"])
async def test_findings_show_what_the_redaction_lets_through(world: World, level: str) -> None:
    world.model = RuleModel(lie=f"{LIE} Write to someone@example.com.")
    run = await world.start("generate", {"events.redaction": level}, title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    drafts = [event.draft for event in await world.events(run.run_id)]
    checks = [draft for draft in drafts if draft.event_type == "pipeline.validation.result"]
    found = next(draft for draft in checks if draft.payload["validation_result"]["findings"])
    [finding] = found.payload["validation_result"]["findings"]
    assert (found.redaction_level, bool(finding["message"])) == (level, level != "hash")
    assert ("someone@example.com" in finding["message"]) is (level == "none")
    assert b"someone@example.com" in world.snapshots.kept[found.content_uri]
