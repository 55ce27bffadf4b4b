"""DBOS Transact beside LACE: made in an environment of its own when it is first measured, on the same server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.bench.processes import ROOT

DATABASE = "dbos_bench"
_REQUIREMENTS = Path(__file__).with_name("requirements-dbos.txt")
_PROGRAM = Path(__file__).with_name("dbos_program.py")
_ENVIRONMENTS = ROOT / "out" / "bench"


@dataclass(frozen=True)
class Round:
    """What one round took."""

    workflows_per_s: float
    cpu_ms: float
    peak_bytes: int


class Engine:
    """The program with DBOS in it."""

    def __init__(self, process: subprocess.Popen[str], count: int) -> None:
        self._process = process
        self._count = count
        self._line()

    def round(self) -> Round:
        """As many workflows as it was started for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found = self._line()
        return Round(self._count / found["seconds"], 1000 * found["cpu_s"] / self._count, int(found["peak_bytes"]))

    def _line(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("{"):
            raise RuntimeError(f"DBOS did not run: {line}{self._process.stdout.read()}")
        found: dict[str, float] = json.loads(line)
        return found


@contextmanager
def engine(dsn: str, *, count: int, in_flight: int, connections: int = 10) -> Iterator[Engine]:
    """DBOS on a database of its own on that server, warmed up; with as many connections as served it best."""
    python = _environment()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    own = conninfo_to_dict(dsn) | {"dbname": DATABASE}
    sizes = ["--count", str(count), "--in-flight", str(in_flight), "--connections", str(connections)]
    with subprocess.Popen(
        [python, _PROGRAM, _url(own), *sizes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Engine(process, count)
        finally:
            process.kill()


def database_dsn(dsn: str) -> str:
    """The DSN of the database that DBOS has."""
    return make_conninfo(dsn, dbname=DATABASE)


def _url(parts: Mapping[str, object]) -> str:
    """As SQLAlchemy takes it, the server's socket among the parameters."""
    return f"postgresql://{parts['user']}:{parts['password']}@/{parts['dbname']}?host={parts['host']}"


def _environment() -> Path:
    """The Python of an environment that holds what the pinned file says, made where there is none yet."""
    folder = _ENVIRONMENTS / f"dbos-{sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--compile-bytecode",
            "--python",
            python,
        ]
        subprocess.run([*install, "--requirements", _REQUIREMENTS], check=True)
        (folder / "ready").touch()
    return python
