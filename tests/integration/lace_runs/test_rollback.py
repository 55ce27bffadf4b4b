"""Rollback: an earlier revision comes back as a new one, once, and over nobody else's work."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core.actions import UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_runs.app import artifacts, rollback
from lace_runs.app.ports import Resolved
from lace_runs.domain.artifacts import Revision, Staging
from lace_runs.domain.runs import Run, RunState, Trigger
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.runs_world import SOURCE, World

SETTINGS = Resolved({**resolve([]).values, "compile.targets": []}, "", "")


class Document:
    """One document, and what happens to it."""

    def __init__(self, world: World, artifact_id: str) -> None:
        self.world, self.artifact_id = world, artifact_id

    async def head(self) -> tuple[Revision, Artifact]:
        async with self.world.open(self.world.tenant_id) as work:
            shown = await artifacts.show(work, self.world.tenant_id, self.artifact_id)
        assert shown.revision is not None
        return shown.revision, shown.document

    async def rename(self, title: str) -> str:
        head, document = await self.head()
        action = UpdateNode(key=f"{head.revision_id}/{title}", node_id=document.root.node_id, title=title)
        asked = artifacts.Patch(self.artifact_id, (action,))
        async with self.world.open(self.world.tenant_id) as work:
            shown, _ = await artifacts.patch(work, self.world.sources, self.world.caller(), asked, utc_now())
            await work.commit()
        return shown.record.head_revision_id

    async def ask(self, revision_id: str, key: str = "", **more: Any) -> tuple[rollback.Plan, Run | None]:
        asked = rollback.Asked(self.artifact_id, revision_id, **more)
        async with self.world.open(self.world.tenant_id) as work:
            found = await rollback.start(work, self.world.caller(key), asked, SETTINGS, utc_now())
            await work.commit()
        return found

    async def back_to(self, revision_id: str) -> Run:
        _, run = await self.ask(revision_id)
        assert run is not None
        return await self.world.until(run.run_id, "succeeded", "failed")

    async def rows(self, table: str) -> int:
        async with self.world.system.transaction() as tx:
            row = await tx.fetch_one(
                f"SELECT count(*) AS n FROM runs.{table} WHERE artifact_id = :a", {"a": self.artifact_id}
            )
        assert row is not None
        return int(row.n)


@pytest.fixture
async def document(world: World) -> Document:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return Document(world, run.artifact_id)


async def test_the_new_revision_has_the_old_hash_and_the_head_as_its_parent(world: World, document: Document) -> None:
    old, text = await document.head()
    newer = await document.rename("Another title")
    nodes, blocks, evidence = [await document.rows(t) for t in ("artifact_nodes", "artifact_blocks", "evidence")]
    async with world.worker():
        done = await document.back_to(old.revision_id)
    assert (done.state, done.error_message) == (RunState.SUCCEEDED, "")
    head, now = await document.head()
    assert (head.ir_hash, head.content_hash, head.parent_revision_id) == (old.ir_hash, old.content_hash, newer)
    assert (now, head.run_id) == (text, done.run_id)
    assert head.revision_id not in (old.revision_id, newer)
    # Versions of nodes are shared: nothing was copied.
    assert [await document.rows(t) for t in ("artifact_nodes", "artifact_blocks", "evidence")] == [
        nodes, blocks, evidence,
    ]  # fmt: skip
    assert done.result is not None
    assert (done.result["revision_id"], done.result["ir_hash"]) == (head.revision_id, old.ir_hash)


async def test_it_tells_what_it_changed_and_keeps_the_verdicts(world: World, document: Document) -> None:
    old, _ = await document.head()
    async with world.open(world.tenant_id) as work:
        before = await work.artifacts.verdicts(world.tenant_id, WantedVerdicts(document.artifact_id), 0, 100)
    await document.rename("Another title")
    async with world.worker():
        done = await document.back_to(old.revision_id)
    async with world.open(world.tenant_id) as work:
        after = await work.artifacts.verdicts(world.tenant_id, WantedVerdicts(document.artifact_id), 0, 100)
    assert [row for _, row in after] == [row for _, row in before]
    assert after
    async with world.system.transaction() as tx:
        changes = await tx.fetch_all(
            "SELECT subject_id, change, run_id FROM runs.change_events WHERE revision_id = :r",
            {"r": done.result["revision_id"] if done.result else ""},
        )
    root = (await document.head())[1].root.node_id
    assert [tuple(row) for row in changes] == [(root, "replaced", done.run_id)]
    types = [event.draft.event_type for event in await world.events(done.run_id)]
    for kind in ("run.requested", "run.started", "apply.result", "validation.result", "run.completed"):
        assert f"pipeline.{kind}" in types


async def test_a_preview_shows_the_difference_and_changes_nothing(world: World, document: Document) -> None:
    old, _ = await document.head()
    newer = await document.rename("Another title")
    tables = ("artifact_revisions", "runs", "artifact_locks", "change_events")
    before = [await document.rows(table) for table in tables]
    asked = rollback.Asked(document.artifact_id, old.revision_id)
    plan, found = await rollback.preview(world.open, world.tenant_id, asked)
    assert (plan.head.revision_id, plan.target.revision_id) == (newer, old.revision_id)
    assert [(d.subject, d.change, d.before_text, d.after_text) for d in found.differences] == [
        ("node", "changed", "Another title", "The bridge")
    ]
    assert [await document.rows(table) for table in tables] == before


async def test_a_rollback_can_be_rolled_back(world: World, document: Document) -> None:
    first, _ = await document.head()
    second = await document.rename("Another title")
    async with world.worker():
        await document.back_to(first.revision_id)
        await document.back_to(second)
        head, text = await document.head()
        assert text.root.title == "Another title"
        done = await document.back_to(first.revision_id)
    head, text = await document.head()
    assert (head.ir_hash, done.state) == (first.ir_hash, RunState.SUCCEEDED)
    async with world.open(world.tenant_id) as work:
        revisions = await work.artifacts.revisions(world.tenant_id, document.artifact_id, None, 100)
    assert len(revisions) == 5
    assert [r.ir_hash for r in revisions].count(first.ir_hash) == 3


async def test_what_is_there_already_makes_no_revision_and_no_run(world: World, document: Document) -> None:
    head, _ = await document.head()
    plan, run = await document.ask(head.revision_id)
    assert (plan.unchanged, run) == (True, None)
    assert await document.rows("artifact_revisions") == 1


async def test_a_head_that_moves_before_the_run_begins_stops_it(world: World, document: Document) -> None:
    old, _ = await document.head()
    await document.rename("Another title")
    _, run = await document.ask(old.revision_id)
    assert run is not None
    with pytest.raises(LaceError) as locked:
        await document.rename("Third")
    assert locked.value.reason is Reason.ARTIFACT_LOCKED
    async with world.system.transaction() as tx:  # as after the lock ran out while no worker came
        await tx.execute(
            "UPDATE runs.artifact_locks SET expires_at = now() - interval '1 s' WHERE artifact_id = :a",
            {"a": document.artifact_id},
        )
        await tx.commit()
    third = await document.rename("Third")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.error_code) == (RunState.FAILED, "REVISION_CONFLICT")
    assert (await document.head())[0].revision_id == third


async def test_wrong_questions_are_refused_with_their_code(world: World, document: Document) -> None:
    head, text = await document.head()
    other = await world.start("outline", title="Another document")
    async with world.worker():
        await world.until(other.run_id, "succeeded")
    theirs = (await Document(world, other.artifact_id).head())[0]
    staged = msgspec.structs.replace(text, title="Never committed")
    revision = Revision(**{**vars(head), "revision_id": "rev_staged", "ir_hash": "x", "status": "staged"})
    async with world.open(world.tenant_id) as work:
        await work.artifacts.stage(world.tenant_id, Staging(revision=revision, document=staged, changes=()))
        empty = await artifacts.create(work, world.caller("k"), "Empty", "en", utc_now())
        await work.commit()
    cases: list[tuple[str, str, dict[str, str], Reason]] = [
        (document.artifact_id, theirs.revision_id, {}, Reason.REVISION_NOT_FOUND),
        (document.artifact_id, "rev_staged", {}, Reason.REVISION_NOT_FOUND),
        (document.artifact_id, "rev_none", {}, Reason.REVISION_NOT_FOUND),
        ("art_none", head.revision_id, {}, Reason.ARTIFACT_NOT_FOUND),
        (empty.record.artifact_id, head.revision_id, {}, Reason.ARTIFACT_EMPTY),
        (document.artifact_id, head.revision_id, {"etag": "rev_other"}, Reason.ETAG_MISMATCH),
    ]
    for artifact_id, revision_id, more, reason in cases:
        with pytest.raises(LaceError) as refused:
            await Document(world, artifact_id).ask(revision_id, **more)
        assert refused.value.reason is reason, (artifact_id, revision_id)


async def test_citations_stay_exact_when_their_source_changed(world: World, document: Document) -> None:
    old, text = await document.head()
    await document.rename("Another title")
    for unit_id, unit in world.sources.units.items():
        world.sources.units[unit_id] = msgspec.structs.replace(unit, text="Rewritten: " + unit.text)
    async with world.worker():
        done = await document.back_to(old.revision_id)
    assert done.state is RunState.SUCCEEDED
    assert [(w["code"], w["subject"]) for w in done.warnings] == [("SOURCE_CHANGED", SOURCE.source_id)]
    now = (await document.head())[1]
    assert [n.evidence for n in now.nodes] == [n.evidence for n in text.nodes]


async def test_a_worker_that_dies_between_commit_and_checkpoint_leaves_one_revision(
    world: World, document: Document
) -> None:
    """The step is done again by the next worker, and finds its revision committed."""
    old, _ = await document.head()
    await document.rename("Another title")
    _, run = await document.ask(old.revision_id)
    assert run is not None
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    async with world.system.transaction() as tx:  # the run as it was before that checkpoint
        key = {"r": run.run_id}
        await tx.execute("DELETE FROM runs.run_checkpoints WHERE run_id = :r AND step_id = 'validate'", key)
        await tx.execute("UPDATE runs.runs SET state = 'running', ended_at = NULL WHERE run_id = :r", key)
        await tx.commit()
    later = await document.rename("Somebody was faster")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.error_message) == (RunState.SUCCEEDED, "")
    assert await document.rows("artifact_revisions") == 4
    assert (await document.head())[0].revision_id == later


async def test_restarting_a_finished_rollback_finds_nothing_left_to_do(world: World, document: Document) -> None:
    old, _ = await document.head()
    await document.rename("Another title")
    async with world.worker():
        done = await document.back_to(old.revision_id)
        head, _ = await document.head()
        again = await world.control(done.run_id, Trigger.RESTART)
        ended = await world.until(again.run_id, "succeeded", "failed")
    assert (ended.state, ended.error_message) == (RunState.SUCCEEDED, "")
    assert (await document.head())[0].revision_id == head.revision_id
    assert await document.rows("artifact_revisions") == 3
