"""Citation recall and precision, worked out by hand on a small document."""

from __future__ import annotations

from lace_core.canonical import sha256_hex
from lace_core.evaluation.citations import measure
from lace_core.ir import Artifact, Evidence, Node, Paragraph, Row, Sentence, Table

QUOTES = {
    "evd_rain": "It rained on Monday.",
    "evd_again": "On Monday it rained. The town was quiet.",
    "evd_snow": "It snowed on Friday.",
    "evd_table": "Day | Rain (mm)\nMonday | 12",
}


def evidence(ident: str) -> Evidence:
    quote = QUOTES[ident]
    return Evidence(
        evidence_id=ident, source_id="src_1", source_version="1", unit_id=f"unt_{ident}", extraction="md/1", start=0,
        end=len(quote), quote=quote, quote_hash=sha256_hex(quote.encode()),
    )  # fmt: skip


def sentence(number: int, text: str, *cited: str) -> Sentence:
    return Sentence(sentence_id=f"sen_{number}", text=text, evidence_ids=cited)


DOCUMENT = Artifact(
    artifact_id="art_1",
    title="Weather",
    nodes=(
        Node(
            node_id="nod_1",
            title="Rain",
            parent_id=None,
            order_key="a",
            evidence=tuple(map(evidence, QUOTES)),
            blocks=(
                Paragraph(
                    block_id="blk_1",
                    sentences=(
                        sentence(1, "It rained on Monday.", "evd_rain"),
                        # Two are there of which each is enough; and one that nobody needs.
                        sentence(2, "It rained on Monday.", "evd_rain", "evd_again", "evd_snow"),
                        # Neither is enough without the other.
                        sentence(3, "It rained on Monday. It snowed on Friday.", "evd_rain", "evd_snow"),
                        sentence(4, "It hailed on Sunday.", "evd_rain"),
                        sentence(5, "The week was mild."),
                    ),
                ),
            ),
        ),
        Node(
            node_id="nod_2",
            title="Figures",
            parent_id=None,
            order_key="b",
            evidence=(evidence("evd_table"),),
            blocks=(
                Table(
                    block_id="blk_2",
                    header=("Day", "Rain (mm)"),
                    rows=(Row(row_id="row_1", cells=("Day", "Rain (mm)\nMonday", "12")),),
                    evidence_ids=("evd_table",),
                ),
            ),
        ),
    ),
)


def test_recall_is_over_pieces_and_precision_over_citations() -> None:
    found = measure(DOCUMENT)
    rain = found.sections[0]
    assert (rain.node_id, rain.title, rain.pieces, rain.uncited) == ("nod_1", "Rain", 5, 1)
    assert (rain.recall.count, rain.recall.total) == (3, 5)
    # 1 of 1, 2 of 3, 2 of 2, 0 of 1, 0 of 0.
    assert (rain.precision.count, rain.precision.total) == (5, 7)


def test_what_is_carried_over_to_the_letter_is_carried() -> None:
    figures = measure(DOCUMENT).sections[1]
    assert (figures.recall.count, figures.recall.total) == (1, 1)


def test_the_whole_is_the_sum_of_its_sections_and_what_falls_short_is_named() -> None:
    found = measure(DOCUMENT)
    assert (found.whole.node_id, found.whole.title, found.whole.pieces) == ("", "Weather", 6)
    assert found.whole.recall.count == sum(section.recall.count for section in found.sections)
    assert found.whole.precision.total == sum(section.precision.total for section in found.sections)
    assert [(own.part_id, own.is_carried) for own in found.failures] == [
        ("sen_2", True),
        ("sen_4", False),
        ("sen_5", False),
    ]


def test_an_empty_document_has_no_rates() -> None:
    found = measure(Artifact(artifact_id="art_1", title="Empty"))
    assert (found.whole.pieces, found.whole.recall.rate, found.whole.recall.high) == (0, 0, 1)
    assert found.sections == ()
