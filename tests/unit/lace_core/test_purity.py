"""The engine is pure: it imports the standard library and three small libraries, and nothing that tells time."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lace_core

_MODULES = sorted(Path(lace_core.__path__[0]).glob("*.py"))
_ALLOWED = set(sys.stdlib_module_names) | {"lace_core", "msgspec", "orjson", "jsonschema_rs"}
_IMPURE = {
    "asyncio", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: path.stem)
def test_nothing_but_the_allowed_is_imported(path: Path) -> None:
    found = set(_imports(path))
    assert found <= _ALLOWED
    assert not found & _IMPURE


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: path.stem)
def test_nothing_is_read_or_printed(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    assert not names & {"open", "print", "input", "eval", "exec", "__import__"}


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: path.stem)
def test_every_module_can_be_imported_by_itself(path: Path) -> None:
    name = "lace_core" if path.stem == "__init__" else f"lace_core.{path.stem}"
    assert importlib.import_module(name).__doc__
