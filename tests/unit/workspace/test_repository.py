"""What no file of the repository may hold, and how big a file and a function may grow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST_FILE = 600
LONGEST_FUNCTION = 60

# Written so that this file does not match itself.
_REGISTRIES = re.compile(
    r"p[y]pi\.org|pythonh[o]sted\.org|registry\.n[p]mjs|repo1?\.m[a]ven|proxy\.g[o]lang|crates\.i[o]/|d[e]b\.debian\.org"
)
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(w[o]rk|f[a]rm|r[o]ot|h[o]me/[a-z]+)/\w")
_UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")


def texts(files: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in files:
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue


def found(pattern: re.Pattern[str], files: list[Path], root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{number}"
        for path, text in texts(files)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def code(files: list[Path], root: Path) -> Iterator[tuple[Path, str]]:
    """Our own modules, without tests, migrations and generated code."""
    generated = (root / "libs/lace_proto/lace", root / "libs/lace_proto/buf")
    for path, text in texts([path for path in files if path.suffix == ".py"]):
        if path.is_relative_to(root / "tests") or "migrations" in path.parts:
            continue
        if not any(path.is_relative_to(folder) for folder in generated):
            yield path, text


def test_no_file_names_a_package_registry(files: list[Path], root: Path) -> None:
    assert found(_REGISTRIES, files, root) == []


def test_no_file_names_a_path_of_one_machine(files: list[Path], root: Path) -> None:
    assert found(_MACHINE_PATHS, files, root) == []


def test_nothing_is_marked_unfinished(files: list[Path], root: Path) -> None:
    ours = [path for path in files if path.suffix in {".py", ".proto", ".toml", ".yaml", ".sh", ".typ"}]
    assert found(_UNFINISHED, ours, root) == []


def test_files_are_of_a_size_to_read(files: list[Path], root: Path) -> None:
    long = {str(path.relative_to(root)): text.count("\n") for path, text in code(files, root)}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FILE} == {}


@pytest.fixture(scope="module")
def modules(files: list[Path], root: Path) -> dict[Path, ast.Module]:
    """Our own modules, parsed."""
    return {path: ast.parse(text) for path, text in code(files, root)}


def test_functions_are_of_a_size_to_read(modules: dict[Path, ast.Module], root: Path) -> None:
    long = {}
    for path, module in modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long[f"{path.relative_to(root)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is_for(modules: dict[Path, ast.Module], root: Path) -> None:
    silent = [str(path.relative_to(root)) for path, module in modules.items() if not ast.get_docstring(module)]
    assert silent == []
