"""Earlier schema versions: the chain to the current one, its guard against loops, and hashes of what is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lace_core import ir
from lace_core.actions import Proposal, SetSummary
from lace_core.apply import apply
from lace_core.diff import diff
from lace_core.merkle import content_hash, ir_hash
from lace_core.migrations.chain import (
    CURRENT_VERSION,
    FIRST_VERSION,
    MIGRATIONS,
    MigrationStuck,
    UnknownVersion,
    migrate,
)
from lace_core.migrations.stored import content_hash_of_form, ir_hash_of_form, stored_of, stored_of_form

from .strategies import artifacts, broken_artifacts, planted, to_json

_GOLDEN = Path(__file__).parents[2] / "golden" / "ir"
_V1 = json.loads((_GOLDEN / "artifact_v1.json").read_bytes())


def test_there_is_a_way_from_every_version_to_the_current_one() -> None:
    assert sorted(MIGRATIONS) == list(range(FIRST_VERSION, CURRENT_VERSION))
    assert CURRENT_VERSION == ir.IR_SCHEMA_VERSION
    assert sorted(int(path.stem[-1]) for path in _GOLDEN.glob("artifact_v?.json")) == [*MIGRATIONS, CURRENT_VERSION]


def test_the_strings_of_a_glossary_become_terms_and_nothing_else_changes() -> None:
    migrated = migrate(_V1)
    (root, *others) = migrated["nodes"]
    assert root["constraints"]["glossary"] == [{"term": "main", "definition": "", "avoid": []}]
    assert others == _V1["nodes"][1:]
    unchanged = {name: value for name, value in _V1.items() if name not in ("nodes", "ir_schema_version")}
    assert {name: migrated[name] for name in unchanged} == unchanged
    assert _V1["nodes"][0]["constraints"]["glossary"] == ["main"], "what is stored is not touched"


def test_a_document_without_a_version_is_of_the_first() -> None:
    form = {name: value for name, value in _V1.items() if name != "ir_schema_version"}
    assert ir.decode(json.dumps(form).encode()) == ir.decode(json.dumps(_V1).encode())


@pytest.mark.parametrize(
    "glossary", ["main", [1], [["main"]], {"term": "main"}, [{"term": "main", "definition": "", "avoid": []}]]
)
def test_a_glossary_that_is_none_of_its_version_is_refused(glossary: Any) -> None:
    root = _V1["nodes"][0]
    form = {**_V1, "nodes": [{**root, "constraints": {**root["constraints"], "glossary": glossary}}]}
    with pytest.raises(ValueError, match="glossary"):
        ir.artifact_of(form)


@pytest.mark.parametrize("nodes", [None, 1, [None], [1], [{"constraints": 1}], "x"])
def test_nodes_that_are_none_are_refused(nodes: Any) -> None:
    with pytest.raises(ValueError):
        ir.artifact_of({**_V1, "nodes": nodes})


@pytest.mark.parametrize(("version", "newer"), [(99, True), (0, False), (-1, False), ("1", False), (True, False)])
def test_a_version_that_nobody_knows_is_refused(version: Any, newer: bool) -> None:
    with pytest.raises(UnknownVersion) as caught:
        migrate({**_V1, "ir_schema_version": version})
    assert caught.value.is_newer == newer


def test_a_missing_migration_is_told() -> None:
    with pytest.raises(UnknownVersion):
        migrate(_V1, {2: MIGRATIONS[1]}, target=3)


@pytest.mark.parametrize("to", [1, 0, 3, None, "2"])
def test_a_migration_that_does_not_lead_to_the_next_version_ends_at_once(to: Any) -> None:
    calls = 0

    def loops(form: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal calls
        calls += 1
        return {**form, "ir_schema_version": to}

    with pytest.raises(MigrationStuck):
        migrate(_V1, dict.fromkeys(range(1, 100), loops), target=100)
    assert calls == 1


def test_many_versions_are_passed_in_order() -> None:
    passed: list[int] = []

    def step(form: Mapping[str, Any]) -> Mapping[str, Any]:
        passed.append(form["ir_schema_version"])
        return {**form, "ir_schema_version": form["ir_schema_version"] + 1}

    assert migrate(_V1, dict.fromkeys(range(1, 40), step), target=40)["ir_schema_version"] == 40
    assert passed == list(range(1, 40))


@settings(max_examples=30)
@given(artifacts | broken_artifacts)
def test_the_hashes_of_a_form_are_those_of_the_document(artifact: ir.Artifact) -> None:
    ids = [node.node_id for node in artifact.nodes]
    form = to_json(artifact)
    if len(set(ids)) == len(ids):
        assert ir_hash_of_form(form) == ir_hash(artifact)
        assert content_hash_of_form(form) == content_hash(artifact)
    assert stored_of(ir.encode(artifact)) == stored_of_form(form)
    assert stored_of_form(form).data() == ir.encode(artifact)


def _as_v1(artifact: ir.Artifact) -> dict[str, Any]:
    """The form that a release of schema 1 wrote; terms lose all but their names."""
    form: dict[str, Any] = json.loads(ir.encode(artifact))
    for node in form["nodes"]:
        if node["constraints"]["glossary"] is not None:
            node["constraints"]["glossary"] = [entry["term"] for entry in node["constraints"]["glossary"]]
    return {**form, "ir_schema_version": 1}


@settings(max_examples=30)
@given(artifacts)
def test_any_document_of_the_first_version_loads_and_keeps_its_bytes_and_hashes(artifact: ir.Artifact) -> None:
    form = _as_v1(artifact)
    data = json.dumps(form).encode()
    stored = stored_of(data)
    assert json.loads(stored.data()) == form
    assert (stored.ir_hash(), stored.content_hash()) == (ir_hash_of_form(form), content_hash_of_form(form))
    assert stored_of(stored.data()) == stored
    assert _as_v1(stored.artifact) == form


def test_a_revision_of_the_first_version_and_its_child_of_the_second_differ_by_what_was_changed_alone() -> None:
    before = stored_of((_GOLDEN / "artifact_v1.json").read_bytes()).artifact
    root = before.root.node_id
    change = SetSummary(key="k", node_id=root, summary="Shorter.")
    applied = apply(before, Proposal(base_hash=ir_hash(before), actions=(change,)))
    assert applied.artifact.ir_schema_version == 2
    found = diff(before, applied.artifact).differences
    assert [(d.subject, d.change, d.subject_id, d.fields) for d in found] == [("node", "changed", root, ("summary",))]
    assert diff(before, before).differences == ()


def test_what_has_no_glossary_keeps_its_node_hashes_from_version_to_version() -> None:
    """So that node versions are shared by revisions of both."""
    document = planted()
    form = _as_v1(document)
    assert form["nodes"] == json.loads(ir.encode(document))["nodes"]
    assert ir_hash_of_form(form) != ir_hash(document), "the version counts"
