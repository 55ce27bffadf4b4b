"""Runs a function on untrusted input in a process of its own, which cannot outgrow its limits.

Only a separate process holds: native code that aborts, recurses or allocates without end takes no one with it.
The child is a fresh interpreter in its own session, whose resource limits are set before the target is imported;
the parent kills the whole process group at the wall-clock limit. Argument and result travel as bytes; a document goes
along as an open file, so that the parent never holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import resource
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson

from lace_core.errors import REASONS, Detail, LaceError, Reason
from lace_platform.confinement import confine
from lace_platform.zygote import IS_SUPPORTED, Forked, Zygote, ZygoteLost

Kind = Literal["timeout", "memory", "crash", "error", "output"]

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
_TICK_S = 0.1
_PIECE = 256 * 1024
_STDERR_BYTES = 8 * 1024
_LONGEST_ERROR = 64 * 1024
# What the interpreter itself maps before the target is imported; limits below that mean nothing.
_LEAST_MEMORY = 128 * 1024 * 1024
_OPEN_FILES = 256
_NO_FILE = -1
_HEADER = struct.Struct(">cQ")
_RESULT, _LACE_ERROR, _ERROR, _MEMORY = b"R", b"L", b"E", b"M"

# Threads of their own: each waits for its child, and must not keep the loop's other blocking calls waiting.
_threads = ThreadPoolExecutor(64, thread_name_prefix="children")


@dataclass(frozen=True)
class ChildLimits:
    """Seconds of wall clock and of CPU, bytes of address space, of the result and of any file written.

    A confined child has no network, starts no program, and opens no file but those that its interpreter needs.
    """

    wall_s: float
    cpu_s: int
    memory_bytes: int
    output_bytes: int
    is_confined: bool = False


class ChildFailed(Exception):
    """The child gave no result.

    `kind` is timeout (of either clock), memory, crash (a signal or an exit), error (an exception) or output (more
    than it may write); `detail` is for logs, not for callers of an API.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


async def run_in_child(
    target: str,
    argument: bytes,
    *,
    limits: ChildLimits,
    document: Path | None = None,
    zygote: Zygote | None = None,
) -> bytes:
    """The result of calling `module:function` in a child process with the argument, and with the document, where one
    is given, as a file open for reading. With a zygote the child is forked from it, where that is possible.

    Raises ChildFailed, or the LaceError that the function raised. When the caller is cancelled, the child is
    killed.
    """
    given_up = threading.Event()
    order = _Order(target, argument, limits, document, zygote)
    work = asyncio.get_running_loop().run_in_executor(_threads, _supervise, order, given_up)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait([work])
        with contextlib.suppress(ChildFailed, LaceError):
            work.result()
        raise


@dataclass(frozen=True)
class _Order:
    """What one child is to do."""

    target: str
    argument: bytes
    limits: ChildLimits
    document: Path | None
    zygote: Zygote | None


def _supervise(order: _Order, given_up: threading.Event) -> bytes:
    """The child's whole life, seen from a thread of the parent."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(order.document.open("rb")) if order.document else None
        process = _start(order, file)
        stack.enter_context(process)
        try:
            talk = _Talk(process, order.argument, order.limits, given_up)
            talk.run()
            return _result(talk.answer, talk.exit_code(), talk.complaints)
        finally:
            # Also what the child itself has started and left behind.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _start(order: _Order, file: BinaryIO | None) -> subprocess.Popen[bytes] | Forked:
    limits = order.limits
    limited = (max(limits.memory_bytes, _LEAST_MEMORY), limits.cpu_s, limits.output_bytes, int(limits.is_confined))
    if order.zygote is not None and IS_SUPPORTED:
        try:
            return order.zygote.fork({"target": order.target, "limits": limited}, file)
        except ZygoteLost as lost:
            # The standard library's log: a child that is no fork of anything imports this module too.
            logging.getLogger(__name__).warning("a fresh interpreter in place of a fork: %s", lost)
    numbers = (*limited, file.fileno() if file else _NO_FILE)
    # -P: the folder in which the parent was started is no place to import from.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        (sys.executable, "-P", "-m", __name__, order.target, *map(str, numbers)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        env=child_environment(),
        pass_fds=(file.fileno(),) if file else (),
    )


def obey(order: Mapping[str, Any], file: int | None) -> None:
    """The side of a child that was forked from a zygote: as `main`, by what `_start` sent."""
    memory_bytes, cpu_s, output_bytes, is_confined = order["limits"]
    limits = ChildLimits(0.0, cpu_s, memory_bytes, output_bytes, bool(is_confined))
    main(order["target"], limits, _NO_FILE if file is None else file)


def child_environment() -> dict[str, str]:
    """Nothing secret goes along; threads of numeric libraries would only take address space."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return {**kept, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class _Talk:
    """Feeds the argument, gathers answer and complaints; ends with the answer, the child's end or the deadline."""

    def __init__(
        self,
        process: subprocess.Popen[bytes] | Forked,
        argument: bytes,
        limits: ChildLimits,
        given_up: threading.Event,
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._unsent = memoryview(argument)
        self._limits = limits
        self._given_up = given_up
        self.deadline = time.monotonic() + limits.wall_s
        self.answer = bytearray()
        self.complaints = b""

    def run(self) -> None:
        """Raises ChildFailed timeout or output."""
        with selectors.DefaultSelector() as selector:
            for stream, interest in (
                (self._stdin, selectors.EVENT_WRITE),
                (self._stdout, selectors.EVENT_READ),
                (self._stderr, selectors.EVENT_READ),
            ):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, interest)
            while not self._answered() and self._stdout in selector.get_map():
                # Asked first: a child that ends between the two has left its answer in the pipe.
                has_ended = self._process.poll() is not None
                ready = selector.select(min(_TICK_S, max(self.deadline - time.monotonic(), 0)))
                for key, _ in ready:
                    if not self._serve(key.fileobj):
                        selector.unregister(key.fileobj)
                self._check()
                if not ready and has_ended:
                    return  # something the child left behind still holds the pipes

    def exit_code(self) -> int:
        """How the child ended, negative for a signal; not waited for where it has answered."""
        if self._answered():
            return 0
        try:
            return self._process.wait(max(self.deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None

    def _too_slow(self) -> ChildFailed:
        return ChildFailed("timeout", f"took longer than {self._limits.wall_s:g} s")

    def _serve(self, stream: object) -> bool:
        """False when the stream has ended."""
        if stream is self._stdin:
            return self._send()
        if stream is self._stdout:
            piece = self._stdout.read(_PIECE)
            self.answer += piece or b""
        else:
            piece = self._stderr.read(_PIECE)
            self.complaints = (self.complaints + (piece or b""))[-_STDERR_BYTES:]
        return piece != b""

    def _send(self) -> bool:
        try:
            sent = self._stdin.write(self._unsent[:_PIECE]) if self._unsent else 0
        except BrokenPipeError:
            return False  # it ended without listening; its answer or its end says why
        self._unsent = self._unsent[sent or 0 :]
        if not self._unsent:
            self._stdin.close()
        return bool(self._unsent)

    def _answered(self) -> bool:
        if len(self.answer) < _HEADER.size:
            return False
        _, size = _HEADER.unpack_from(self.answer)
        return len(self.answer) >= _HEADER.size + int(size)

    def _check(self) -> None:
        if len(self.answer) > max(self._limits.output_bytes, _LONGEST_ERROR) + _HEADER.size:
            raise ChildFailed("output", f"wrote more than {self._limits.output_bytes} bytes")
        if self._given_up.is_set():
            raise ChildFailed("timeout", "nobody waits for the result any more")
        if time.monotonic() >= self.deadline:
            raise self._too_slow()


def _result(answer: bytearray, code: int, complaints: bytes) -> bytes:
    said = complaints.decode("utf-8", "replace").strip()
    if len(answer) < _HEADER.size:
        raise _died(code, said)
    tag, size = _HEADER.unpack_from(answer)
    body = bytes(answer[_HEADER.size :])
    if len(body) != size:
        raise _died(code, said)
    if tag == _RESULT:
        return body
    if tag == _LACE_ERROR:
        raise _unpack_error(body)
    raise ChildFailed("memory" if tag == _MEMORY else "error", body.decode("utf-8", "replace"))


def _died(code: int, said: str) -> ChildFailed:
    """Without an answer: by a signal, by an exit, or because memory was short where nobody could say so."""
    if code == -signal.SIGXCPU:
        return ChildFailed("timeout", "used up its CPU time")
    if "MemoryError" in said or "bad_alloc" in said or "annot allocate memory" in said:
        return ChildFailed("memory", said[-500:])
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return ChildFailed("crash", f"{how}: {said[-500:]}" if said else how)


def _unpack_error(body: bytes) -> LaceError:
    fields = orjson.loads(body)
    return LaceError(
        Reason(fields["reason"]) if fields["reason"] in REASONS else Reason.INTERNAL,
        fields["message"],
        details=[Detail(*pair) for pair in fields["details"]],
        retryable=fields["retryable"],
        retry_after=fields["retry_after"],
    )


def _pack_error(error: LaceError) -> bytes:
    return orjson.dumps(
        {
            "reason": error.reason.value,
            "message": error.message,
            "details": [(detail.field, detail.description) for detail in error.details],
            "retryable": error.retryable,
            "retry_after": error.retry_after,
        }
    )


def main(target: str, limits: ChildLimits, file: int) -> None:
    """The child's side: read the argument, limit itself, then import, call and answer."""
    # The answer goes to a private copy of standard output; what the target prints goes to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    arguments: list[object] = [sys.stdin.buffer.read()]
    if file != _NO_FILE:
        arguments.append(os.fdopen(file, "rb"))
    _limit_itself(limits)
    try:
        module, _, name = target.partition(":")
        result = getattr(importlib.import_module(module), name)(*arguments)
        if len(result) > limits.output_bytes:
            raise ValueError(f"the result has {len(result)} of {limits.output_bytes} bytes")
        tag = _RESULT
    except LaceError as error:
        tag, result = _LACE_ERROR, _pack_error(error)
    except MemoryError:
        tag, result = _MEMORY, b"ran out of memory"
    except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever it is, the parent is to know
        tag, result = _ERROR, f"{type(error).__name__}: {error}"[:4000].encode("utf-8", "replace")
    _answer(answers, tag, result)


def _answer(answers: BinaryIO, tag: bytes, body: bytes) -> None:
    answers.write(_HEADER.pack(tag, len(body)))
    answers.write(body)
    answers.flush()
    # Threads and exit handlers of the target's libraries get no say any more.
    os._exit(0)


def _limit_itself(limits: ChildLimits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if limits.is_confined:
        confine(())


if __name__ == "__main__":
    _memory_bytes, _cpu_s, _output_bytes, _is_confined, _file = map(int, sys.argv[2:7])
    main(sys.argv[1], ChildLimits(0.0, _cpu_s, _memory_bytes, _output_bytes, bool(_is_confined)), _file)
