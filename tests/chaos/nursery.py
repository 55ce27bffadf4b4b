"""One process that has everything imported and forks the services: a restart then takes a tenth of a second.

It reads orders as JSON lines from its standard input and tells of births and deaths on its standard output.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import select
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    """Serve orders until the input ends; then kill what is left."""
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    from lace_standalone.services import ALL_SERVICES, load

    load(ALL_SERVICES)
    _import_the_rest()
    gc.collect()
    gc.freeze()  # so that a child's collector does not touch, and so copy, what it shares with its siblings
    waking, written = os.pipe()
    os.set_blocking(written, False)
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    children: set[int] = set()
    _say(ready=os.getpid())
    buffer = b""
    while True:
        readable, _, _ = select.select([0, waking], [], [])
        if waking in readable:
            os.read(waking, 1024)
            _reap(children)
        if 0 in readable:
            data = os.read(0, 1 << 16)
            if not data:
                break
            *orders, buffer = (buffer + data).split(b"\n")
            for order in orders:
                children.add(_bear(json.loads(order), (waking, written)))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _import_the_rest() -> None:
    """What is otherwise imported at its first use."""
    for name in ("aiokafka.conn", "openai", "uvloop", "lace_platform.host", "lace_standalone.program"):
        importlib.import_module(name)


def _reap(children: set[int]) -> None:
    for child in tuple(children):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            children.discard(pid)
            _say(ended=pid, status=os.waitstatus_to_exitcode(status))


def _bear(order: dict[str, Any], pipe: tuple[int, int]) -> int:
    pid = os.fork()
    if pid:
        _say(born=pid, service=order["service"])
        return pid
    _live(order, pipe)


def _live(order: dict[str, Any], pipe: tuple[int, int]) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in pipe:
            os.close(descriptor)
        folder = Path(order["folder"])
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, descriptor in ((0, nothing), (1, log), (2, log)):
            os.dup2(descriptor, target)
        random.seed()  # siblings must not roll the same dice
        os.environ.clear()
        os.environ.update(order["environ"])
        _serve(order["service"], folder, Path(order["server"]))
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _serve(service: str, folder: Path, server: Path) -> None:
    """`lace serve SERVICE`, with its database and its transports under watch."""
    from lace_platform import telemetry
    from lace_platform.config import load_process_config
    from lace_standalone.program import run_service
    from tests.chaos.database import DatabaseTap
    from tests.chaos.outside import watch_outside
    from tests.chaos.points import Journal, Points

    journal = Journal(folder / "journal")
    journal.write("born", service, pid=os.getpid())
    points = Points(journal)
    DatabaseTap(points, folder, server, deaf="CHAOS_DEAF" in os.environ).start()
    watch_outside(points)
    config = load_process_config(env_file=None)
    telemetry.configure(service, config)
    run_service(service, config)


def _say(**what: Any) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
