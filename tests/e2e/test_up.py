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
    """A running `lace up` and the three lines that it printed."""

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
            lines = [process.stdout.readline().strip() for _ in range(3)]
            assert all(lines), process.communicate()[1]
            assert time.monotonic() < deadline
            yield Up(process, dict(map(str.split, lines)))
        finally:
            with suppress(ProcessLookupError):
                process.terminate()


@off_the_loop
def test_it_prints_three_lines_and_keeps_its_data(environ: dict[str, str], tmp_path: Path) -> None:
    document = tmp_path / "notes.md"
    document.write_text("# Notes\n\nThe pump delivers 225 litres a second.\n")
    with up(environ) as first:
        assert set(first.lines) == {"URL", "Token", "Docs"}
        assert httpx.get(first.lines["Docs"]).status_code == 200
        with LaceClient(first.lines["URL"], first.lines["Token"]) as api:
            [*_] = api.watch_run(api.ingest([document]).run_id)
            kept = [source.sha256 for source in api.list_sources()]
        assert first.stop() == 0
        assert first.process.stdout is not None
        assert first.process.stderr is not None
        assert (first.process.stdout.read(), first.process.stderr.read()) == ("", "")
    with up(environ) as second:
        assert second.lines["Token"] == first.lines["Token"]
        with LaceClient(second.lines["URL"], second.lines["Token"]) as api:
            assert [source.sha256 for source in api.list_sources()] == kept
        assert second.stop(signal.SIGTERM) == 0


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


@off_the_loop
def test_after_a_crash_it_starts_again(environ: dict[str, str]) -> None:
    with up(environ) as first:
        first.process.kill()
        first.process.wait(STOPPED_S)
    folder = DataFolder(Path(environ["LACE_DATA_DIR"]))
    assert folder.running() is None
    with up(environ) as second:
        assert second.lines["Token"] == first.lines["Token"]
        assert httpx.get(f"{second.lines['URL']}/health/ready").status_code == 200
        assert second.stop() == 0


@off_the_loop
def test_a_port_that_is_taken_is_told(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = done({**environ, "LACE_GATEWAY_PORT": str(port)}, "up")
    assert code == 1
    assert err.startswith(f"lace: Port {port} is taken by another program")
    assert "Traceback" not in err


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
