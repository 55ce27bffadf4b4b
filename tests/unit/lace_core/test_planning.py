"""From retrieved units to facts: each unit in one section, in the same way every time, whatever spans they carry."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given

from lace_core.canonical import sha256_hex
from lace_core.planning import Hit, Unit, UnitTable, assign, grounds_of

from .strategies import seeded


def _unit(name: str, text: str = "One. Two.", kind: str = "paragraph", spans: tuple[tuple[int, int], ...] = ()) -> Unit:
    return Unit(
        unit_id=name,
        source_id="src_1",
        source_version="v1",
        extraction="x1",
        filename="a.md",
        kind=kind,
        text=text,
        order=int(name[1:]),
        spans=spans,
    )


UNITS = {f"u{n}": _unit(f"u{n}", spans=((0, 4), (5, 9))) for n in range(8)}


def _found(draw: Random) -> dict[str, list[list[Hit]]]:
    def hits() -> list[Hit]:
        names = draw.sample(sorted([*UNITS, "u99"]), draw.randint(0, 6))
        return [Hit(name, draw.randint(0, 10**6), draw.choice(("bm25", "vector"))) for name in names]

    return {section: [hits() for _ in range(draw.randint(0, 3))] for section in ("s1", "s2", "s3")}


@given(seeded(_found), seeded(lambda draw: draw.randint(1, 12)))
def test_a_unit_goes_to_one_section_and_sections_keep_their_limit(
    found: dict[str, list[list[Hit]]], limit: int
) -> None:
    chosen = assign(found, UNITS, limit)
    names = [unit.unit_id for section in chosen.values() for unit, _, _ in section]
    assert len(names) == len(set(names))
    assert chosen == assign(found, UNITS, limit)
    assert list(chosen) == list(found)
    for section, units in chosen.items():
        assert (len(units) - 1) * 2 < limit  # each holds two facts; the last may go over
        assert [unit.order for unit, _, _ in units] == sorted(unit.order for unit, _, _ in units)
        hits = {hit.unit_id for query in found[section] for hit in query}
        assert {unit.unit_id for unit, _, _ in units} <= hits
        assert all(0 <= score <= 1000 for _, score, _ in units)


def test_a_unit_goes_where_it_ranks_best_and_a_tie_to_the_first() -> None:
    found = {
        "s1": [[Hit("u1", 100, "bm25"), Hit("u2", 50, "bm25"), Hit("u3", 100, "bm25")]],
        "s2": [[Hit("u2", 70, "bm25"), Hit("u3", 70, "vector")]],
    }
    chosen = assign(found, UNITS, 10)
    assert {section: [unit.unit_id for unit, _, _ in units] for section, units in chosen.items()} == {
        "s1": ["u1", "u3"],
        "s2": ["u2"],
    }


def test_what_is_gone_since_it_was_found_is_passed_over() -> None:
    assert assign({"s1": [[Hit("gone", 5, "bm25")]]}, UNITS, 3) == {"s1": []}


def test_sentences_become_facts_in_order() -> None:
    made = grounds_of([(UNITS["u1"], 700, "bm25"), (UNITS["u2"], 20, "bm25")], first=3)
    assert [grounds.fact.fact_id for grounds in made] == ["F3", "F4", "F5", "F6"]
    assert [grounds.fact.text for grounds in made] == ["One.", "Two."] * 2
    assert [grounds.fact.position for grounds in made] == [0, 1, 0, 1]
    piece = made[1].pieces[0]
    assert (piece.quote, piece.start, piece.end, piece.score) == ("Two.", 5, 9, "0.700")
    assert piece.quote_hash == sha256_hex(b"Two.")
    assert len({grounds.pieces[0].evidence_id for grounds in made}) == 4


@pytest.mark.parametrize("spans", [((0, 4), (7, 3)), ((0, 4), (-2, 3)), ((0, 4), (5, 400)), ((0, 4), (4, 5))])
def test_broken_spans_of_prose_are_left_out(spans: tuple[tuple[int, int], ...]) -> None:
    made = grounds_of([(_unit("u1", spans=spans), 5, "bm25")], first=1)
    assert [(grounds.fact.text, grounds.fact.position) for grounds in made] == [("One.", 0)]


def test_a_unit_without_spans_is_one_fact_and_an_empty_one_none() -> None:
    assert [g.fact.text for g in grounds_of([(_unit("u1"), 5, "m")], first=1)] == ["One. Two."]
    for kind in ("paragraph", "table", "code"):
        assert grounds_of([(_unit("u1", text=" \n", kind=kind), 5, "m")], first=1) == []


@pytest.mark.parametrize("kind", ["caption", "footnote", "endnote"])
def test_notes_and_captions_give_their_sentences(kind: str) -> None:
    made = grounds_of([(_unit("u1", kind=kind, spans=((0, 4), (5, 9))), 5, "bm25")], first=1)
    assert [(grounds.fact.kind, grounds.fact.text) for grounds in made] == [("sentence", "One."), ("sentence", "Two.")]


def test_a_table_is_one_fact_with_a_piece_for_each_row() -> None:
    table = UnitTable("Walls", ("Section", "Wall"), (("A", "1"), ("B", "2")))
    unit = _unit("u1", "Section | Wall\nA | 1\nB | 2", "table", ((15, 20), (21, 26)))
    (made,) = grounds_of(
        [(Unit(**{f: getattr(unit, f) for f in unit.__struct_fields__} | {"table": table}), 5, "m")], 1
    )
    assert [piece.quote for piece in made.pieces] == ["A | 1", "B | 2"]
    assert made.fact.table is not None
    assert made.fact.table.rows == table.rows


@pytest.mark.parametrize("kind", ["list", "table"])
def test_broken_spans_of_a_whole_leave_one_piece(kind: str) -> None:
    unit = _unit("u1", "- a\n- b", kind, ((0, 3), (4, 99)))
    (made,) = grounds_of([(unit, 5, "m")], 1)
    assert [piece.quote for piece in made.pieces] == ["- a\n- b"]
    assert made.fact.items == ()


def test_a_list_keeps_its_items() -> None:
    (made,) = grounds_of([(_unit("u1", "- a\n- b", "list", ((2, 3), (6, 7))), 5, "m")], 1)
    assert made.fact.items == ("a", "b")
    assert [piece.quote for piece in made.pieces] == ["a", "b"]
