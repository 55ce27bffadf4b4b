"""There is one version, and all that tells it tells the same: packages, the API, records, the changelog."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from lace_core.version import VERSION
from lace_runs.app.provenance import AGENT
from lace_runs.domain.openlineage import PRODUCER


def test_every_member_takes_its_version_from_the_one_place(root: Path, members: dict[str, dict[str, Any]]) -> None:
    for folder, member in members.items():
        assert member["project"]["dynamic"] == ["version"], folder
        told = member["tool"]["hatch"]["version"]
        place = root / folder / told["path"]
        assert place.resolve() == root / "libs" / "lace_core" / "lace_core" / "version.py", folder
        found = re.search(told["pattern"], place.read_text())
        assert found is not None, folder
        assert found["version"] == VERSION, folder


def test_the_installed_packages_tell_it(members: dict[str, dict[str, Any]]) -> None:
    told = {version(member["project"]["name"]) for member in members.values()}
    assert told == {VERSION}, "make setup installs the members again"


def test_what_python_does_not_build_tells_it_too(root: Path, project: dict[str, Any]) -> None:
    package = json.loads((root / "clients" / "typescript" / "package.json").read_text())
    locked = json.loads((root / "clients" / "typescript" / "package-lock.json").read_text())
    told = {project["project"]["version"], package["version"], locked["version"], locked["packages"][""]["version"]}
    assert told == {VERSION}


def test_the_changelog_begins_with_it(root: Path) -> None:
    newest = re.search(r"^## (\S+?)(?:,| |$)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION


@pytest.mark.parametrize("told", [AGENT, PRODUCER])
def test_records_name_it(told: str) -> None:
    assert told.endswith(VERSION)
