"""Takes from a process what the reading of a document never needs: the network, other programs, other files.

Two locks of the Linux kernel that a process may put on itself without any right, and that hold for good: seccomp
refuses system calls (seccomp(2): a filter in classic BPF), Landlock refuses files (landlock(7)). Where the kernel has
neither, or another system runs, limits and environment are all that holds; `confine` says what it could put on.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM = 1
_NUMBER_AT, _MACHINE_AT = 0, 4  # offsets in struct seccomp_data
# AUDIT_ARCH of linux/audit.h; then socket, connect, bind, execve, execveat, ptrace, process_vm_readv, io_uring_setup:
# all that reaches out of a process, the ring because it makes calls of its own.
_MACHINES = {
    "x86_64": (0xC000003E, (41, 42, 49, 59, 322, 101, 310, 425)),
    "aarch64": (0xC00000B7, (198, 203, 200, 221, 281, 117, 270, 425)),
}
_X32 = 0x40000000  # calls of the x32 kind carry other numbers on the same machine
_JUMP_AT_LEAST = 0x35

# The same numbers on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ONLY, _BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many kinds of access each version knows
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime")


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(readable: Iterable[str]) -> frozenset[str]:
    """Leaves this process what it holds open, files below the interpreter, the system's libraries and `readable`,
    and nothing to write; the locks that the kernel put on: of "files" and "calls".
    """
    if sys.platform != "linux":
        return frozenset()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return frozenset()
    # Files first: after the calls are locked nothing may be asked of the kernel any more that a lock needs.
    locks = (("files", _lock_files(libc, readable)), ("calls", _lock_calls(libc)))
    return frozenset(name for name, is_on in locks if is_on)


def _lock_calls(libc: ctypes.CDLL) -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = b"".join(_filter(*machine))
    program = _Program(len(code) // 8, code)
    done: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def _filter(machine: int, refused: tuple[int, ...]) -> Iterator[bytes]:
    """The instructions: another machine's calls end the process, the refused ones fail with EPERM."""
    yield _instruction(_LOAD, _MACHINE_AT)
    yield _instruction(_JUMP_EQUAL, machine, met=1)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER_AT)
    yield _instruction(_JUMP_AT_LEAST, _X32, met=len(refused) + 1)
    for at, number in enumerate(refused):
        yield _instruction(_JUMP_EQUAL, number, met=len(refused) - at)
    yield _instruction(_RETURN, _ALLOW)
    yield _instruction(_RETURN, _REFUSE | _EPERM)


def _instruction(code: int, value: int, *, met: int = 0) -> bytes:
    """struct sock_filter; `met` is how many instructions a comparison that holds leaves out."""
    return struct.pack("=HBBI", code, met, 0, value)


def _lock_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_ONLY)
    if version < 1:
        return False
    handled = (1 << _RIGHTS_OF_VERSION.get(version, max(_RIGHTS_OF_VERSION.values()))) - 1
    attributes = struct.pack("=Q", handled)
    rules = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for place in {*_SYSTEM, sys.prefix, sys.base_prefix, *sys.path, *readable} - {""}:
            _allow_reading(libc, rules, place)
        return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow_reading(libc: ctypes.CDLL, rules: int, place: str) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not there, so nothing to allow
    try:
        rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(place) else 0)
        libc.syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)
