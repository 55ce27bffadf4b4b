"""The Turtle writer: what another implementation reads is what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph, URIRef

from lace_compiler.adapters.turtle import Turtle, iri, string, typed

LITERALS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))


def parsed(turtle: Turtle) -> Graph:
    return Graph().parse(data=turtle.text(), format="turtle")


@given(LITERALS)
def test_strings_come_back(text: str) -> None:
    turtle = Turtle({"ex": "urn:ex:"})
    turtle.subject("ex:s", [("ex:p", string(text))])
    (value,) = parsed(turtle).objects(URIRef("urn:ex:s"), URIRef("urn:ex:p"))
    assert str(value) == text


def test_predicates_are_sorted_and_the_class_is_first() -> None:
    turtle = Turtle({"ex": "urn:ex:"})
    turtle.subject(
        "ex:s", [("ex:z", "ex:1"), ("ex:b", typed("2", "integer")), ("a", "ex:C"), ("ex:z", "ex:0"), ("ex:z", "ex:1")]
    )
    assert turtle.text().endswith('\nex:s\n    a ex:C ;\n    ex:b "2"^^xsd:integer ;\n    ex:z ex:0 , ex:1 .\n')


def test_names_that_the_grammar_does_not_allow_are_full_iris() -> None:
    turtle = Turtle({"ex": "https://e.example/"})
    assert turtle.name("ex", "nod_1a-2") == "ex:nod_1a-2"
    assert turtle.name("ex", "a%20b") == "<https://e.example/a%20b>"
    assert turtle.name("ex", "-a") == "<https://e.example/-a>"


def test_an_iri_holds_nothing_that_could_end_it() -> None:
    assert iri('urn:a> <b"\\') == "<urn:a%3E%20%3Cb%22%5C>"


def test_a_subject_without_statements_is_not_written() -> None:
    turtle = Turtle({"ex": "urn:ex:"})
    turtle.subject("ex:s", [])
    assert "ex:s" not in turtle.text()
