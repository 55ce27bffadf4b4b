"""The repository as the tests of the workspace see it."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The root pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def members(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each member's pyproject.toml, by its folder."""
    folders = project["tool"]["uv"]["workspace"]["members"]
    return {folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text()) for folder in folders}


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file that is, or would be, in the repository: what git tracks and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip(f"this is no git checkout: {listed.stderr.strip()}")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]
