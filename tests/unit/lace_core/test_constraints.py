"""Inheritance of constraints: the child wins, but never loosens what is locked above it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.constraints import FIELDS, resolve, resolve_chain
from lace_core.ir import Artifact, Constraints, GlossaryTerm, Node

from .strategies import constraints, planted


def _chain(*own: Constraints) -> list[Node]:
    return [
        Node(node_id=f"n{at}", parent_id=f"n{at - 1}" if at else None, order_key="i", title="", constraints=one)
        for at, one in enumerate(own)
    ]


def test_the_child_wins_and_the_trace_says_who_set_what() -> None:
    value, trace = resolve_chain(_chain(Constraints(max_words=100, tone="dry"), Constraints(max_words=200)))
    assert (value.max_words, value.tone) == (200, "dry")
    assert trace == {"max_words": "n1", "tone": "n0"}


_PUMP = GlossaryTerm(term="pump", definition="moves water", avoid=("engine",))
_LOCKED: list[tuple[str, Any, Any, bool]] = [
    ("must_cite", True, False, False),
    ("must_cite", False, True, True),
    ("no_split", True, False, False),
    ("max_words", 100, 200, False),
    ("max_words", 100, 50, True),
    ("min_words", 10, 5, False),
    ("min_words", 10, 20, True),
    ("min_citations_per_block", 2, 1, False),
    ("min_citations_per_block", 2, 3, True),
    ("audience", "board", "public", False),
    ("audience", "board", "board", True),
    ("forbidden_phrases", ("a",), ("b",), False),
    ("forbidden_phrases", ("a",), ("a", "b"), True),
    ("glossary", (_PUMP,), (), False),
    ("glossary", (_PUMP,), (_PUMP, GlossaryTerm(term="valve")), True),
    ("glossary", (_PUMP,), (GlossaryTerm(term="pump", definition="moves water", avoid=("engine", "motor")),), True),
    ("glossary", (_PUMP,), (GlossaryTerm(term="pump", definition="moves water"),), False),
    ("glossary", (_PUMP,), (GlossaryTerm(term="pump", definition="moves air", avoid=("engine",)),), False),
    ("glossary", (_PUMP,), (_PUMP, GlossaryTerm(term="Engine")), False),
    ("glossary", (_PUMP,), (_PUMP, GlossaryTerm(term="pump", definition="another")), False),
    ("competency_questions", ("a",), ("a", "b"), True),
    ("allowed_fact_ids", ("F1", "F2"), ("F1",), True),
    ("allowed_fact_ids", ("F1",), ("F1", "F2"), False),
    ("competency_questions", ("a", "b"), ("a",), False),
    ("no_split", False, True, True),
    ("tone", "dry", "warm", False),
    ("tone", "dry", "dry", True),
    ("language", "en", "de", False),
    ("language", None, "de", True),
    ("max_words", None, 50, True),
]


def test_every_field_can_be_locked() -> None:
    assert {name for name, _, _, wins in _LOCKED if not wins} == set(FIELDS)


@pytest.mark.parametrize(("name", "parent", "child", "wins"), _LOCKED)
def test_a_locked_field_can_only_be_tightened(name: str, parent: Any, child: Any, wins: bool) -> None:
    above = Constraints(**{name: parent}, locked=(name,))
    value, trace = resolve_chain(_chain(above, Constraints(**{name: child})))
    assert getattr(value, name) == (child if wins else parent)
    assert trace[name] == ("n1" if wins else "n0")
    assert value.locked == (name,)


def test_a_lock_holds_further_down() -> None:
    chain = _chain(
        Constraints(max_words=100, locked=("max_words",)), Constraints(max_words=60), Constraints(max_words=80)
    )
    assert resolve_chain(chain)[0].max_words == 60


@given(st.lists(constraints, min_size=1, max_size=4))
def test_values_come_from_the_chain_and_the_trace_names_their_node(own: list[Constraints]) -> None:
    chain = _chain(*own)
    value, trace = resolve_chain(chain)
    by_id = {node.node_id: node for node in chain}
    for name in FIELDS:
        held = getattr(value, name)
        assert (held is None) == (name not in trace)
        if held is not None:
            assert getattr(by_id[trace[name]].constraints, name) == held


@given(st.lists(constraints, min_size=1, max_size=4))
def test_what_the_root_locks_stays_at_least_as_strict(own: list[Constraints]) -> None:
    root, value = own[0], resolve_chain(_chain(*own))[0]
    if "must_cite" in root.locked and root.must_cite:
        assert value.must_cite
    if "max_words" in root.locked and root.max_words is not None:
        assert value.max_words is not None
        assert value.max_words <= root.max_words


def test_resolve_follows_parents() -> None:
    document = planted()
    nested = next(node for node in document.nodes if node.title == "Nested")
    assert resolve(document, nested.node_id) == (Constraints(), {})


def test_resolve_refuses_what_is_no_node_or_hangs_in_a_circle() -> None:
    circle = tuple(
        Node(node_id=own, parent_id=other, order_key="i", title="") for own, other in (("a", "b"), ("b", "a"))
    )
    document = Artifact(artifact_id="art_1", title="", nodes=circle)
    for node_id in ("a", "unknown"):
        with pytest.raises(LookupError):
            resolve(document, node_id)
