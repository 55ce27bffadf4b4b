"""A process that has imported what many children need, and forks one of itself for each: a child without its start-up.

Each child is still a process of its own, in its own session and under its own limits, put on by the same code as those
of a fresh interpreter; it lives for one order, and nothing of one child is seen by another, since the process that is
forked never touches a document. What they share is the layout of their memory. Linux alone, by pidfd_open(2) and
descriptors sent over a socket (SCM_RIGHTS, unix(7)).

The process that was forked stays unreaped until its parent lets go of it, so that its number is nobody else's as long
as somebody may kill it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import BinaryIO

import orjson

_NUMBER = struct.Struct(">i")
_LARGEST_ORDER = 64 * 1024
_MOST_DESCRIPTORS = 5
_FORK_S = 10.0
_STOP_S = 5.0
_FIRST_FREE = 3
_MOST_OPEN = 4096

IS_SUPPORTED = sys.platform == "linux"


class ZygoteLost(Exception):
    """The process is away or does not fork: the caller starts a fresh interpreter instead."""


class Forked:
    """A child by its pipes, with what of `subprocess.Popen` its supervisor uses."""

    def __init__(self, control: socket.socket, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._control = control
        self._code: int | None = None
        self.pid = self._number(_FORK_S)
        if self.pid <= 0:
            raise ZygoteLost("it ended before it forked")

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self._control.close()  # now it is killed with all that it started, and reaped

    def poll(self) -> int | None:
        """How it ended, negative for a signal; None while it lives."""
        if self._code is None:
            with contextlib.suppress(TimeoutError, BlockingIOError):
                self._code = self._number(0.0)
        return self._code

    def wait(self, timeout: float) -> int:
        """How it ended. Raises subprocess.TimeoutExpired."""
        if self._code is None:
            try:
                self._code = self._number(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("forked", timeout) from None
        return self._code

    def _number(self, timeout: float) -> int:
        self._control.settimeout(timeout)
        try:
            said = self._control.recv(_NUMBER.size)
        except ConnectionError:
            said = b""
        if len(said) < _NUMBER.size:
            return -signal.SIGKILL  # the zygote died, and its children with it
        number: int = _NUMBER.unpack(said)[0]
        return number


class Zygote:
    """The parent's side: starts the process when the first child is wanted, and again after it was lost.

    `preload` are modules that it imports, or `module:function` to be called without an argument.
    """

    def __init__(self, preload: Sequence[str], environment: Mapping[str, str]) -> None:
        self._preload = tuple(preload)
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def fork(self, order: Mapping[str, object], file: BinaryIO | None) -> Forked:
        """A child that has the order, and the file as descriptor 3; raises ZygoteLost. Any thread may call it."""
        ours, theirs = _pipes()
        control, its_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = [*theirs, its_control.fileno(), *([file.fileno()] if file else [])]
        try:
            try:
                with self._lock:
                    socket.send_fds(self._started(), [orjson.dumps(order)], passed)
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
                its_control.close()
            return Forked(control, *ours)
        except (OSError, ZygoteLost) as error:
            self._lose()
            for stream in ours:
                stream.close()
            control.close()
            raise ZygoteLost(str(error)) from None

    def close(self) -> None:
        """End the process, and with it every child."""
        self._lose()

    def _started(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self._end()
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_FORK_S)
        with its:
            # -P: the folder in which the parent was started is no place to import from.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                (sys.executable, "-P", "-m", __name__, str(its.fileno()), *self._preload),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=self._environment,
                pass_fds=(its.fileno(),),
            )
        return self._socket

    def _lose(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._socket = self._process = None


def _pipes() -> tuple[tuple[BinaryIO, BinaryIO, BinaryIO], tuple[int, int, int]]:
    """Our ends of standard input, output and error as streams without a buffer, and the child's as descriptors."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    ours = (os.fdopen(in_write, "wb", 0), os.fdopen(out_read, "rb", 0), os.fdopen(error_read, "rb", 0))
    return ours, (in_read, out_write, error_write)


# -- the process that is forked ----------------------------------------------------------------------------------------


class _Brood:
    """The children of this process: each with the socket by which its parent hears of it, and lets go of it."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)
        self._controls: dict[socket.socket, tuple[int, int]] = {}  # by pid and pidfd

    def serve(self) -> None:
        """Until the parent is gone; then nothing of it is left."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._orders:
                    if not self._take():
                        for control in list(self._controls):
                            self._let_go(control)
                        return
                elif isinstance(key.fileobj, socket.socket):
                    self._let_go(key.fileobj)
                else:
                    self._tell(key.data)

    def _take(self) -> bool:
        order, descriptors, _, _ = socket.recv_fds(self._orders, _LARGEST_ORDER, _MOST_DESCRIPTORS)
        if not order:
            return False
        standard, control_fd, file = descriptors[:3], descriptors[3], descriptors[4:]
        pid = os.fork()
        if pid == 0:
            _be_child(order, [*standard, *file])
        for descriptor in (*standard, *file):
            os.close(descriptor)
        control = socket.socket(fileno=control_fd)
        pidfd = os.pidfd_open(pid)
        self._controls[control] = (pid, pidfd)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(pidfd, selectors.EVENT_READ, control)
        with contextlib.suppress(OSError):
            control.send(_NUMBER.pack(pid))
        return True

    def _tell(self, control: socket.socket) -> None:
        """The child has ended, and stays unreaped until its parent lets go."""
        if control not in self._controls:
            return  # its parent let go of it in this very round
        pid, pidfd = self._controls[control]
        self._selector.unregister(pidfd)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with contextlib.suppress(OSError):
            control.send(_NUMBER.pack(code))

    def _let_go(self, control: socket.socket) -> None:
        pid, pidfd = self._controls.pop(control)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # one that had no time yet for a session of its own
        os.waitpid(pid, 0)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(pidfd)
        os.close(pidfd)
        self._selector.unregister(control)
        control.close()


def _be_child(order: bytes, descriptors: Sequence[int]) -> None:
    """Never returns: the child holds its pipes and its file, and no other descriptor of the process it came from."""
    try:
        os.setsid()
        for place, descriptor in enumerate(descriptors):
            # Those that were sent lie above all of these: the sockets were there before them.
            os.dup2(descriptor, place)
        os.closerange(max(_FIRST_FREE, len(descriptors)), _MOST_OPEN)
        from lace_platform.children import obey

        obey(orjson.loads(order), _FIRST_FREE if len(descriptors) > _FIRST_FREE else None)
    finally:
        os._exit(70)


def main(descriptor: int, preload: Sequence[str]) -> None:
    """Import, then fork for who asks."""
    for name in ("lace_platform.children", *preload):
        module, _, function = name.partition(":")
        found = importlib.import_module(module)
        if function:
            getattr(found, function)()
    if threading.active_count() != 1:
        raise SystemExit("a process with threads cannot be forked")
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise copy every page
    _Brood(socket.socket(fileno=descriptor)).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
