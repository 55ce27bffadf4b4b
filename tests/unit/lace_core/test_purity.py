"""The engine is pure: it imports the standard library and a few small libraries, and nothing that tells time."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lace_core

_ROOT = Path(lace_core.__path__[0])
_MODULES = sorted(_ROOT.rglob("*.py"))
_NAMES = {
    path: ".".join(("lace_core", *path.relative_to(_ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in _MODULES
}
_ALLOWED = set(sys.stdlib_module_names) | {"lace_core", "msgspec", "orjson", "jsonschema_rs", "re2", "yaml"}
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


@pytest.mark.parametrize("path", _MODULES, ids=_NAMES.get)
def test_nothing_but_the_allowed_is_imported(path: Path) -> None:
    found = set(_imports(path))
    assert found <= _ALLOWED
    assert not found & _IMPURE


@pytest.mark.parametrize("path", _MODULES, ids=_NAMES.get)
def test_nothing_is_read_or_printed(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    assert not names & {"open", "print", "input", "eval", "exec", "__import__"}


@pytest.mark.parametrize("path", _MODULES, ids=_NAMES.get)
def test_every_module_can_be_imported_by_itself(path: Path) -> None:
    assert importlib.import_module(_NAMES[path]).__doc__
