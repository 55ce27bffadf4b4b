"""Where an undecided sentence would stand, and what puts it there: never in another place, never with a loss."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core import actions as act
from lace_core.apply import Policy, apply
from lace_core.contracts import (
    Carried,
    Fact,
    InsertedBlock,
    Patched,
    RemovedBlock,
    ReplacedBlock,
    Written,
    WrittenBlock,
    WrittenList,
    WrittenParagraph,
    WrittenSentence,
)
from lace_core.ids import derive
from lace_core.ir import Artifact, Evidence, Node, Paragraph, Sentence, Source, Table, cited_parts
from lace_core.merkle import ir_hash
from lace_core.planning import Grounds
from lace_core.reviewing import Place, Withheld, places_of_blocks, places_of_edits, restored, with_sources, withheld
from lace_core.verification.standing import pieces_of, settle
from lace_core.verification.verdicts import Acceptance
from lace_core.writing import SentenceVerdict, actions_of

EMPTY = Artifact(
    artifact_id="art_1", title="T", nodes=(Node(node_id="nod_1", parent_id=None, order_key="n", title="T"),)
)


def _evidence(name: str) -> Evidence:
    return Evidence(
        evidence_id=f"evd_{name}", source_id="src_1", source_version="v", unit_id="unt_1", extraction="x", start=0,
        end=len(name), quote=name, quote_hash="h",
    )  # fmt: skip


def _grounds(name: str) -> Grounds:
    fact = Fact(
        fact_id=name, kind="sentence", text=name, source="a.md", heading_path=(), page=0, unit="unt_1", position=0,
        score=0,
    )  # fmt: skip
    return Grounds(fact=fact, pieces=(_evidence(name),))


GROUNDS = {"F1": _grounds("F1")}


def _written(*blocks: tuple[str, tuple[tuple[str, str], ...]]) -> tuple[list[WrittenBlock], list[SentenceVerdict]]:
    """Blocks of (form, ((text, verdict), …)) with the verdicts on their sentences."""
    made: list[WrittenBlock] = []
    verdicts: list[SentenceVerdict] = []
    for form, sentences in blocks:
        written = tuple(WrittenSentence(text=text, fact_ids=("F1",)) for text, _ in sentences)
        made.append(
            WrittenParagraph(sentences=written)
            if form == "paragraph"
            else WrittenList(items=written, ordered=form == "ordered_list")
        )
        verdicts += [
            SentenceVerdict(sentence_id=text, text=text, fact_ids=("F1",), verdict=verdict, reasons=("x: y",))
            for text, verdict in sentences
        ]
    return made, verdicts


def _after(document: Artifact, *actions: act.Action) -> Artifact:
    applied = apply(document, act.Proposal(base_hash=ir_hash(document), actions=actions), Policy())
    assert not applied.rejections
    return applied.artifact


def _first(document: Artifact, blocks: list[WrittenBlock], verdicts: list[SentenceVerdict]) -> tuple[Artifact, Any]:
    """The document with what stands, and what is withheld."""
    made = actions_of(Written(blocks=tuple(blocks), summary=""), verdicts, GROUNDS, "nod_1", "k")
    places = places_of_blocks("art_1", "nod_1", blocks, "k")
    return _after(document, *made), withheld(blocks, places, verdicts, GROUNDS)


def _texts(document: Artifact) -> list[list[str]]:
    return [[part.text for part in cited_parts(block)] for block in document.nodes[0].blocks]


def _put(document: Artifact, item: Withheld) -> Artifact:
    text = item.verdict.text
    return _after(document, restored(document, item.place, text, item.evidence, f"review/{text}"))


def test_only_what_is_neither_supported_nor_refuted_is_withheld() -> None:
    words = ("supported", "partially", "contradicted", "unsupported")
    _, found = _first(EMPTY, *_written(("paragraph", tuple((word, word) for word in words))))
    assert [item.verdict.text for item in found] == ["partially"]
    assert found[0].place.preceding == ("supported",)
    assert [piece.evidence_id for piece in found[0].evidence] == ["evd_F1"]


def test_carried_blocks_have_no_sentences_to_withhold() -> None:
    blocks, verdicts = _written(("paragraph", (("a", "partially"),)))
    carried: list[WrittenBlock] = [Carried(fact_id="F1", caption=""), *blocks]
    (found,) = withheld(carried, places_of_blocks("art_1", "nod_1", carried, "k"), verdicts, GROUNDS)
    assert found.place.key == "k/block/1"


_SENTENCES = st.lists(st.sampled_from(["supported", "partially", "unsupported"]), min_size=1, max_size=4)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["paragraph", "list", "ordered_list"]), _SENTENCES), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_they_are_accepted_they_come_to_stand_as_they_were_written(forms: Any, random: Any) -> None:
    named = [
        (form, tuple((f"{at}.{place}", word) for place, word in enumerate(words)))
        for at, (form, words) in enumerate(forms)
    ]
    document, found = _first(EMPTY, *_written(*named))
    items = list(found)
    random.shuffle(items)
    for item in items:
        document = _put(document, item)
    wanted = [[text for text, word in sentences if word != "unsupported"] for _, sentences in named]
    assert _texts(document) == [texts for texts in wanted if texts]
    forms_there = [type(block).__name__ for block in document.nodes[0].blocks]
    assert forms_there == [
        "Paragraph" if form == "paragraph" else "ListBlock"
        for (form, _), texts in zip(named, wanted, strict=True)
        if texts
    ]


def test_what_is_in_the_block_keeps_its_ids() -> None:
    document, (item,) = _first(EMPTY, *_written(("paragraph", (("a", "supported"), ("b", "partially")))))
    before = [part.part_id for part in cited_parts(document.nodes[0].blocks[0])]
    after = [part.part_id for part in cited_parts(_put(document, item).nodes[0].blocks[0])]
    assert after[:1] == before
    assert len(after) == 2


def test_a_place_that_is_gone_is_told() -> None:
    _, (item,) = _first(EMPTY, *_written(("paragraph", (("a", "supported"), ("b", "partially")))))
    other = Artifact(artifact_id="art_1", title="T")
    with pytest.raises(LookupError):
        restored(other, item.place, "b", item.evidence, "r")
    table = Table(block_id=item.place.block_id, header=("a",), rows=())
    node = Node(node_id="nod_1", parent_id=None, order_key="n", title="T", blocks=(table,))
    with pytest.raises(LookupError):
        restored(Artifact(artifact_id="art_1", title="T", nodes=(node,)), item.place, "b", item.evidence, "r")


def test_a_block_made_for_an_edit_stands_where_the_edit_said() -> None:
    document, _ = _first(EMPTY, *_written(("paragraph", (("a", "supported"),)), ("paragraph", (("b", "supported"),))))
    first = document.nodes[0].blocks[0].block_id
    own = derive("blk", "art_1", "e")
    for otherwise, wanted in (("", 0), (first, 1), ("end", 2), ("blk_gone", 2)):
        place = Place(node_id="nod_1", block_id=own, form="list", key="e", blocks=(own,), otherwise=otherwise)
        made = _after(document, restored(document, place, "new", (_evidence("F1"),), "r"))
        assert _texts(made).index(["new"]) == wanted


def test_what_edits_bring_has_the_place_that_the_edit_names() -> None:
    (block,), _ = _written(("ordered_list", (("a", "partially"),)))
    edits = Patched(
        edits=(
            RemovedBlock(block_id="blk_gone"),
            ReplacedBlock(block_id="blk_old", block=block),
            InsertedBlock(after_id="blk_old", block=block),
        )
    )
    replaced, inserted = places_of_edits("art_1", "nod_1", edits, "k")
    assert (replaced.block_id, replaced.key, replaced.form) == ("blk_old", "k/edit/1", "ordered_list")
    assert (inserted.block_id, inserted.otherwise) == (derive("blk", "art_1", "k/edit/2"), "blk_old")


def test_a_source_that_the_document_does_not_cite_yet_comes_along_once() -> None:
    source = Source(source_id="src_1", version="v", filename="a.md", title="a", media_type="text/markdown")
    other = Source(source_id="src_2", version="v", filename="b.md", title="b", media_type="text/markdown")
    with_it = with_sources(EMPTY, (_evidence("F1"),), (source, other))
    assert with_it.sources == (source,)
    assert with_sources(with_it, (_evidence("F1"),), (source,)) is with_it


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The bridge cost the town 4.2 million pounds in 2021.", "accepted"),
        ("The bridge cost 4.9 million pounds in 2021.", ""),
        ("No crack was found in the main girders.", ""),
    ],
)
def test_a_persons_word_carries_what_is_undecided_and_nothing_worse(text: str, right: str) -> None:
    quote = "The bridge cost 4.2 million pounds in 2021."
    evidence = _evidence(quote)
    sentence = Sentence(sentence_id="sen_1", text=text, evidence_ids=(evidence.evidence_id,))
    block = Paragraph(block_id="blk_1", sentences=(sentence,))
    node = Node(node_id="nod_1", parent_id=None, order_key="n", title="T", blocks=(block,), evidence=(evidence,))
    vouched = Acceptance(accepted_by="prn_1", accepted_at="2026-11-21T09:30:00+00:00", reason="Seen.")
    given_for_it = SentenceVerdict(
        sentence_id="sen_1", text=text, fact_ids=(), verdict="partially", reasons=("x: y",), acceptance=vouched
    )
    pieces = list(pieces_of(Artifact(artifact_id="art_1", title="T", nodes=(node,))))
    standing, missing = settle(pieces, [("nod_1", given_for_it)], (), by_person=True)
    assert [own.right for own in standing] == ([right] if right else [])
    assert len(missing) == (0 if right else 1)
