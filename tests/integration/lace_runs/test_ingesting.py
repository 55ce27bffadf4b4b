"""Runs that read many files: so many jobs out at once, what becomes of each file, and control in mid-run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import IMPORT
from lace_platform.ids import new_id
from lace_runs.app.files import Files, as_seen, run_files
from lace_runs.app.importing import import_start
from lace_runs.app.runs import Start
from lace_runs.app.settling import settle
from lace_runs.domain.files import FileState
from lace_runs.domain.runs import Job, Request, Run, Trigger
from tests.doubles.runs_world import World

Outcome = Callable[[Job], Mapping[str, Any] | None]
"""What ingest answers to a job; None where it does not answer yet."""


def _ids(count: int) -> tuple[str, ...]:
    return tuple(f"src_{number:03}" for number in range(count))


def _read(job: Job, **changes: Any) -> dict[str, Any]:
    source_id = job.payload["source_id"]
    source = {
        "source_id": source_id, "filename": f"{source_id}.md", "state": "ready", "sha256": "0" * 64, "raw_uri": "b/k",
        "labels": [], "warnings": [], "unit_count": 3, "word_count": 30, "page_count": 0, "error_code": "",
        "error_message": "",
    }  # fmt: skip
    return {"job_id": job.job_id, "source": {**source, **changes}, "fault_code": "", "fault_message": ""}


def _unreadable(job: Job) -> dict[str, Any]:
    return _read(job, state="failed", error_code="SOURCE_UNREADABLE", error_message="It is damaged.", unit_count=0)


class Readers:
    """Ingest, as far as a run sees it: answers jobs by rule, and keeps count of them."""

    def __init__(self, world: World, run: Run, outcome: Outcome = _read) -> None:
        self.world = world
        self.run = run
        self.outcome = outcome
        self.most = 0
        self.seen: dict[str, Job] = {}

    async def turn(self) -> int:
        """Answers what is out; how many jobs that were."""
        jobs = await self.world.open_jobs(self.run.run_id)
        self.most = max(self.most, len(jobs))
        self.seen.update((job.job_id, job) for job in jobs)
        answers = [(job, self.outcome(job)) for job in jobs]
        for job, answer in answers:
            if answer is not None:
                await self.world.answer(self.run.run_id, job.job_id, answer)
        return sum(answer is not None for _, answer in answers)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        async def work() -> None:
            while True:
                await self.turn()
                await asyncio.sleep(0.005)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until_out(self, count: int) -> list[Job]:
        """Waits until so many jobs are out, without answering any."""
        async with asyncio.timeout(20):
            while len(jobs := await self.world.open_jobs(self.run.run_id)) < count:
                await asyncio.sleep(0.01)
        self.seen.update((job.job_id, job) for job in jobs)
        return jobs


async def _files(world: World, run_id: str) -> Files:
    return await run_files(world.open, world.snapshots, world.tenant_id, run_id)


async def _jobs_sent(world: World, run_id: str) -> int:
    async with world.system.transaction() as tx:
        row = await tx.fetch_one("SELECT count(*) AS n FROM runs.run_jobs WHERE run_id = :run", {"run": run_id})
    assert row is not None
    return int(row.n)


async def _messages(world: World, run_id: str, topic: str) -> int:
    query = "SELECT count(*) AS n FROM runs.outbox_events WHERE topic = :topic AND key = :run"
    async with world.system.transaction() as tx:
        row = await tx.fetch_one(query, {"topic": topic, "run": run_id})
    assert row is not None
    return int(row.n)


async def test_so_many_jobs_are_out_at_once_and_progress_counts_files(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 6}, source_ids=_ids(40))
    readers = Readers(
        world, run, lambda job: _unreadable(job) if job.payload["source_id"].endswith("7") else _read(job)
    )
    async with world.worker(), readers.at_work():
        ended = await world.until(run.run_id, "succeeded")
    assert readers.most <= 6
    assert len(readers.seen) == 40
    counts = {"total": 40, "ready": 36, "failed": 4, "units": 108}
    assert ended.result is not None
    assert ended.result["files"] == counts
    assert (await _files(world, run.run_id)).counts() == counts
    events = await world.events(run.run_id)
    told = [e.draft.payload["run_progress_v2"] for e in events if e.draft.event_type == "pipeline.run.progress"]
    assert told[-1]["files"] == counts
    assert [t["files"]["ready"] for t in told] == sorted(t["files"]["ready"] for t in told)
    assert [warning["subject"] for warning in ended.warnings] == [f"src_{n:03}" for n in (7, 17, 27, 37)]


@pytest.mark.slow
async def test_of_a_thousand_problems_a_run_tells_the_first_and_its_files_all(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 64}, source_ids=_ids(130))
    readers = Readers(world, run, lambda job: _read(job, warnings=["Odd."]))
    async with world.worker(), readers.at_work():
        ended = await world.until(run.run_id, "succeeded")
    assert [warning["code"] for warning in ended.warnings].count("SOURCE_WARNING") == 100
    assert ended.warnings[-1]["code"] == "WARNINGS_LEFT_OUT"
    files = await _files(world, run.run_id)
    assert all(file.warnings == ("Odd.",) for file in files.files)


async def test_nothing_readable_fails_with_the_reason(world: World) -> None:
    one = await world.start("ingest", source_ids=_ids(1))
    two = await world.start("ingest", source_ids=_ids(2))
    async with world.worker(), Readers(world, one, _unreadable).at_work(), Readers(world, two, _unreadable).at_work():
        assert (await world.until(one.run_id, "failed")).error_code == "SOURCE_UNREADABLE"
        assert (await world.until(two.run_id, "failed")).error_code == "NO_USABLE_SOURCES"
    assert [file.state for file in (await _files(world, two.run_id)).files] == [FileState.FAILED] * 2


async def test_a_job_that_failed_for_no_fault_of_the_file_is_sent_again(world: World) -> None:
    run = await world.start("ingest", source_ids=_ids(3))

    def once(job: Job) -> Mapping[str, Any]:
        first = sum(seen.step_id == job.step_id for seen in readers.seen.values()) == 1
        failing = job.payload["source_id"] == "src_001" and first
        return {**_read(job), "source": None, "fault_code": "INTERNAL", "fault_message": "x"} if failing else _read(job)

    readers = Readers(world, run, once)
    async with world.worker(), readers.at_work():
        ended = await world.until(run.run_id, "succeeded")
    assert ended.result is not None
    assert ended.result["files"]["ready"] == 3
    assert [file.attempts for file in (await _files(world, run.run_id)).files] == [1, 2, 1]
    assert len(readers.seen) == 4


@pytest.mark.slow
async def test_one_that_never_succeeds_is_a_result_and_the_rest_goes_on(world: World) -> None:
    run = await world.start("ingest", {"runs.step_attempts": 2}, source_ids=_ids(3))

    def never(job: Job) -> Mapping[str, Any]:
        if job.payload["source_id"] != "src_001":
            return _read(job)
        return {
            **_read(job),
            "source": None,
            "fault_code": "SERVICE_UNAVAILABLE",
            "fault_message": "The store is away.",
        }

    async with world.worker(), Readers(world, run, never).at_work():
        ended = await world.until(run.run_id, "succeeded")
    files = (await _files(world, run.run_id)).files
    assert [file.state.value for file in files] == ["ready", "failed", "ready"]
    assert files[1].error_code == Reason.READING_FAILED.value
    assert "The store is away." in files[1].error_message
    assert ended.result is not None
    assert ended.result["files"] == {"total": 3, "ready": 2, "failed": 1, "units": 6}


async def test_pause_lets_land_what_is_out_and_resume_goes_on(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 4}, source_ids=_ids(12))
    readers = Readers(world, run)
    async with world.worker():
        await readers.until_out(4)
        await world.control(run.run_id, Trigger.PAUSE)
        await world.until(run.run_id, "pausing")
        assert await readers.turn() == 4
        await world.until(run.run_id, "paused")
        assert await world.open_jobs(run.run_id) == []
        assert (await _files(world, run.run_id)).counts()["ready"] == 4
        await world.control(run.run_id, Trigger.RESUME)
        async with readers.at_work():
            ended = await world.until(run.run_id, "succeeded")
    assert len(readers.seen) == 12
    assert ended.result is not None
    assert ended.result["files"]["ready"] == 12


async def test_cancel_sends_nothing_more_and_calls_off_what_is_out(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 3}, source_ids=_ids(9))
    readers = Readers(world, run)
    async with world.worker():
        jobs = await readers.until_out(3)
        await world.answer(run.run_id, jobs[0].job_id, _read(jobs[0]))
        await readers.until_out(3)
        await world.control(run.run_id, Trigger.CANCEL)
        await world.until(run.run_id, "cancelled")
        sent = await _jobs_sent(world, run.run_id)
        assert sent == 4
        assert await _messages(world, run.run_id, "source.ingest.cancelled") == 1
        await readers.turn()  # what was under way lands, and changes nothing
        await asyncio.sleep(0)
    assert await _jobs_sent(world, run.run_id) == sent
    states = [file.state for file in (await _files(world, run.run_id)).files]
    assert states.count(FileState.READY) == 1
    assert states.count(FileState.WAITING) == 8


async def test_a_cancelled_run_without_jobs_calls_nothing_off(world: World) -> None:
    run = await world.start("ingest", source_ids=_ids(2))
    await world.control(run.run_id, Trigger.CANCEL)
    async with world.worker():
        await world.until(run.run_id, "cancelled")
    assert await _messages(world, run.run_id, "source.ingest.cancelled") == 0


async def test_another_worker_goes_on_and_sends_no_job_twice(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 4}, source_ids=_ids(10))
    readers = Readers(world, run)
    async with world.worker(lease_ms=500):
        for job in (await readers.until_out(4))[:2]:
            await world.answer(run.run_id, job.job_id, _read(job))
        async with asyncio.timeout(20):
            while (await _files(world, run.run_id)).counts()["ready"] < 2:
                await asyncio.sleep(0.01)
        await readers.until_out(4)
    async with world.worker(), readers.at_work():
        await world.until(run.run_id, "succeeded")
    assert await _jobs_sent(world, run.run_id) == 10


async def test_files_are_seen_while_they_are_read_page_by_page(world: World) -> None:
    run = await world.start("ingest", {"ingest.jobs_per_run": 2}, source_ids=_ids(5))
    readers = Readers(world, run)
    async with world.worker():
        jobs = await readers.until_out(2)
        await world.answer(run.run_id, jobs[0].job_id, _read(jobs[0], warnings=["Odd."]))
        await readers.until_out(2)
        found = await _files(world, run.run_id)
        assert [file.state.value for file in found.files] == ["ready", "reading", "reading", "waiting", "waiting"]
        assert [place for place, _ in found.page("", 0, 3)] == [1, 2, 3]
        assert [file.source_id for _, file in found.page("", 3, 3)] == ["src_003", "src_004"]
        assert [file.source_id for _, file in found.page("waiting", 4, 3)] == ["src_004"]
        world.sources.add("other", {"Cost": "It cost 4.2. More."})
        async with readers.at_work():
            await world.until(run.run_id, "succeeded")
    [first, *_] = await as_seen(world.sources, (await _files(world, run.run_id)).files)
    assert (first.source_id, first.filename, first.warnings, first.units) == ("src_000", "", (), 3)


async def test_a_file_that_one_may_see_is_shown_whole(world: World) -> None:
    source = world.sources.add("open", {"Cost": "It cost 4.2. More."})
    run = await world.start("ingest", source_ids=(source.source_id,))
    [waiting] = await as_seen(world.sources, (await _files(world, run.run_id)).files)
    assert (waiting.filename, waiting.state) == ("open.md", FileState.WAITING)
    async with world.worker(), Readers(world, run, lambda job: _read(job, warnings=["Odd."])).at_work():
        await world.until(run.run_id, "succeeded")
    [shown] = await as_seen(world.sources, (await _files(world, run.run_id)).files)
    assert (shown.filename, shown.warnings, shown.words) == (f"{source.source_id}.md", ("Odd.",), 30)


async def test_runs_that_read_nothing_have_no_files(world: World) -> None:
    run = await world.start("noop10")
    assert (await _files(world, run.run_id)).files == ()
    with pytest.raises(LaceError) as caught:
        await _files(world, new_id("run"))
    assert caught.value.reason is Reason.RUN_NOT_FOUND


# -- the inbox ---------------------------------------------------------------------------------------------------------


def _imported(*names: str, refused: str = "") -> dict[str, Any]:
    objects = [{"name": n, "source_id": f"src_{n}", "error_code": "", "error_message": ""} for n in names]
    if refused:
        error = {"error_code": "SOURCE_FORMAT_UNSUPPORTED", "error_message": "No."}
        objects.append({"name": refused, "source_id": "", **error})
    return {"objects": objects, "error_code": "", "error_message": ""}


async def test_an_import_registers_and_then_reads(world: World) -> None:
    run = await world.start("import", prefix="2026/", labels=("a",))
    answer = _imported("2026/a.md", "2026/b.md", refused="2026/c.xyz")
    # The same content under two names may be one source.
    answer["objects"].append({**answer["objects"][0], "name": "2026/copy/a.md"})
    readers = Readers(world, run, lambda job: answer if job.step_id == "import" else _read(job))
    async with world.worker(), readers.at_work():
        ended = await world.until(run.run_id, "succeeded")
    [asked] = [job.payload for job in readers.seen.values() if job.step_id == "import"]
    assert (asked["prefix"], asked["labels"], asked["requested_by"]) == ("2026/", ["a"], "prn_test")
    assert len(readers.seen) == 3
    assert ended.result is not None
    assert ended.result["files"] == {"total": 3, "ready": 2, "failed": 1, "units": 6}
    files = (await _files(world, run.run_id)).files
    assert [(file.filename, file.state.value) for file in files] == [
        ("2026/a.md", "ready"), ("2026/b.md", "ready"), ("2026/c.xyz", "failed"), ("2026/copy/a.md", "ready"),
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["INBOX_EMPTY", "INBOX_LIMIT_EXCEEDED"])
async def test_an_import_of_nothing_says_so(world: World, code: str) -> None:
    run = await world.start("import", prefix="none/")
    answer = {"objects": [], "error_code": code, "error_message": "Look again."}
    async with world.worker(), Readers(world, run, lambda job: answer).at_work():
        ended = await world.until(run.run_id, "failed")
    assert (ended.error_code, ended.error_message) == (code, "Look again.")


async def test_an_import_in_which_nothing_can_be_taken_fails_and_says_why_of_each(world: World) -> None:
    run = await world.start("import")
    async with world.worker(), Readers(world, run, lambda job: _imported(refused="c.xyz")).at_work():
        assert (await world.until(run.run_id, "failed")).error_code == "NO_USABLE_SOURCES"
    [file] = (await _files(world, run.run_id)).files
    assert (file.filename, file.error_code) == ("c.xyz", "SOURCE_FORMAT_UNSUPPORTED")


def test_what_may_be_asked_of_the_inbox(world: World) -> None:
    caller = world.caller()
    start = import_start(caller, "2026/", [], {}, 5)
    assert (start.pipeline_id, start.request) == (IMPORT.pipeline_id, Request(prefix="2026/"))
    with pytest.raises(LaceError) as caught:
        import_start(caller, "../other/", [], {}, 5)
    assert caught.value.reason is Reason.INBOX_PREFIX_INVALID
    with pytest.raises(LaceError) as caught:
        import_start(caller, "", ["secret"], {}, 5)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_only_its_own_endpoint_starts_an_import(world: World) -> None:
    with pytest.raises(LaceError, match="sources:import"):
        await settle(world.open, world.sources, world.snapshots, world.caller(), Start("import", Request()))
