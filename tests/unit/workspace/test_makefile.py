"""The Makefile as its users meet it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "JOBS", "SOURCES", "TITLE")


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Not the flags and variables of a make that may be running these tests.
    environ = {key: value for key, value in os.environ.items() if key not in _OF_MAKE}
    return subprocess.run(
        ["make", "-s", *arguments], cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose commands print how they were called, one argument per line."""
    (tmp_path / "bin").mkdir()
    for name in ("lace", "pytest"):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' {name} \"$@\"\n")
        program.chmod(0o755)
    return tmp_path


def called(root: Path, environment: Path, *arguments: str) -> list[str]:
    ready = environment / "ready"
    answer = make(root, *arguments, f"VENV={environment}", f"--assume-old={ready}")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_every_public_target_is_in_the_help(root: Path) -> None:
    text = (root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    shown = make(root, "help").stdout
    assert [target for target in phony.group(1).split() if f"make {target} " not in shown] == []


def test_make_alone_shows_the_help(root: Path) -> None:
    assert make(root).stdout == make(root, "help").stdout


def test_the_demo_is_called_plainly_without_variables(root: Path, environment: Path) -> None:
    assert called(root, environment, "demo") == ["lace", "demo"]


@pytest.mark.parametrize("title", ["Two words", "It cost $5 (or £4)", 'A "quoted" word', "Umlaute: äöü; & more", "a'b"])
def test_sources_and_title_reach_the_demo_as_they_are(root: Path, environment: Path, title: str) -> None:
    lines = called(root, environment, "demo", "SOURCES=my folder", f"TITLE={title}")
    assert lines == ["lace", "demo", "my folder", "--title", title]


def test_a_python_that_is_too_old_is_refused_clearly(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    answer = make(root, "setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_calls_the_targets_that_people_call(root: Path) -> None:
    script = (root / ".ci" / "run").read_text()
    for target in ("setup", "test", "lint", "proto-check", "test-real"):
        assert f"make -s {target}" in script
    assert subprocess.run(["bash", "-n", str(root / ".ci" / "run")], check=False).returncode == 0
