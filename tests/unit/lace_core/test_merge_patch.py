"""JSON Merge Patch of a document: what it asks for as actions, and what it may not name."""

from __future__ import annotations

from typing import Any

import pytest

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.errors import LaceError, Reason
from lace_core.merge_patch import Patched, merge_patch
from tests.unit.lace_core.strategies import planted

BASE = planted()
ONE = BASE.children(BASE.root.node_id)[0]


def _patched(document: ir.Artifact, patch: Any) -> ir.Artifact:
    found = merge_patch(document, patch, "key")
    applied = apply(document, act.Proposal(base_hash="", actions=found.actions), Policy(on_conflict="rebase"))
    assert not applied.rejections, applied.rejections
    return applied.artifact


def test_absent_stays_and_null_takes_out() -> None:
    rules = {"constraints": {"max_words": 9, "must_cite": True, "locked": ["max_words"]}}
    first = _patched(BASE, {"nodes": {ONE.node_id: {"brief": "Costs.", "summary": "Short.", **rules}}})
    node = first.node(ONE.node_id)
    assert (node.title, node.brief, node.summary) == ("One", "Costs.", "Short.")
    then = {"nodes": {ONE.node_id: {"summary": None, "constraints": {"max_words": None, "locked": None}}}}
    second = _patched(first, then).node(ONE.node_id)
    assert (second.brief, second.summary) == ("Costs.", "")
    assert second.constraints == ir.Constraints(must_cite=True)
    assert (
        _patched(first, {"nodes": {ONE.node_id: {"constraints": None}}}).node(ONE.node_id).constraints
        == ir.Constraints()
    )


def test_a_patch_of_nothing_changes_nothing() -> None:
    assert merge_patch(BASE, {}, "key") == Patched(None, None, ())


def test_the_document_s_own_members() -> None:
    found = merge_patch(BASE, {"title": "New", "language": "de"}, "key")
    assert (found.title, found.language, found.actions) == ("New", "de", ())
    assert merge_patch(BASE, {"title": "New"}, "key").language is None


def test_a_final_section_is_reopened_before_it_is_changed() -> None:
    drafted = _patched(BASE, {"nodes": {ONE.node_id: {"state": "draft"}}})
    final = _patched(drafted, {"nodes": {ONE.node_id: {"title": "Last", "state": "final"}}})
    assert final.node(ONE.node_id).state is ir.NodeState.FINAL
    again = _patched(final, {"nodes": {ONE.node_id: {"title": "Again", "state": "draft"}}})
    assert again.node(ONE.node_id).title == "Again"


@pytest.mark.parametrize(
    ("patch", "reason", "pointer"),
    [
        ([], Reason.INVALID_ARGUMENT, ""),
        ({"titel": "x"}, Reason.UNKNOWN_FIELD, "/titel"),
        ({"a/b~": "x"}, Reason.UNKNOWN_FIELD, "/a~1b~0"),
        ({"title": None}, Reason.INVALID_ARGUMENT, "/title"),
        ({"title": ""}, Reason.INVALID_ARGUMENT, "/title"),
        ({"title": "x" * 301}, Reason.INVALID_ARGUMENT, "/title"),
        ({"title": "a\0b"}, Reason.INVALID_ARGUMENT, "/title"),
        ({"language": 7}, Reason.INVALID_ARGUMENT, "/language"),
        ({"nodes": None}, Reason.INVALID_ARGUMENT, "/nodes"),
        ({"nodes": {"nod_x": {"title": "x"}}}, Reason.NODE_NOT_FOUND, "/nodes/nod_x"),
        ({"nodes": {ONE.node_id: None}}, Reason.INVALID_ARGUMENT, f"/nodes/{ONE.node_id}"),
        ({"nodes": {ONE.node_id: {"blocks": []}}}, Reason.UNKNOWN_FIELD, f"/nodes/{ONE.node_id}/blocks"),
        ({"nodes": {ONE.node_id: {"state": "done"}}}, Reason.INVALID_ARGUMENT, f"/nodes/{ONE.node_id}/state"),
        ({"nodes": {ONE.node_id: {"state": None}}}, Reason.INVALID_ARGUMENT, f"/nodes/{ONE.node_id}/state"),
        (
            {"nodes": {ONE.node_id: {"constraints": {"max_word": 1}}}},
            Reason.UNKNOWN_FIELD,
            f"/nodes/{ONE.node_id}/constraints/max_word",
        ),
        (
            {"nodes": {ONE.node_id: {"constraints": {"max_words": 2**31}}}},
            Reason.INVALID_ARGUMENT,
            f"/nodes/{ONE.node_id}/constraints/max_words",
        ),
        (
            {"nodes": {ONE.node_id: {"constraints": {"glossary": ["a"], "glossary_terms": [{"term": "b"}]}}}},
            Reason.INVALID_ARGUMENT,
            f"/nodes/{ONE.node_id}/constraints/glossary",
        ),
        (
            {"nodes": {ONE.node_id: {"constraints": {"audience": "a\0"}}}},
            Reason.INVALID_ARGUMENT,
            f"/nodes/{ONE.node_id}/constraints/audience",
        ),
        (
            {"nodes": {ONE.node_id: {"constraints": {"max_words": 1.5}}}},
            Reason.INVALID_ARGUMENT,
            f"/nodes/{ONE.node_id}/constraints/max_words",
        ),
    ],
)
def test_what_it_may_not_name(patch: Any, reason: Reason, pointer: str) -> None:
    with pytest.raises(LaceError) as refused:
        merge_patch(BASE, patch, "key")
    assert refused.value.reason is reason
    assert refused.value.details[0].field == pointer


def test_a_glossary_is_patched_as_it_is_read_and_as_the_first_schema_had_it() -> None:
    at = f"/nodes/{ONE.node_id}/constraints"
    pump = {"term": "pump", "definition": "moves water", "avoid": ["engine"]}
    read = {"glossary": ["pump"], "glossary_terms": [pump]}  # the names beside the terms, as the API shows them
    whole = (ir.GlossaryTerm(term="pump", definition="moves water", avoid=("engine",)),)
    for wanted, kept in (
        (read, whole),
        ({"glossary_terms": [pump]}, whole),
        ({"glossary": [pump]}, whole),
        ({"glossary": ["pump"]}, (ir.GlossaryTerm(term="pump"),)),
        ({"glossary_terms": None}, None),
    ):
        patched = _patched(BASE, {"nodes": {ONE.node_id: {"constraints": wanted}}})
        assert patched.node(ONE.node_id).constraints.glossary == kept
    for wrong, pointer in (
        ({**read, "glossary": ["valve"]}, f"{at}/glossary"),
        ({"glossary_terms": ["pump"]}, f"{at}/glossary_terms"),
        ({"glossary_terms": 1}, f"{at}/glossary_terms"),
    ):
        with pytest.raises(LaceError) as refused:
            merge_patch(BASE, {"nodes": {ONE.node_id: {"constraints": wrong}}}, "key")
        assert refused.value.details[0].field == pointer
