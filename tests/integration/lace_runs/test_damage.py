"""Damage that is done to the real store: found, told by its code, mended where it can be, and nothing else touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lace_core.actions import UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.settings import resolve
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.clock import utc_now
from lace_runs.adapters.services import BlobSnapshots
from lace_runs.app import artifacts, execution, rollback, verification
from lace_runs.app.ports import Resolved
from lace_runs.domain import steps
from lace_runs.domain.runs import Run, RunState, Trigger
from tests.doubles.runs_world import RuleModel, World


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """Where the world's files are from now on."""
    world.snapshots = BlobSnapshots(FolderBlobStore(tmp_path, UrlSigner("secret")))
    return tmp_path


async def _sql(world: World, statement: str, **values: Any) -> int:
    """Run a statement as nobody who belongs here would; how many rows it changed."""
    async with world.system.transaction() as tx:
        changed = (await tx.execute(statement, values)).rowcount
        await tx.commit()
    return changed


async def _stopped_behind(world: World, step_id: str) -> Run:
    """A run that stands still, with that step done and its document not committed yet."""
    world.model = RuleModel(delay_s=0.02)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        async with asyncio.timeout(10):
            while step_id not in await _done(world, run.run_id):
                await asyncio.sleep(0.01)
        await world.control(run.run_id, Trigger.PAUSE)
        await world.until(run.run_id, "paused")
    assert "validate" not in await _done(world, run.run_id)
    return run


async def _done(world: World, run_id: str) -> Mapping[str, Any]:
    async with world.open(world.tenant_id) as work:
        return await work.runs.checkpoints(world.tenant_id, run_id)


async def _resumed(world: World, run_id: str) -> Run:
    await world.control(run_id, Trigger.RESUME)
    async with world.worker():
        return await world.until(run_id, "succeeded", "failed")


async def _hash_of(world: World, run: Run) -> str:
    async with world.open(world.tenant_id) as work:
        shown = await artifacts.show(work, world.tenant_id, run.artifact_id)
    assert shown.revision is not None
    return shown.revision.content_hash


# -- results of steps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    ["data = left(data, 20)", "data = replace(data, 'audience', 'Audience')", "output_hash = repeat('0', 64)"],
    ids=["truncated", "altered", "hash altered"],
)
async def test_a_damaged_result_in_its_row_is_made_again_with_what_hangs_on_it(world: World, damage: str) -> None:
    run = await _stopped_behind(world, "outline")
    assert await _sql(world, f"UPDATE runs.run_checkpoints SET {damage} WHERE run_id = :r AND step_id = 'intent'",
                      r=run.run_id) == 1  # fmt: skip
    done = await _resumed(world, run.run_id)
    assert (done.state, done.error_message, done.attempt) == (RunState.SUCCEEDED, "", 2)
    assert [(w["code"], w["subject"]) for w in done.warnings] == [("BLOB_CORRUPT", "intent")]
    asked = [name for name in world.model.asked if name in ("intent", "outline")]
    assert asked == ["intent", "outline", "intent", "outline"]
    warned = [e for e in await world.events(run.run_id) if e.draft.event_type == "pipeline.warning"]
    assert [e.draft.payload["warning"]["code"] for e in warned] == ["BLOB_CORRUPT"]


@pytest.mark.parametrize(("damage", "code"), [("lose", "BLOB_NOT_FOUND"), ("alter", "BLOB_CORRUPT")])
async def test_a_damaged_result_in_a_file_is_made_again(
    world: World, folder: Path, damage: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "INLINE_BYTES", 0)
    run = await _stopped_behind(world, "outline")
    place = folder / (await _done(world, run.run_id))["sources"].uri
    if damage == "lose":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:-1])
    undisturbed = await world.start("generate", title="The bridge")
    done = await _resumed(world, run.run_id)
    assert (done.state, done.error_message) == (RunState.SUCCEEDED, "")
    assert [(w["code"], w["subject"]) for w in done.warnings] == [(code, "sources")]
    async with world.worker():
        await world.until(undisturbed.run_id, "succeeded")
    assert await _hash_of(world, done) == await _hash_of(world, undisturbed)


async def test_a_run_whose_document_is_committed_fails_with_the_code_and_the_document_stays(world: World) -> None:
    run = await world.start("generate", {"compile.targets": ["md"]}, title="The bridge")
    async with world.worker():
        async with asyncio.timeout(10):  # the compiler never answers
            while "validate" not in await _done(world, run.run_id):
                await asyncio.sleep(0.01)
    head = await _hash_of(world, run)
    await _sql(
        world, "UPDATE runs.run_checkpoints SET data = '' WHERE run_id = :r AND step_id = 'intent'", r=run.run_id
    )
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.error_code) == (RunState.FAILED, "BLOB_CORRUPT")
    assert await _hash_of(world, run) == head


async def test_verifying_a_run_names_every_damaged_result(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await _stopped_behind(world, "outline")
    whole = await verification.verify_run(world.open, world.snapshots, world.tenant_id, run.run_id)
    assert (whole.damages, whole.checked) == ([], len(await _done(world, run.run_id)))
    change = "UPDATE runs.run_checkpoints SET {} WHERE run_id = :r AND step_id = :s"
    await _sql(world, change.format("data = ''"), r=run.run_id, s="intent")
    await _sql(world, change.format("uri = 'lace-replay/none/x.json'"), r=run.run_id, s="load")
    await _sql(world, change.format("output_type = 'FromTheFuture'"), r=run.run_id, s="outline")
    found = await verification.verify_run(world.open, world.snapshots, world.tenant_id, run.run_id)
    assert {(d.subject, d.code) for d in found.damages} == {
        ("intent", "BLOB_CORRUPT"), ("load", "BLOB_NOT_FOUND"), ("outline", "SCHEMA_TOO_NEW"),
    }  # fmt: skip
    assert all(damage.remedy and damage.message for damage in found.damages)


# -- rows of a newer version -------------------------------------------------------------------------------------------


async def test_a_result_of_an_unknown_type_leaves_the_run_to_a_worker_that_knows_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await _stopped_behind(world, "outline")
    await _sql(
        world, "UPDATE runs.run_checkpoints SET output_type = 'Intent2' WHERE run_id = :r AND step_id = 'intent'",
        r=run.run_id,
    )  # fmt: skip
    await world.control(run.run_id, Trigger.RESUME)
    async with world.worker():
        other = await world.start("noop10")
        await world.until(other.run_id, "succeeded")
        async with asyncio.timeout(30):
            while not await _left(world, run):
                await asyncio.sleep(0.02)
        state = (await world.get(run.run_id)).state
        assert not state.is_final, "it waits"
    monkeypatch.setattr(steps, "OUTPUTS", {**steps.OUTPUTS, "Intent2": steps.OUTPUTS["Intent"]})
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.error_message, done.attempt) == (RunState.SUCCEEDED, "", 1)


async def _left(world: World, run: Run) -> bool:
    async with world.system.transaction() as tx:
        row = await tx.fetch_one("SELECT worker_id, epoch FROM runs.runs WHERE run_id = :r", {"r": run.run_id})
    assert row is not None
    return row.worker_id is None and row.epoch > 1


async def test_a_pipeline_of_a_newer_version_waits_and_holds_up_nobody(world: World) -> None:
    newer, ours = await world.start("noop10"), await world.start("noop10")
    await _sql(world, "UPDATE runs.runs SET pipeline_version = 99 WHERE run_id = :r", r=newer.run_id)
    async with world.worker():
        await world.until(ours.run_id, "succeeded")
        waiting = await world.get(newer.run_id)
    assert (waiting.state, waiting.epoch) == (RunState.QUEUED, 0)
    await _sql(world, "UPDATE runs.runs SET pipeline_version = 1 WHERE run_id = :r", r=newer.run_id)
    async with world.worker():
        await world.until(newer.run_id, "succeeded")


async def test_a_row_that_cannot_be_read_is_told_and_holds_up_nobody(world: World) -> None:
    broken, ours = await world.start("noop10"), await world.start("noop10")
    await _sql(world, "UPDATE runs.runs SET request = '[1]' WHERE run_id = :r", r=broken.run_id)
    async with world.worker():
        await world.until(ours.run_id, "succeeded")
        later = await world.start("noop10")
        await world.until(later.run_id, "succeeded")
    with pytest.raises(LaceError) as told:
        await world.get(broken.run_id)
    assert told.value.reason is Reason.SCHEMA_TOO_NEW
    # Not for the workers of other tests either.
    await _sql(world, "UPDATE runs.runs SET state = 'cancelled', request = '{}' WHERE run_id = :r", r=broken.run_id)


async def test_a_command_of_a_newer_version_waits_and_the_run_goes_on(world: World) -> None:
    run = await world.start("noop10")
    await _sql(
        world,
        "INSERT INTO runs.run_control_commands (tenant_id, run_id, command_id, command, requested_by, reason, "
        "from_step_id, created_at) VALUES (:t, :r, 'cmd_x', 'hibernate', 'prn', '', '', now())",
        t=world.tenant_id, r=run.run_id,
    )  # fmt: skip
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    still_open = "UPDATE runs.run_control_commands SET reason = '' WHERE run_id = :r AND applied_at IS NULL"
    assert await _sql(world, still_open, r=run.run_id) == 1


# -- documents -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def document(world: World, folder: Path) -> tuple[str, str, str]:
    """(artifact, its first revision, its head)"""
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.result is not None
    shown = await _renamed(world, run.artifact_id, "Another title")
    await artifacts.keep_snapshot(world.open, world.snapshots, world.tenant_id, run.artifact_id)
    return run.artifact_id, str(done.result["revision_id"]), shown


async def _renamed(world: World, artifact_id: str, title: str) -> str:
    async with world.open(world.tenant_id) as work:
        root = (await artifacts.show(work, world.tenant_id, artifact_id)).document.root
        asked = artifacts.Patch(artifact_id, (UpdateNode(key=f"rename to {title}", node_id=root.node_id, title=title),))
        shown, _ = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    return shown.record.head_revision_id


async def _shown(world: World, artifact_id: str, revision_id: str = "") -> artifacts.Shown:
    async with world.open(world.tenant_id) as work:
        return await artifacts.show(work, world.tenant_id, artifact_id, revision_id)


ALTERED = {
    "node altered": "UPDATE runs.artifact_nodes SET body = jsonb_set(body, '{title}', '\"X\"') "
    "WHERE artifact_id = :a AND title = 'Another title'",
    "node of another shape": "UPDATE runs.artifact_nodes SET body = body - 'title' "
    "WHERE artifact_id = :a AND title = 'Another title'",
    "node lost": "DELETE FROM runs.artifact_nodes WHERE artifact_id = :a AND title = 'Another title'",
    "sources altered": "UPDATE runs.artifact_revisions SET sources = '[]' WHERE artifact_id = :a AND revision_id = :h",
    "hash altered": "UPDATE runs.artifact_revisions SET ir_hash = repeat('0', 64) "
    "WHERE artifact_id = :a AND revision_id = :h",
}


@pytest.mark.parametrize("damage", ALTERED.values(), ids=ALTERED)
async def test_an_altered_revision_is_neither_shown_nor_built_on_and_can_be_left_behind(
    world: World, document: tuple[str, str, str], damage: str
) -> None:
    artifact_id, first, head = document
    async with world.system.transaction() as tx:
        values = {"a": artifact_id, "h": head} if ":h" in damage else {"a": artifact_id}
        assert (await tx.execute(damage, values)).rowcount == 1
        await tx.commit()
    for attempt in (_shown(world, artifact_id), _renamed(world, artifact_id, "Y")):
        with pytest.raises(LaceError) as caught:
            await attempt
        assert caught.value.reason is Reason.IR_CORRUPT
    assert (await _shown(world, artifact_id, first)).document.root.title == "The bridge"
    found = await verification.verify_artifact(world.open, world.snapshots, world.tenant_id, artifact_id)
    assert [(d.code, d.subject) for d in found.damages] == [("IR_CORRUPT", head)]
    async with world.open(world.tenant_id) as work:
        values_of_run = Resolved({**resolve([]).values, "compile.targets": []}, "", "")
        asked = rollback.Asked(artifact_id, first)
        _, run = await rollback.start(work, world.caller(), asked, values_of_run, utc_now())
        await work.commit()
    assert run is not None
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, [w["code"] for w in done.warnings]) == (RunState.SUCCEEDED, ["IR_CORRUPT"])
    assert (await _shown(world, artifact_id)).document.root.title == "The bridge"


async def test_a_document_of_a_newer_schema_is_told_apart_from_a_damaged_one(
    world: World, document: tuple[str, str, str]
) -> None:
    artifact_id, first, head = document
    await _sql(world, "UPDATE runs.artifact_revisions SET ir_schema_version = 99 WHERE revision_id = :h", h=head)
    with pytest.raises(LaceError) as caught:
        await _shown(world, artifact_id)
    assert caught.value.reason is Reason.SCHEMA_TOO_NEW
    assert (await _shown(world, artifact_id, first)).document.nodes


@pytest.mark.parametrize(("damage", "code"), [("lose", "BLOB_NOT_FOUND"), ("alter", "BLOB_CORRUPT")])
async def test_a_damaged_snapshot_is_found_and_written_again_from_the_database(
    world: World, folder: Path, document: tuple[str, str, str], damage: str, code: str
) -> None:
    artifact_id, _, head = document
    whole = await verification.verify_artifact(world.open, world.snapshots, world.tenant_id, artifact_id)
    assert (whole.damages, whole.checked) == ([], 4)
    place = folder / f"lace-artifacts/{world.tenant_id}/{artifact_id}/{head}/ir.json"
    content = place.read_bytes()
    if damage == "lose":
        place.unlink()
    else:
        place.write_bytes(content.replace(b"Another", b"another"))
    found = await verification.verify_artifact(world.open, world.snapshots, world.tenant_id, artifact_id)
    assert [d.code for d in found.damages] == [code]
    await artifacts.keep_snapshot(world.open, world.snapshots, world.tenant_id, artifact_id)
    mended = await verification.verify_artifact(world.open, world.snapshots, world.tenant_id, artifact_id)
    assert (mended.damages, place.read_bytes()) == ([], content)


# -- more than one writer --------------------------------------------------------------------------------------------


async def test_of_many_writers_of_one_head_one_commits_and_the_others_are_told(
    world: World, document: tuple[str, str, str]
) -> None:
    artifact_id, _, head = document
    root = (await _shown(world, artifact_id)).document.root.node_id

    async def write(title: str) -> str:
        action = UpdateNode(key=title, node_id=root, title=title)
        asked = artifacts.Patch(artifact_id, (action,), base_revision_id=head)
        async with world.open(world.tenant_id) as work:
            shown, _ = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
            await work.commit()
        return shown.record.head_revision_id

    results = await asyncio.gather(*(write(f"Title {n}") for n in range(8)), return_exceptions=True)
    committed = [result for result in results if isinstance(result, str)]
    refused = {result.reason for result in results if isinstance(result, LaceError)}
    assert len(committed) == 1
    assert refused <= {Reason.REVISION_CONFLICT, Reason.ARTIFACT_LOCKED}
    assert (await _shown(world, artifact_id)).record.head_revision_id == committed[0]


async def test_a_lock_and_a_lease_that_nobody_holds_any_more_stop_nobody(
    world: World, document: tuple[str, str, str]
) -> None:
    artifact_id, _, _ = document
    await _sql(
        world,
        "INSERT INTO runs.artifact_locks (tenant_id, artifact_id, lock_owner, lock_type, acquired_at, heartbeat_at, "
        "expires_at) VALUES (:t, :a, 'run_gone', 'write', now(), now(), now() - interval '1 s')",
        t=world.tenant_id, a=artifact_id,
    )  # fmt: skip
    await _renamed(world, artifact_id, "Written all the same")
    await _sql(
        world,
        "INSERT INTO runs.workers (worker_id, started_at, heartbeat_at, expires_at) "
        "VALUES (:w, now(), now(), now() - interval '1 s')",
        w=f"wrk_{world.tenant_id}",
    )
    runs = [await world.start("noop10") for _ in range(2)]
    for run, worker in zip(runs, (f"wrk_{world.tenant_id}", "wrk_without_a_row"), strict=True):
        await _sql(
            world, "UPDATE runs.runs SET state = 'running', worker_id = :w, epoch = 7 WHERE run_id = :r",
            w=worker, r=run.run_id,
        )  # fmt: skip
    async with world.worker():
        for run in runs:
            assert (await world.until(run.run_id, "succeeded")).epoch >= 8
