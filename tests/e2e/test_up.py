"""`lace up` as a person runs it: three lines, Ctrl-C, and everything still there the next time, also after a crash."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

import httpx
import psutil
import pytest

from lace.common.v1 import event_pb2
from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from lace_standalone.folder import DataFolder

P = ParamSpec("P")
DOSSIER = Path(__file__).resolve().parents[2] / "examples" / "dossier"
LACE = Path(sys.executable).parent / "lace"
# What is promised is 8 s on a quiet machine; a test must also hold on a busy one.
READY_S = 40.0
STOPPED_S = 20.0


def off_the_loop(test: Callable[P, None]) -> Callable[P, Coroutine[None, None, None]]:
    """In a thread: these tests wait for other processes, and other tests have services on the loop."""

    @functools.wraps(test)
    async def in_a_thread(*args: P.args, **kwargs: P.kwargs) -> None:
        await asyncio.to_thread(test, *args, **kwargs)

    return in_a_thread


@dataclass(frozen=True)
class Up:
    """A running `lace up` and the four lines that it printed."""

    process: subprocess.Popen[str]
    lines: dict[str, str]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ends it, with all that it started; the exit code."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        code = self.process.wait(STOPPED_S)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
        return code

    def kill(self, cluster: Path) -> None:
        """Kills it, all that it started, and the database's server, which is nobody's child."""
        server = psutil.Process(int((cluster / "postmaster.pid").read_text().split()[0]))
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for each in (server, *children):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(STOPPED_S)
        deadline = time.monotonic() + STOPPED_S
        while not all(map(is_dead, (server, *children))):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_dead(process: psutil.Process) -> bool:
    """Whether it has ended; it may be listed until somebody asks how."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def environ_of(folder: Path) -> dict[str, str]:
    """A data folder of the tests' own; no setting of whoever runs them."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LACE_", "OPENAI_"))}
    return {**kept, "LACE_DATA_DIR": str(folder), "LACE_GATEWAY_PORT": "0"}


@pytest.fixture
def environ(scratch: Path) -> dict[str, str]:
    """One folder for all of these tests: whatever they leave, the next start must cope with."""
    return environ_of(scratch / "up")


def started(environ: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """The command, under way; beside its data folder, where no .env of the repository's owner is read."""
    folder = Path(environ["LACE_DATA_DIR"]).parent
    pipe = subprocess.PIPE
    return subprocess.Popen([LACE, *arguments], env=environ, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def done(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """The command's exit code, output and complaints, when it has ended."""
    with started(environ, *arguments) as process:
        out, err = process.communicate(timeout=READY_S)
        return process.returncode, out, err


@contextmanager
def up(environ: dict[str, str]) -> Iterator[Up]:
    with started(environ, "up") as process:
        try:
            assert process.stdout is not None
            deadline = time.monotonic() + READY_S
            lines = [process.stdout.readline().strip() for _ in range(4)]
            assert all(lines), process.communicate()[1]
            assert time.monotonic() < deadline
            yield Up(process, dict(map(str.split, lines)))
        finally:
            with suppress(ProcessLookupError):
                process.terminate()


@off_the_loop
def test_it_prints_three_lines_takes_a_document_and_ends(environ: dict[str, str], tmp_path: Path) -> None:
    document = tmp_path / "notes.md"
    document.write_text("# Notes\n\nThe pump delivers 225 litres a second.\n")
    with up(environ) as first:
        assert set(first.lines) == {"URL", "Token", "Docs", "Read"}
        for page in ("Docs", "Read"):
            assert httpx.get(first.lines[page], timeout=30).status_code == 200
        with LaceClient(first.lines["URL"], first.lines["Token"]) as api:
            [*_] = api.watch_run(api.ingest([document]).run_id)
            assert list(api.list_sources())
        assert first.stop() == 0
        assert first.process.stdout is not None
        assert first.process.stderr is not None
        assert (first.process.stdout.read(), first.process.stderr.read()) == ("", "")


@pytest.mark.slow
@off_the_loop
def test_it_keeps_its_data(environ: dict[str, str], tmp_path: Path) -> None:
    document = tmp_path / "notes.md"
    document.write_text("# Notes\n\nThe sluice delivers 225 litres a second.\n")
    with up(environ) as first:
        with LaceClient(first.lines["URL"], first.lines["Token"]) as api:
            [*_] = api.watch_run(api.ingest([document]).run_id)
            kept = [source.sha256 for source in api.list_sources()]
        assert kept
        assert first.stop() == 0
    with up(environ) as second:
        assert second.lines["Token"] == first.lines["Token"]
        with LaceClient(second.lines["URL"], second.lines["Token"]) as api:
            assert [source.sha256 for source in api.list_sources()] == kept
        assert second.stop(signal.SIGTERM) == 0


@pytest.mark.slow
@off_the_loop
def test_a_second_one_is_told_where_the_first_is(environ: dict[str, str]) -> None:
    with up(environ) as first:
        code, out, err = done(environ, "up")
        assert (code, out) == (1, "")
        assert "[ALREADY_RUNNING]" in err
        assert first.lines["URL"] in err
        # Commands on the same folder find it by themselves.
        code, _, err = done(environ, "runs")
        assert (code, err) == (0, "")
        assert first.stop() == 0


@pytest.mark.slow
@off_the_loop
def test_after_a_crash_it_starts_again(environ: dict[str, str]) -> None:
    with up(environ) as first:
        first.process.kill()
        first.process.wait(STOPPED_S)
    folder = DataFolder(Path(environ["LACE_DATA_DIR"]))
    assert folder.running() is None
    with up(environ) as second:
        assert second.lines["Token"] == first.lines["Token"]
        assert httpx.get(f"{second.lines['URL']}/health/ready", timeout=30).status_code == 200
        assert second.stop() == 0


@dataclass(frozen=True)
class Committed:
    """What the API says of a run: its state, events, steps, the model's calls, and results that are whole."""

    state: runs_pb2.RunState.ValueType
    events: list[event_pb2.RunEvent]
    steps: list[runs_pb2.Step]
    calls: list[str]
    results: int

    @classmethod
    def of(cls, api: LaceClient, token: str, run_id: str) -> Committed:
        headers, url = {"authorization": f"Bearer {token}"}, f"{api.url}/v1/runs/{run_id}/calls"
        calls = httpx.get(url, headers=headers, params={"page_size": 500}, timeout=30).json()["calls"]
        results = api.verify_run(run_id)
        assert results.intact, results
        state, events, steps = api.get_run(run_id).state, api.replay_events(run_id), api.list_steps(run_id)
        return cls(state, list(events), list(steps), [call["call_id"] for call in calls], results.checked)

    @property
    def done(self) -> list[str]:
        """The steps that succeeded, as often as they did."""
        return [step.step_id for step in self.steps if step.state == runs_pb2.STEP_STATE_SUCCEEDED]


def paused_in_the_middle(api: LaceClient) -> str:
    """A document's run that stands paused, with some of its sections written and others not."""
    read = api.ingest(sorted(DOSSIER.glob("*.md")))
    assert [event.event_type for event in api.watch_run(read.run_id)][-1] == "pipeline.run.completed"
    sources = [source.source_id for source in read.sources]
    one_by_one = {"runs.node_parallelism": 1}
    run_id = api.start_run("generate", title="The crossing", source_ids=sources, settings=one_by_one).run_id
    for event in api.watch_run(run_id):
        if event.event_type == "pipeline.step.completed" and event.step_id.startswith("llm:"):
            api.pause_run(run_id)
            break
    for event in api.watch_run(run_id):
        if event.event_type == "pipeline.run.paused":
            break
    return run_id


@pytest.mark.slow
@off_the_loop
def test_what_is_paused_outlives_every_process_and_goes_on(environ: dict[str, str]) -> None:
    with up(environ) as first:
        token = first.lines["Token"]
        with LaceClient(first.lines["URL"], token) as api:
            run_id = paused_in_the_middle(api)
            before = Committed.of(api, token, run_id)
        first.kill(Path(environ["LACE_DATA_DIR"]) / "postgres" / "cluster")
    assert before.state == runs_pb2.RUN_STATE_PAUSED
    assert before.results == len(before.done) > 0
    with up(environ) as second:
        with LaceClient(second.lines["URL"], token) as api:
            assert Committed.of(api, token, run_id) == before
        assert second.stop(signal.SIGTERM) == 0
    with up(environ) as third:
        with LaceClient(third.lines["URL"], token) as api:
            assert Committed.of(api, token, run_id) == before
            api.resume_run(run_id)
            assert [event.event_type for event in api.watch_run(run_id)][-1] == "pipeline.run.completed"
            after = Committed.of(api, token, run_id)
            run = api.get_run(run_id)
            revisions = [(each.revision_id, each.run_id) for each in api.list_revisions(run.artifact_id)]
        assert third.stop() == 0
    assert after.events[: len(before.events)] == before.events
    assert [event.sequence for event in after.events] == list(range(1, len(after.events) + 1))
    assert after.steps[: len(before.steps)] == before.steps
    assert len(after.done) == len(set(after.done)) == after.results > before.results
    assert after.calls[: len(before.calls)] == before.calls
    assert len(after.calls) == len(set(after.calls)) > len(before.calls)
    assert revisions == [(run.revision_id, run_id)]


@pytest.mark.slow
@off_the_loop
def test_a_port_that_is_taken_is_told(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = done({**environ, "LACE_GATEWAY_PORT": str(port)}, "up")
    assert code == 1
    assert err.startswith(f"lace: Port {port} is taken by another program")
    assert "Traceback" not in err


@pytest.mark.slow
@off_the_loop
def test_an_interrupted_start_leaves_nothing_running(scratch: Path) -> None:
    environ = environ_of(scratch / "interrupted")
    with started(environ, "up") as process:
        cluster = Path(environ["LACE_DATA_DIR"]) / "postgres"
        deadline = time.monotonic() + READY_S
        while not cluster.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOPPED_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    left = [each for each in psutil.process_iter(["cmdline"]) if str(cluster) in " ".join(each.info["cmdline"] or ())]
    assert left == []


@pytest.mark.slow
@off_the_loop
def test_ctrl_c_ends_the_demo_and_what_it_started(environ: dict[str, str], tmp_path: Path) -> None:
    # The whole dossier: seconds of work, so that it is under way.
    with started(environ, "demo", str(DOSSIER), "--out", str(tmp_path / "out")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("LACE started in")
        assert process.stdout.readline().startswith("Reading")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOPPED_S) == 130
        assert process.stderr.read() == "lace: Interrupted. [INTERRUPTED]\n"
    assert psutil.wait_procs(children, timeout=5)[1] == []
