"""The pages of docs/ that are made from the code are up to date, and every page's links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import unquote

import pytest

from lace_core.errors import REASONS
from lace_core.settings import SETTINGS

_LINK = re.compile(r"(?<!\\)\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, str]:
    """What the generator makes of the code as it is now."""
    spec = spec_from_file_location("docs_generate", root / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    make: Callable[[], dict[str, str]] = module.pages
    return make()


def test_the_generated_pages_are_up_to_date(pages: dict[str, str], root: Path) -> None:
    stale = [name for name, text in pages.items() if (root / "docs" / name).read_text() != text]
    assert stale == [], "run make docs"


def test_every_error_setting_and_state_is_on_its_page(pages: dict[str, str]) -> None:
    assert [reason for reason in REASONS if f"| `{reason}` |" not in pages["errors.md"]] == []
    assert [key for key, s in SETTINGS.items() if s.environment_variable not in pages["settings.md"]] == []
    assert "stateDiagram-v2" in pages["run-lifecycle.md"]


def test_a_stale_page_is_found(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "generate.py"
    copy.write_text((root / "docs" / "generate.py").read_text())

    def run(*arguments: str) -> int:
        command = [sys.executable, str(copy), *arguments]
        return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode

    assert run("--check") == 1
    assert run() == 0
    assert run("--check") == 0


def test_links_between_pages_lead_somewhere(files: list[Path], root: Path) -> None:
    broken = []
    for page in (path for path in files if path.suffix == ".md" and not path.is_relative_to(root / "tests")):
        for target in _LINK.findall(_CODE.sub("", page.read_text())):
            path = unquote(target.partition("#")[0])
            if path and "://" not in path and not (page.parent / path).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []
