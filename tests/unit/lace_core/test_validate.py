"""Validation: every finding's code once, and nothing found in a sound document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from lace_core import ir
from lace_core.validate import Finding, errors, validate

from .strategies import EVIDENCE, artifacts, broken_artifacts, paragraph, planted

_replace = msgspec.structs.replace


def _with(section: str, /, **values: Any) -> ir.Artifact:
    document = planted()
    nodes = tuple(_replace(node, **values) if node.title == section else node for node in document.nodes)
    return _replace(document, nodes=nodes)


def _ruled(**rules: Any) -> ir.Artifact:
    return _with("One", constraints=ir.Constraints(**rules))


def _cited(**change: Any) -> ir.Artifact:
    one = next(node for node in planted().nodes if node.title == "One")
    return _with("One", evidence=tuple(_replace(evidence, **change) for evidence in one.evidence))


def _raw(*nodes: ir.Node) -> ir.Artifact:
    return ir.Artifact(artifact_id="art_1", title="", nodes=nodes)


def _node(node_id: str, parent_id: str | None, order_key: str = "i") -> ir.Node:
    return ir.Node(node_id=node_id, parent_id=parent_id, order_key=order_key, title="x")


_RAGGED = ir.Table(block_id="blk_t", header=("a", "b"), rows=(ir.Row(row_id="row_1", cells=("1",)),))
_BROKEN: list[tuple[str, str, Callable[[], ir.Artifact]]] = [
    ("ID_REPEATED", "error", lambda: _with("Two", blocks=(planted().nodes[1].blocks[0],), evidence=EVIDENCE)),
    ("ROOT_COUNT", "error", lambda: _raw(_node("a", None), _node("b", None, "r"))),
    ("PARENT_MISSING", "error", lambda: _raw(_node("a", None), _node("b", "c"))),
    ("UNREACHABLE", "error", lambda: _raw(_node("a", None), _node("b", "c"), _node("c", "b"))),
    ("ORDER_UNCLEAR", "error", lambda: _raw(_node("a", None), _node("b", "a"), _node("c", "a"))),
    ("SOURCE_MISSING", "error", lambda: _replace(planted(), sources=())),
    ("SOURCE_VERSION", "error", lambda: _cited(source_version="v0")),
    ("QUOTE_HASH", "error", lambda: _cited(quote_hash="0")),
    ("QUOTE_SPAN", "error", lambda: _cited(end=99)),
    ("EVIDENCE_MISSING", "error", lambda: _with("One", evidence=())),
    ("CITATION_MISSING", "error", lambda: _with("One", constraints=ir.Constraints(must_cite=True), blocks=(_plain(),))),
    ("CITATIONS_FEW", "error", lambda: _ruled(min_citations_per_block=2)),
    ("PHRASE_FORBIDDEN", "error", lambda: _ruled(forbidden_phrases=("PUMP FAILED",))),
    ("TERM_AVOIDED", "warning", lambda: _ruled(glossary=(ir.GlossaryTerm(term="device", avoid=("PUMP",)),))),
    ("TABLE_RAGGED", "error", lambda: _with("Two", blocks=(_RAGGED,))),
    ("TITLE_MISSING", "error", lambda: _with("One", title=" ", state=ir.NodeState.DRAFT)),
    ("TOO_LONG", "warning", lambda: _ruled(max_words=10)),
    ("TOO_SHORT", "warning", lambda: _ruled(min_words=12)),
]


def _plain() -> ir.Paragraph:
    return _replace(paragraph("Nothing cited."), block_id="blk_plain")


@pytest.mark.parametrize(("code", "severity", "make"), _BROKEN, ids=[code for code, _, _ in _BROKEN])
def test_each_code_is_found(code: str, severity: str, make: Callable[[], ir.Artifact]) -> None:
    found = [finding for finding in validate(make()) if finding.code == code]
    assert found
    assert {finding.severity for finding in found} == {severity}
    assert all(finding.pointer.startswith("/") and finding.message for finding in found)


def test_too_many_nodes() -> None:
    assert [finding.code for finding in validate(planted(), max_nodes=4)] == ["TOO_MANY_NODES"]


def test_too_many_blocks() -> None:
    assert [finding.code for finding in validate(planted(), max_blocks=2)] == ["TOO_MANY_BLOCKS"]


def test_a_rule_that_is_looser_than_what_is_locked_above_is_told_of() -> None:
    document = _with("Root", constraints=ir.Constraints(max_words=100, locked=("max_words", "tone")))
    (one,) = [node for node in document.nodes if node.title == "One"]
    for own, told in ((200, 1), (50, 0)):
        changed = _replace(one, constraints=ir.Constraints(max_words=own, tone="dry"))
        nodes = tuple(changed if node is one else node for node in document.nodes)
        found = [f for f in validate(_replace(document, nodes=nodes)) if f.code == "CONSTRAINT_LOOSER"]
        assert [(f.severity, f.pointer) for f in found] == [
            ("warning", f"/nodes/{one.node_id}/constraints/max_words")
        ] * told


def test_quotes_are_looked_up_in_their_units() -> None:
    document = _with("One", evidence=tuple(e for e in EVIDENCE if e.evidence_id != "evd_c"))
    texts = {"unt_1": "The pump failed."}
    assert [f.pointer[-5:] for f in validate(document, texts) if f.code == "QUOTE_NOT_FOUND"] == ["evd_b"]
    assert {finding.code for finding in validate(document, {})} == {"UNIT_MISSING"}


def test_a_sound_document_has_no_findings() -> None:
    assert validate(planted()) == []


def test_rules_of_a_parent_hold_below_it() -> None:
    found = validate(_with("Root", constraints=ir.Constraints(max_words=3)))
    (one,) = [node.node_id for node in planted().nodes if node.title == "One"]
    assert [(finding.code, finding.pointer) for finding in found] == [("TOO_LONG", f"/nodes/{one}")]


@pytest.mark.parametrize(
    ("term", "avoid", "found"),
    [
        ("device", ("pump",), ["'pump' is to be avoided; write 'device'."]),
        ("device", ("pum",), []),  # whole words alone
        ("the pump", ("pump",), []),  # inside of the term itself it is the term
        ("device", ("failed", "pump failed"), ["'pump failed' is to be avoided; write 'device'."]),
        ("device", ("", " "), []),
        ("", ("pump",), ["'pump' is to be avoided; write ''."]),
    ],
)
def test_words_to_avoid_are_found_as_words(term: str, avoid: tuple[str, ...], found: list[str]) -> None:
    document = _with("Two", constraints=ir.Constraints(glossary=(ir.GlossaryTerm(term=term, avoid=avoid),)))
    assert [finding.message for finding in validate(document)] == found


def test_an_empty_phrase_forbids_nothing() -> None:
    assert validate(_ruled(forbidden_phrases=("", " "))) == []


def test_only_errors_forbid_a_commit() -> None:
    mixed = [Finding("A", "error", "/", "x"), Finding("B", "warning", "/", "x")]
    assert errors(mixed) == mixed[:1]


@settings(max_examples=80)
@given(artifacts)
def test_what_apply_made_is_sound_in_structure(document: ir.Artifact) -> None:
    structural = {"ID_REPEATED", "ROOT_COUNT", "PARENT_MISSING", "UNREACHABLE", "ORDER_UNCLEAR", "TABLE_RAGGED"}
    assert not structural & {finding.code for finding in validate(document)}
    assert not {"EVIDENCE_MISSING", "QUOTE_HASH", "QUOTE_SPAN"} & {finding.code for finding in validate(document)}


@settings(max_examples=80)
@given(broken_artifacts)
def test_any_document_can_be_looked_at(document: ir.Artifact) -> None:
    assert validate(document) == validate(document)
