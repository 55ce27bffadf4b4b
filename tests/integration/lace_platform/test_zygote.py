"""Children that are forked from a process which has loaded their code: as bounded and as separate as fresh ones."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.children import ChildFailed, ChildLimits, child_environment, run_in_child
from lace_platform.zygote import IS_SUPPORTED, Zygote

pytestmark = pytest.mark.skipif(not IS_SUPPORTED, reason="needs pidfd_open(2)")
_LIMITS = ChildLimits(wall_s=20.0, cpu_s=10, memory_bytes=512 * 1024 * 1024, output_bytes=1024 * 1024)
_FUNCTIONS = """
import os, subprocess, sys, time
from lace_core.errors import LaceError, Reason
seen = []
def warm(): seen.append("warm")
def reverse(argument): return argument[::-1]
def remember(argument):
    seen.append(argument.decode())
    return ",".join(seen).encode()
def read(argument, document): return document.read()
def spin(argument):
    while True: pass
def sleep(argument): time.sleep(60)
def sleep_in_sight(argument):
    open(argument, "w").close()
    time.sleep(60)
def bomb(argument):
    held = []
    while True: held.append(bytearray(16 * 1024 * 1024))
def crash(argument): os.abort()
def leave(argument): os._exit(3)
def refuse(argument): raise LaceError(Reason.SOURCE_ENCRYPTED, "locked")
def descriptors(argument): return " ".join(sorted(os.listdir("/proc/self/fd"), key=int)).encode()
def session(argument): return f"{os.getpid()} {os.getsid(0)} {os.getppid()}".encode()
def orphan(argument):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return str(child.pid).encode()
def connect(argument):
    import socket
    socket.socket()
    return b"connected"
"""


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "forked_functions.py").write_text(_FUNCTIONS)
    environment = child_environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), environment["PYTHONPATH"]])
    made = Zygote(["forked_functions:warm"], environment)
    yield made
    made.close()


async def _run(
    zygote: Zygote, name: str, argument: bytes = b"", document: Path | None = None, **limits: float
) -> bytes:
    bounds = ChildLimits(**{**_LIMITS.__dict__, **limits})
    return await run_in_child(f"forked_functions:{name}", argument, limits=bounds, document=document, zygote=zygote)


async def _kind(zygote: Zygote, name: str, **limits: float) -> str:
    with pytest.raises(ChildFailed) as caught:
        await _run(zygote, name, b"", None, **limits)
    return caught.value.kind


def _pid(zygote: Zygote) -> int:
    assert zygote._process is not None
    return zygote._process.pid


async def test_argument_and_document_come_and_the_result_goes_back(zygote: Zygote, tmp_path: Path) -> None:
    assert await _run(zygote, "reverse", b"abc" * 200_000) == b"cba" * 200_000
    document = tmp_path / "document"
    document.write_bytes(b"x" * 900_000)
    assert await _run(zygote, "read", document=document) == b"x" * 900_000


async def test_what_was_loaded_is_there_and_nothing_of_another_child(zygote: Zygote) -> None:
    assert await _run(zygote, "remember", b"one") == b"warm,one"
    assert await _run(zygote, "remember", b"two") == b"warm,two"


async def test_each_is_a_process_in_a_session_of_its_own(zygote: Zygote) -> None:
    pids = set()
    for _ in range(2):
        pid, session, parent = map(int, (await _run(zygote, "session")).split())
        assert (session, parent) == (pid, _pid(zygote))
        pids.add(pid)
    assert len(pids) == 2


async def test_a_child_holds_no_descriptor_but_its_own(zygote: Zygote, tmp_path: Path) -> None:
    document = tmp_path / "document"
    document.write_bytes(b"x")
    # 0 to 2, its answer's copy, and what lists them.
    assert await _run(zygote, "descriptors") == b"0 1 2 3 4"


@pytest.mark.slow
async def test_limits_hold(zygote: Zygote) -> None:
    began = time.monotonic()
    kinds = await asyncio.gather(
        _kind(zygote, "spin", cpu_s=1),
        _kind(zygote, "sleep", wall_s=0.5),
        _kind(zygote, "bomb"),
        _kind(zygote, "crash"),
        _kind(zygote, "leave"),
    )
    assert list(kinds) == ["timeout", "timeout", "memory", "crash", "crash"]
    assert time.monotonic() - began < 15
    with pytest.raises(LaceError) as caught:
        await _run(zygote, "refuse")
    assert caught.value.reason is Reason.SOURCE_ENCRYPTED


async def test_a_confined_child_reaches_nobody(zygote: Zygote) -> None:
    assert await _run(zygote, "connect") == b"connected"
    assert await _kind(zygote, "connect", is_confined=True) == "error"


async def test_many_at_once_do_not_mix(zygote: Zygote) -> None:
    arguments = [f"{number:04}".encode() * 5000 for number in range(40)]
    assert await asyncio.gather(*(_run(zygote, "reverse", argument) for argument in arguments)) == [
        argument[::-1] for argument in arguments
    ]


@pytest.mark.slow
async def test_nothing_is_left_behind(zygote: Zygote) -> None:
    orphan = int(await _run(zygote, "orphan"))
    task = asyncio.create_task(_run(zygote, "sleep"))
    async with asyncio.timeout(10):
        while len(psutil.Process(_pid(zygote)).children()) < 1:
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while psutil.Process(_pid(zygote)).children() or psutil.pid_exists(orphan):
            await asyncio.sleep(0.02)


async def test_it_comes_back_after_it_was_killed(zygote: Zygote, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    sleeping = asyncio.create_task(_run(zygote, "sleep_in_sight", os.fsencode(sign)))
    async with asyncio.timeout(10):
        while not sign.exists():
            await asyncio.sleep(0.02)
    [child] = psutil.Process(_pid(zygote)).children()
    os.kill(_pid(zygote), signal.SIGKILL)
    with pytest.raises(ChildFailed) as caught:
        await sleeping
    assert caught.value.kind == "crash"
    async with asyncio.timeout(10):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)
    assert await _run(zygote, "reverse", b"ab") == b"ba"


async def test_without_it_a_fresh_interpreter_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plain_functions.py").write_text(_FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = Zygote(["there_is_no_such_module"], child_environment())
    try:
        found = await run_in_child("plain_functions:reverse", b"ab", limits=_LIMITS, zygote=broken)
        assert found == b"ba"
    finally:
        broken.close()


async def test_it_ends_with_who_started_it(zygote: Zygote) -> None:
    other = Zygote(["forked_functions"], zygote._environment)
    assert await _run(other, "reverse", b"ab") == b"ba"
    pid = _pid(other)
    assert other._socket is not None
    other._socket.close()  # as the end of its parent does
    async with asyncio.timeout(10):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)
    other.close()
