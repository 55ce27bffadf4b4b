"""Forbidden phrases: one rule for every text of a document, and for every way in which it changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core import ir
from lace_core.errors import LaceError, Reason
from lace_core.phrases import phrase_in, without_phrases
from lace_core.policies.holding import broken, refuse_title
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.parsing import parse
from lace_core.policies.resolving import resolve
from lace_core.validate import validate

from .strategies import planted

_FORBIDDEN = ("World-class",)
_replace = msgspec.structs.replace


def _policy(text: str) -> PolicyInForce:
    return resolve([parse(f"policy: house\nversion: 1\n{text}")]).policy


_HOUSE = _policy("constraints: {forbidden_phrases: [world-class]}\n")


def _one(document: ir.Artifact, **values: Any) -> ir.Artifact:
    nodes = tuple(_replace(node, **values) if node.title == "One" else node for node in document.nodes)
    return _replace(document, nodes=nodes)


def _table(caption: str = "", head: str = "Pump") -> ir.Table:
    rows = (ir.Row(row_id="row_1", cells=("one",)),)
    return ir.Table(block_id="blk_table", header=(head,), rows=rows, caption=caption)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("A WORLD-CLASS pump", True),
        ("on  time\nand on\u00a0budget", True),
        ("on time, and on budget", False),
        ("A worldly class", False),
    ],
)
def test_a_phrase_is_found_in_any_case_and_spacing(text: str, held: bool) -> None:
    assert bool(phrase_in(text, ("world-class", " ", "on time and on budget"))) is held


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("title", {"title": "A world-class one"}),
        ("summary", {"summary": "World-class."}),
        ("caption", {"blocks": (_table("World-class"),)}),
        ("0", {"blocks": (_table(head="World-class"),)}),
    ],
)
def test_headings_summaries_captions_and_columns_are_looked_at(place: str, values: dict[str, Any]) -> None:
    document = _one(planted(), constraints=ir.Constraints(forbidden_phrases=_FORBIDDEN), **values)
    found = [finding for finding in validate(document) if finding.code == "PHRASE_FORBIDDEN"]
    assert [(finding.pointer.rpartition("/")[2], finding.severity) for finding in found] == [(place, "error")]
    assert found[0].suggested_actions
    assert "text" not in found[0].told()  # events tell no more of a text than redaction lets through


def test_the_documents_own_title_is_held_to_the_rules_of_its_root() -> None:
    document = _replace(planted(), title="World-class")
    root = _replace(document.root, constraints=ir.Constraints(forbidden_phrases=_FORBIDDEN))
    document = _replace(document, nodes=tuple(root if node is document.root else node for node in document.nodes))
    assert [finding.pointer for finding in validate(document) if finding.code == "PHRASE_FORBIDDEN"] == ["/title"]


def test_the_policy_in_force_holds_what_a_change_brings_and_leaves_what_stood() -> None:
    old = _one(planted(), title="One world-class")
    assert [finding.code for finding in broken(old, (planted(),), _HOUSE)] == ["PHRASE_FORBIDDEN"]
    assert "(house@1)" in broken(old, (planted(),), _HOUSE)[0].message
    assert broken(old, (old,), _HOUSE) == []
    assert broken(old, (planted(), old), _HOUSE) == []
    again = _replace(
        old, nodes=tuple(_replace(n, summary="World-class!") if n.title == "Two" else n for n in old.nodes)
    )
    assert [finding.pointer.rpartition("/")[2] for finding in broken(again, (old,), _HOUSE)] == ["summary"]
    assert broken(old, (planted(),)) == []


def test_a_policy_asks_the_same_evidence_of_a_change_by_hand() -> None:
    strict = _policy("sections: [{title: one, constraints: {min_citations_per_block: 9}}]\n")
    assert {finding.code for finding in broken(planted(), (), strict)} == {"CITATIONS_FEW"}
    assert broken(planted(), (planted(),), strict) == []


def test_a_title_that_the_policy_forbids_is_refused_by_its_phrase() -> None:
    with pytest.raises(LaceError, match="'world-class' may not occur") as refused:
        refuse_title(_HOUSE, "Our World-Class pumps")
    assert (refused.value.reason, refused.value.details[0].field) == (Reason.POLICY_FORBIDS, "/title")
    refuse_title(_HOUSE, "Our pumps")
    refuse_title(None, "Our World-Class pumps")


@pytest.mark.parametrize(
    ("heading", "left"),
    [
        ("World-class pumps", "Pumps"),
        ("Pumps: world-class", "Pumps"),
        ("world-CLASS", ""),
        ("Pumps, world-classy", "Pumps"),
        ("Pumps", "Pumps"),
        ("- Pumps -", "- Pumps -"),
    ],
)
def test_a_heading_that_is_made_loses_the_phrase(heading: str, left: str) -> None:
    assert without_phrases(heading, ("World-class",)) == left


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_no_heading_keeps_a_phrase(heading: str, phrases: list[str]) -> None:
    left = without_phrases(heading, phrases)
    assert not phrase_in(left, phrases)
