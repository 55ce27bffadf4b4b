"""`lace bundles`, versions of sources, and documents written from a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from lace_cli.failures import NOT_FOUND, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

VERSION = {
    "bundle_id": "bnd_1", "version": 2, "source_ids": ["src_1"], "sha256": "ab" * 32, "note": "why",
    "created_at": "2026-01-02T03:04:05Z", "created_by": "prn_1", "withheld_count": 1,
}  # fmt: skip
BUNDLE = {
    "bundle_id": "bnd_1", "name": "budget", "description": "For May", "version": 2,
    "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
}  # fmt: skip


def test_a_bundle_is_made_and_changed(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/bundles", {**BUNDLE, "version": 0}, status=201)
    made = lace("bundles", "create", "budget", "--private", "--label", "x")
    assert made.code == 0, made.err
    assert "lace bundles add budget" in made.out
    asked = api.last("POST").json
    assert (asked["name"], asked["private"], asked["labels"], asked["source_ids"]) == ("budget", True, ["x"], [])
    api.on("POST", "/v1/bundles/budget/versions", VERSION, status=201)
    assert lace("bundles", "add", "budget", "src_1", "--note", "why").out == "budget is at version 2, with 1 sources.\n"
    assert api.last("POST").json == {"add": ["src_1"], "note": "why"}
    lace("bundles", "remove", "budget", "src_1", "--expected-version", "1")
    assert api.last("POST").json == {"remove": ["src_1"], "note": "", "expected_version": 1}
    api.on("POST", "/v1/bundles/budget:refresh", VERSION)
    assert lace("bundles", "refresh", "budget", "--json").code == 0


def test_bundles_are_listed_and_shown(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/bundles", {"bundles": [BUNDLE]})
    assert lace("bundles", "list").out == "budget\t2\t2026-01-02 03:04\tFor May\n"
    older = {**VERSION, "version": 1, "withheld_count": 0}
    api.on("GET", "/v1/bundles/budget/versions", {"versions": [VERSION, older]})
    api.on("GET", "/v1/bundles/budget/versions/1", older)
    api.on("GET", "/v1/sources/src_1", {"source_id": "src_1", "filename": "a.md", "version": 3})
    shown = lace("bundles", "show", "budget").out
    assert f"budget at version 2, sha256 {'ab' * 32}" in shown
    assert "src_1\ta.md\t3" in shown
    assert "1 more carry labels" in shown
    assert "Version 1 of 2026-01-02 03:04: 1 sources. why" in shown
    assert "at version 1," in lace("bundles", "show", "budget@1").out


def test_what_is_not_there_is_told_with_what_to_do(api: ScriptedApi, lace: Lace) -> None:
    api.refuse("GET", "/v1/bundles/x/versions", 404, "BUNDLE_NOT_FOUND", "No bundle x.")
    told = lace("bundles", "show", "x")
    assert (told.code, told.err.splitlines()[1].strip()) == (NOT_FOUND, "See the bundles there are: lace bundles list")


@pytest.mark.parametrize("name", ["@2", "budget@", "budget@0", "budget@x", "budget@²"])
def test_a_name_that_is_none_is_wrong_use(api: ScriptedApi, lace: Lace, name: str) -> None:
    told = lace("generate", "-t", "T", "--bundle", name)
    assert (told.code, api.asked) == (WRONG_USE, [])
    assert "NAME@2" in told.err


def test_a_document_is_written_from_a_bundle(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/runs/generate", {"run_id": "run_1", "artifact_id": "art_1"}, status=202)
    assert lace("generate", "-t", "T", "--bundle", "budget@2", "--detach").code == 0
    asked = api.last("POST").json
    assert (asked["bundle"], asked["bundle_version"]) == ("budget", 2)


def test_a_newer_version_is_given_and_versions_are_listed(api: ScriptedApi, lace: Lace) -> None:
    Path("a.md").write_text("# A")
    Path("b.md").write_text("# B")
    source = {
        "source_id": "src_2", "filename": "a.md", "format": "md", "state": "pending", "version": 2,
        "sha256": "cd" * 32, "created_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    api.on("POST", "/v1/sources:ingest", {"run_id": "run_1", "sources": [source], "rejected": []}, status=202)
    assert lace("ingest", "a.md", "--version-of", "src_1", "--private", "--detach").code == 0
    body = api.last("POST").body
    assert b'name="version_of"\r\n\r\nsrc_1' in body
    assert b'name="private"\r\n\r\ntrue' in body
    assert body.index(b"version_of") < body.index(b'filename="a.md"')
    both = lace("ingest", "a.md", "b.md", "--version-of", "src_1")
    assert (both.code, len(api.asked)) == (WRONG_USE, 1)
    api.on("GET", "/v1/sources/src_1/versions", {"sources": [source]})
    assert lace("sources", "versions", "src_1").out.split("\t")[:3] == ["2", "src_2", "a.md"]
    read = {"source_id": "src_1", "extraction": "md/1", "present": True, "unit_count": 3, "word_count": 40}
    api.on("GET", "/v1/sources/src_1/extractions", {"extractions": [read]})
    assert lace("sources", "extractions", "src_1").out.split("\t")[:3] == ["md/1", "present", "3"]
