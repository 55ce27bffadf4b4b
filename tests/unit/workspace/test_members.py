"""Every place that lists the members of the workspace lists all of them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

Members = dict[str, dict[str, Any]]


def packages_of(members: Members) -> set[str]:
    """The import packages of ours: one in each member, named after the member's distribution."""
    return {member["project"]["name"].replace("-", "_") for member in members.values()}


def import_rules(root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(root / ".importlinter")
    return parser


def test_the_makefile_installs_all_members(root: Path, members: Members) -> None:
    text = (root / "Makefile").read_text().replace("\\\n", " ")
    found = re.search(r"^MEMBERS := (.*)$", text, re.MULTILINE)
    assert found is not None
    assert sorted(found.group(1).split()) == sorted(members)


def test_workspace_sources_name_all_members(project: dict[str, Any], members: Members) -> None:
    names = {member["project"]["name"] for member in members.values()}
    assert set(project["tool"]["uv"]["sources"]) == names


def test_the_type_checker_knows_all_members(project: dict[str, Any], members: Members) -> None:
    assert sorted(project["tool"]["mypy"]["mypy_path"]) == sorted(members)
    assert project["tool"]["mypy"]["strict"] is True


def test_import_rules_cover_all_packages(root: Path, members: Members) -> None:
    named = import_rules(root)["importlinter"]["root_packages"].split()
    assert set(named) == packages_of(members)


def test_every_service_is_held_to_the_one_shape(root: Path, members: Members) -> None:
    rules = import_rules(root)["importlinter:contract:service-shape"]
    services = {f"lace_{Path(folder).name}" for folder in members if folder.startswith("services/")}
    assert set(rules["containers"].split()) == services - {"lace_standalone"}
    assert rules["exhaustive"] == "true"


def test_every_member_is_typed_and_licensed(root: Path, members: Members) -> None:
    for folder, member in members.items():
        package = member["project"]["name"].replace("-", "_")
        assert (root / folder / package / "py.typed").exists(), folder
        assert member["project"]["license"] == "Apache-2.0"
        assert member["project"]["requires-python"] == ">=3.11"


def test_wheels_carry_every_package_of_a_member(root: Path, members: Members) -> None:
    for folder, member in members.items():
        packed = set(member["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
        present = {path.parent.name for path in (root / folder).glob("*/__init__.py")}
        assert packed == present, folder
