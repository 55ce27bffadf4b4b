"""By what right text stands: nothing new without evidence that says it, and nothing by a caller's word alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core import ir
from lace_core.verification.standing import (
    ACCEPTED,
    AUTHORED,
    VERIFIED,
    Missing,
    Standing,
    grounds_of,
    pieces_of,
    quotes_of,
    settle,
)
from lace_core.verification.verdicts import Acceptance, LayerVerdict
from lace_core.writing import SentenceVerdict

from .strategies import evidence, texts

_QUOTE = "The pump failed on 3 May 2021."
_TRUE = "On 3 May 2021 the pump failed."
_OPEN = "The pump broke on 3 May 2021."
_FALSE = "The pump failed on 3 May 2022."
_PERSON = Acceptance(accepted_by="usr_1", accepted_at="2026-01-02T03:04:05+00:00", reason="I was there.")


def _document(*sentences: tuple[str, tuple[str, ...]], must_cite: bool | None = None) -> ir.Artifact:
    written = tuple(
        ir.Sentence(sentence_id=f"sen_{place}", text=text, evidence_ids=tuple(f"evd_{name}" for name in cited))
        for place, (text, cited) in enumerate(sentences)
    )
    root = ir.Node(
        node_id="nod_1",
        parent_id=None,
        order_key="a",
        title="Pumps",
        constraints=ir.Constraints(must_cite=must_cite),
        blocks=(ir.Paragraph(block_id="blk_1", sentences=written),),
        evidence=(evidence("a", _QUOTE), evidence("b", "The valve held.")),
    )
    return ir.Artifact(artifact_id="art_1", title="Pumps", nodes=(root,))


def _said(text: str, verdict: str, acceptance: Acceptance | None = None) -> tuple[str, SentenceVerdict]:
    layer = LayerVerdict(layer="judge", verdict="supported", finding="yes", call_id="llc_1")
    own = SentenceVerdict(
        sentence_id="x", text=text, fact_ids=(), verdict=verdict, reasons=(), layers=(layer,), acceptance=acceptance
    )
    return "nod_1", own


def _settled(
    document: ir.Artifact, *said: tuple[str, SentenceVerdict], known: tuple[str, ...] = (), by_person: bool = False
) -> tuple[list[Standing], list[Missing]]:
    return settle(list(pieces_of(document)), said, known, by_person=by_person)


def test_what_its_evidence_says_stands_with_the_layers_that_looked() -> None:
    (own,), missing = _settled(_document((_TRUE, ("a",))), _said(_TRUE, "supported"))
    assert missing == []
    assert (own.right, own.verdict) == (VERIFIED, "supported")
    assert [layer.layer for layer in own.layers][:3] == ["citation", "quote", "wording"]
    assert own.layers[-1].call_id == "llc_1"


@pytest.mark.parametrize("text", [_FALSE, _OPEN, "The pump failed on 3 May 2021. The valve broke."])
@pytest.mark.parametrize("by_person", [False, True])
def test_what_a_caller_says_is_not_taken_at_its_word(text: str, by_person: bool) -> None:
    standing, (missing,) = _settled(_document((text, ("a",))), _said(text, "supported"), by_person=by_person)
    assert standing == []
    assert missing.pointer == "/nodes/nod_1/blocks/blk_1/sen_0"


def test_what_was_kept_out_stays_out_even_where_the_rules_would_pass_it() -> None:
    assert _settled(_document((_TRUE, ("a",))), _said(_TRUE, "unsupported"))[1][0].reason == "It was kept out."


def test_a_person_may_accept_what_is_open_but_not_what_is_contradicted() -> None:
    (own,), _ = _settled(_document((_OPEN, ("a",))), _said(_OPEN, "partially", _PERSON))
    assert (own.right, own.verdict, own.acceptance) == (ACCEPTED, "partially", _PERSON)
    assert _settled(_document((_FALSE, ("a",))), _said(_FALSE, "contradicted", _PERSON))[0] == []


@pytest.mark.parametrize(
    ("by_person", "must_cite", "stands"), [(True, None, True), (True, True, False), (False, None, False)]
)
def test_text_without_evidence_stands_where_a_person_wrote_it_and_nothing_asks_for_any(
    by_person: bool, must_cite: bool | None, stands: bool
) -> None:
    standing, missing = _settled(_document(("We thank all.", ()), must_cite=must_cite), by_person=by_person)
    assert ([own.right for own in standing], len(missing)) == (([AUTHORED], 0) if stands else ([], 1))


def test_what_stood_in_these_words_over_these_quotes_is_not_looked_at_again() -> None:
    document = _document((_FALSE, ("a",)))
    (piece,) = pieces_of(document)
    assert _settled(document, known=(piece.grounds,)) == ([], [])
    assert _settled(_document((_FALSE, ("a", "b"))), known=(piece.grounds,))[1] != []


@given(texts, st.lists(texts, max_size=3), texts, st.integers(0, 3))
def test_grounds_name_the_text_and_every_quote_in_its_place(
    text: str, quotes: list[str], other: str, place: int
) -> None:
    whole = grounds_of(text, quotes)
    assert grounds_of(text, tuple(quotes)) == whole
    assert grounds_of(other, quotes) != whole or other == text
    assert grounds_of(text, [*quotes, other]) != whole
    changed = [other if at == place else quote for at, quote in enumerate(quotes)]
    assert (grounds_of(text, changed) == whole) == (changed == quotes)


def test_a_row_is_read_with_the_heads_that_are_cited_beside_it() -> None:
    head, row = evidence("head", "Pump | Flow (l/s)"), evidence("row", "Pump B | 15")
    assert quotes_of((row, evidence("a", _QUOTE))) == ("Pump B | 15", _QUOTE)
    below = ir.Evidence(**{name: getattr(row, name) for name in row.__struct_fields__} | {"start": 20, "end": 31})
    assert quotes_of((below, head)) == ("Pump | Flow (l/s)\nPump B | 15",)


def test_blank_pieces_and_opaque_blocks_need_no_right() -> None:
    document = _document(("  ", ()))
    assert list(pieces_of(document)) == []


def test_code_that_is_carried_over_to_the_letter_stands() -> None:
    code = "if a:\n    b()"
    root = ir.Node(
        node_id="nod_1", parent_id=None, order_key="a", title="Code", evidence=(evidence("a", code),),
        blocks=(ir.Code(block_id="blk_1", text=code, evidence_ids=("evd_a",)),),
    )  # fmt: skip
    (own,), missing = _settled(ir.Artifact(artifact_id="art_1", title="Code", nodes=(root,)))
    assert (own.right, missing) == (VERIFIED, [])
