"""What comes in and goes out on the wire of retrieval: every field has its counterpart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lace.ingest.v1 import ingest_pb2
from lace.ingest.v1 import retrieval_pb2 as pb
from lace_core.errors import LaceError, Reason
from lace_ingest.api import convert_retrieval as convert
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.retrieval.hits import Correction, Found, Hit, Passage, StageScores
from lace_ingest.domain.retrieval.query import DEFAULT_LIMIT, NOTHING, Filters, Mode, Query, Search, VectorSearch
from tests.unit.lace_ingest.test_convert import SOURCE

UNIT = Unit("unt_1", 0, UnitKind.PARAGRAPH, "One. Two words.", "h", (Span(0, 4), Span(5, 15)))
SCORES = StageScores(Decimal("1.5"), Decimal("0.25"), Decimal("0.01"), Decimal("3"))
HIT = Hit(
    "unt_1", Decimal("1.5"), "bm25", SCORES, Passage(Span(5, 15), (Span(9, 14),)), (Correction("wrds", "word"),)
)  # fmt: skip


def test_a_query_without_a_limit_has_the_usual_one() -> None:
    assert convert.query_of(pb.Query(key="k", text="t")) == Query("k", "t", DEFAULT_LIMIT)
    assert convert.query_of(pb.Query(text="t", limit=3)).limit == 3


def test_every_filter_arrives() -> None:
    wire = pb.SearchRequest(
        queries=[pb.Query(text="t")],
        source_ids=["src_1", "src_2"],
        mode=pb.SEARCH_MODE_DENSE,
        settings_json='{"ingest.a": 1}',
        filters=pb.Filters(
            source_ids=["src_2", "src_3"], bundle="b", bundle_version=2, metadata={"a": "b"}, labels=["l"],
            kinds=[ingest_pb2.UNIT_KIND_TABLE], languages=["en"], filenames=["a.md"],
        ),
    )  # fmt: skip
    assert convert.search_of(wire) == Search(
        (Query("", "t"),),
        Filters(
            frozenset(("src_2",)), "b", 2, {"a": "b"}, frozenset(("l",)), frozenset((UnitKind.TABLE,)),
            frozenset(("en",)), frozenset(("a.md",)),
        ),
        Mode.DENSE,
        {"ingest.a": 1},
    )  # fmt: skip


def test_sources_in_no_list_are_no_sources_and_no_list_is_all() -> None:
    both = pb.SearchRequest(source_ids=["src_1"], filters=pb.Filters(source_ids=["src_2"]))
    assert convert.search_of(both).filters.source_ids == NOTHING
    assert convert.search_of(pb.SearchRequest()).filters == Filters()
    assert convert.search_of(pb.SearchRequest()).mode is Mode.AUTO


@pytest.mark.parametrize("kind", UnitKind)
def test_every_kind_can_be_a_filter(kind: UnitKind) -> None:
    wire = pb.Filters(kinds=[getattr(ingest_pb2, f"UNIT_KIND_{kind.name}")])
    assert convert.filters_of(wire).kinds == {kind}


@pytest.mark.parametrize("settings_json", ["{", "[]", "1", '"x"'])
def test_settings_are_an_object(settings_json: str) -> None:
    with pytest.raises(LaceError) as refused:
        convert.search_of(pb.SearchRequest(settings_json=settings_json))
    assert refused.value.reason is Reason.INVALID_ARGUMENT


def test_every_field_of_an_answer_is_filled() -> None:
    found = Found(((HIT,), ()), (("src_1", UNIT),), (SOURCE,), Mode.HYBRID, "why", VectorSearch.EXACT, 5)
    wire = convert.found_to_wire(Search((Query("a", "x"), Query("b", "y"))), found)
    for message in (wire, wire.results[0], wire.results[0].hits[0], wire.results[0].hits[0].scores):
        assert [field.name for field in message.DESCRIPTOR.fields if not getattr(message, field.name)] == []
    assert [(result.key, len(result.hits)) for result in wire.results] == [("a", 1), ("b", 0)]
    hit = wire.results[0].hits[0]
    assert (hit.quote, hit.quote[hit.matches[0].start : hit.matches[0].end]) == ("Two words.", "words")
    assert (hit.score, hit.scores.dense, wire.mode) == ("1.500000", "0.250000", pb.SEARCH_MODE_HYBRID)
    assert (wire.units[0].source_id, wire.sources[0].source_id) == ("src_1", "src_1")


def test_a_stage_that_did_not_see_the_unit_has_no_score() -> None:
    found = Found(((Hit("unt_1", Decimal(2), "bm25", StageScores(lexical=Decimal(2))),),), (("src_1", UNIT),), ())
    hit = convert.found_to_wire(Search((Query("a", "x"),)), found).results[0].hits[0]
    assert (hit.scores.lexical, hit.scores.dense, hit.quote) == ("2.000000", "", "")


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_has_its_name(mode: Mode) -> None:
    wire = convert.found_to_wire(Search(()), Found((), (), (), mode))
    assert pb.SearchMode.Name(wire.mode) == f"SEARCH_MODE_{mode.name}"


@pytest.mark.parametrize("vectors", [VectorSearch.EXACT, VectorSearch.APPROXIMATE])
def test_every_way_to_compare_vectors_has_its_name(vectors: VectorSearch) -> None:
    wire = convert.found_to_wire(Search(()), Found((), (), (), vectors=vectors))
    assert pb.VectorSearch.Name(wire.vectors) == f"VECTOR_SEARCH_{vectors.name}"
