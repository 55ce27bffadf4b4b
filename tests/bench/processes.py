"""Programs that are measured from outside: started, watched with all their processes, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
LACE = Path(sys.executable).with_name("lace")
_STOP_S = 30
_SAMPLE_S = 0.2


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lace-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def started(command: Sequence[str | Path], data_dir: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """The program on a data folder, with all it prints in one pipe; at the end of the block it is told to stop.

    Neither it nor the database that it started is left running, whatever happened.
    """
    environ = _environment(data_dir) | settings
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            _end(process)
            for orphan in _postgres_of(data_dir):
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()


def _environment(data_dir: Path) -> dict[str, str]:
    """Ours without what would make the measured program another one, or write with a model that costs money."""
    dropped = ("LACE_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    own = {"LACE_DATA_DIR": str(data_dir), "LACE_GATEWAY_PORT": "0", "LACE_LLM_PROVIDER": "extractive"}
    # The embedder is an extra: where it happens to be installed it would work beside what is measured.
    own["LACE_INGEST_EMBEDDING"] = "false"
    return kept | own | {"LACE_LOG_LEVEL": "error"}


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _postgres_of(data_dir: Path) -> list[psutil.Process]:
    """The server on the data folder and its back ends; it is nobody's child, as it detaches itself."""
    try:
        first_line = (data_dir / "postgres" / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0]
        server = psutil.Process(int(first_line))
        return [server, *server.children(recursive=True)]
    except (OSError, ValueError, psutil.NoSuchProcess):
        return []


class PeakMemory:
    """The most memory that a program and all its processes held at one time, looked at five times a second.

    `resident` counts a page that processes share in each of them, `proportional` once among all of them; the latter
    is 0 where the system does not tell (it is Linux that does). Both in bytes.
    """

    def __init__(self, process: subprocess.Popen[str], data_dir: Path) -> None:
        self._process = psutil.Process(process.pid)
        self._data_dir = data_dir
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.resident = 0
        self.proportional = 0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            with contextlib.suppress(psutil.NoSuchProcess):
                children = self._process.children(recursive=True)
                processes = {self._process, *children, *_postgres_of(self._data_dir)}
                held = [_memory(process) for process in processes]
                self.resident = max(self.resident, sum(resident for resident, _ in held))
                self.proportional = max(self.proportional, sum(proportional for _, proportional in held))


def _memory(process: psutil.Process) -> tuple[int, int]:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0, 0
    return int(memory.rss), int(getattr(memory, "pss", 0))
