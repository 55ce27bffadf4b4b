"""Environments of their own for the programs that LACE is compared with, made once from their pinned files."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tests.bench.processes import ROOT

_FOLDER = ROOT / "out" / "bench"


def python_with(requirements: Path) -> Path:
    """The interpreter of an environment that holds what the file says, with its hashes; made where it is missing."""
    name = requirements.stem.removeprefix("requirements-")
    folder = _FOLDER / f"{name}-{sha256(requirements.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        install: list[str | Path] = [uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode"]
        subprocess.run([*install, "--python", python, "--requirements", requirements], check=True)
        (folder / "ready").touch()
    return python
