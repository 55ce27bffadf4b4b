"""Hostile functions in child processes: each ends in time, and as the failure that it is."""

from __future__ import annotations

import asyncio
import selectors
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lace_core.errors import Detail, LaceError, Reason
from lace_platform import children
from lace_platform.children import ChildFailed, ChildLimits, run_in_child

_LIMITS = ChildLimits(wall_s=20.0, cpu_s=10, memory_bytes=512 * 1024 * 1024, output_bytes=1024 * 1024)
_MODULE = "hostile_functions"


def _limits(**changes: float) -> ChildLimits:
    return ChildLimits(**{**_LIMITS.__dict__, **changes})


@pytest.fixture(autouse=True)
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{_MODULE}.py").write_text(_FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))


async def _run(name: str, argument: bytes = b"", limits: ChildLimits = _LIMITS) -> bytes:
    return await run_in_child(f"{_MODULE}:{name}", argument, limits=limits)


async def _kind(name: str, argument: bytes = b"", limits: ChildLimits = _LIMITS) -> str:
    with pytest.raises(ChildFailed) as caught:
        await _run(name, argument, limits)
    return caught.value.kind


_FUNCTIONS = """
import ctypes, os, signal, subprocess, sys, time
from lace_core.errors import Detail, LaceError, Reason

def reverse(argument): return argument[::-1]
def answer_late(argument):
    time.sleep(0.5)
    return argument[::-1]
def spin(argument):
    while True: pass
def sleep(argument): time.sleep(60)
def stubborn(argument):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(1)
def bomb(argument):
    held = []
    while True: held.append(bytearray(16 * 1024 * 1024))
def fall_silent(argument):
    for descriptor in range(3, 20):
        try: os.close(descriptor)
        except OSError: pass
    time.sleep(60)
def leave(argument): os._exit(3)
def leave_politely(argument): sys.exit(3)
def crash(argument): os.kill(os.getpid(), signal.SIGSEGV)
def abort(argument): os.abort()
def recurse(argument): return recurse(argument)
def huge(argument): return b"x" * (2 * 1024 * 1024)
def babble(argument):
    for _ in range(20000): print("noise " * 20)
    for _ in range(20000): print("noise " * 20, file=sys.stderr)
    return b"done"
def flood(argument):
    while True: os.write(int(argument), b"x" * 65536)
def write_file(argument):
    with open(argument, "wb") as file: file.write(b"x" * 4 * 1024 * 1024)
    return b""
def refuse(argument):
    raise LaceError(Reason.SOURCE_ENCRYPTED, "locked", details=[Detail("a", "b")], retryable=True, retry_after=2.5)
def fail(argument): raise KeyError("nope")
def leave_an_orphan(argument):
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return str(orphan.pid).encode()
def environment(argument): return " ".join(sorted(os.environ)).encode()
def not_bytes(argument): return 5
"""


async def test_result_comes_back() -> None:
    assert await _run("reverse", b"abc" * 100_000) == b"cba" * 100_000


@pytest.mark.slow
async def test_an_answer_that_comes_between_two_looks_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            ready = super().select(timeout)
            if not ready:
                time.sleep(1.5)  # as a parent that is short of processors: the child answers and ends meanwhile
            return ready

    constants = {"EVENT_READ": selectors.EVENT_READ, "EVENT_WRITE": selectors.EVENT_WRITE}
    monkeypatch.setattr(children, "selectors", SimpleNamespace(DefaultSelector=Late, **constants))
    assert await _run("answer_late", b"abc") == b"cba"


async def test_results_do_not_mix() -> None:
    arguments = [bytes([65 + number]) * 10 for number in range(4)]
    assert await asyncio.gather(*(_run("reverse", argument) for argument in arguments)) == arguments


async def test_endless_loop_ends_by_cpu_time() -> None:
    assert await _kind("spin", limits=_limits(cpu_s=1)) == "timeout"


@pytest.mark.parametrize("name", ["sleep", "stubborn", "fall_silent"])
async def test_waiting_ends_by_wall_clock(name: str) -> None:
    started = time.monotonic()
    assert await _kind(name, limits=_limits(wall_s=0.6)) == "timeout"
    assert time.monotonic() - started < 30


async def test_memory_is_bounded() -> None:
    assert await _kind("bomb") == "memory"


@pytest.mark.parametrize("name", ["leave", "crash", "abort"])
async def test_sudden_ends_are_crashes(name: str) -> None:
    assert await _kind(name) == "crash"


@pytest.mark.parametrize("name", ["fail", "recurse", "leave_politely", "not_bytes", "no_such_function"])
async def test_exceptions_are_errors(name: str) -> None:
    assert await _kind(name) == "error"


async def test_large_result_is_refused() -> None:
    assert await _kind("huge") in ("error", "output")


async def test_what_is_printed_is_no_result_and_does_not_block() -> None:
    assert await _run("babble") == b"done"


@pytest.mark.parametrize("descriptor", [1, 2])
async def test_flood_of_output_ends_by_the_wall_clock(descriptor: int) -> None:
    assert await _kind("flood", str(descriptor).encode(), _limits(wall_s=0.8)) == "timeout"


async def test_files_are_bounded(tmp_path: Path) -> None:
    assert await _kind("write_file", str(tmp_path / "big").encode()) in ("error", "output")
    assert (tmp_path / "big").stat().st_size <= _LIMITS.output_bytes


async def test_lace_error_crosses_whole() -> None:
    with pytest.raises(LaceError) as caught:
        await _run("refuse")
    error = caught.value
    assert (error.reason, error.message, error.details) == (Reason.SOURCE_ENCRYPTED, "locked", (Detail("a", "b"),))
    assert (error.retryable, error.retry_after) == (True, 2.5)


async def test_nothing_outlives_the_call() -> None:
    orphan = int(await _run("leave_an_orphan"))
    deadline = time.monotonic() + 5
    while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_cancelled_caller_ends_the_child() -> None:
    before = set(psutil.Process().children())
    task = asyncio.create_task(_run("sleep"))
    while not (started := set(psutil.Process().children()) - before):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in started)


async def test_secrets_of_the_parent_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACE_SERVICE_SECRET", "hush")
    assert b"LACE_SERVICE_SECRET" not in await _run("environment")
