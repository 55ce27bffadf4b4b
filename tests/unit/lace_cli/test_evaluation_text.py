"""What `lace eval` prints, and what it calls worse."""

from __future__ import annotations

from lace.runs.v1 import evaluations_pb2 as wire
from lace_cli.evaluation_text import Measured, citation_lines, pair_lines

RATE = wire.EvaluationRate


def measured(false: int, true: int, name: str = "tests/golden/evaluation/open.json") -> Measured:
    report = wire.PairReport(
        pairs=30,
        false_supports=RATE(count=false, total=20, rate=false / 20, high=0.139108),
        true_supports=RATE(count=true, total=10, rate=true / 10, low=0.3, high=0.9),
        abstained=RATE(count=6, total=30, rate=0.2),
        abstained_on_false=4,
        abstained_on_true=2,
        kinds=[wire.KindReport(kind="dropped_hedge", label="not", pairs=20, partially=4, unsupported=16)],
        failures=[
            wire.PairFailure(id="a", kind="k", failure="missed", verdict="partially", finding="wording: differs"),
            wire.PairFailure(id="b", kind="k", failure="false_support", verdict="supported"),
        ],
    )
    return Measured(name, wire.Evaluation(evaluation_id="evl_1", scorer="lace", pair_report=report))


def test_the_table_is_by_kind_and_the_rates_have_their_bounds() -> None:
    lines = list(pair_lines(measured(0, 6)))
    assert lines[1].split() == ["kind", "label", "pairs", "supported", "partially", "contradicted", "unsupported"]
    assert lines[2].split() == ["dropped_hedge", "not", "20", "0", "4", "0", "16"]
    assert "false supports  0 of 20 (0.0%), 95% upper bound 13.9%" in lines
    assert "true supports   6 of 10 (60.0%), 95% interval 30.0% to 90.0%" in lines
    assert "abstentions     6 of 30 (20.0%): 2 on true sentences, 4 on others" in lines


def test_false_supports_are_always_named_and_missed_sentences_where_asked_for() -> None:
    few, every = list(pair_lines(measured(1, 6))), list(pair_lines(measured(1, 6), every=True))
    assert "  false_support  b  supported" in few
    assert not [line for line in few if "missed" in line]
    assert "  missed  a  partially  wording: differs" in every


def test_worse_is_a_false_support_or_fewer_true_ones_than_were_recorded() -> None:
    recorded = measured(0, 6).counts
    assert recorded == {"false_pairs": 20, "false_supports": 0, "true_pairs": 10, "true_supports": 6}
    assert measured(0, 6).worse_than(recorded) == measured(0, 7).worse_than(recorded) == []
    assert measured(0, 0).worse_than(None) == []
    name = "tests/golden/evaluation/open.json"
    assert measured(1, 5).worse_than(recorded) == [
        f"{name}: 1 false supports",
        f"{name}: true supports 5 of 10 (50.0%), recorded 60.0%",
    ]


def test_the_set_that_comes_along_is_recorded_as_the_file_it_is() -> None:
    assert measured(0, 6).key == measured(0, 6, "golden").key == "open"
    assert measured(0, 6, "mine.json").key == "mine"


def test_a_document_is_told_by_section_and_what_falls_short_by_piece() -> None:
    half, all_ = RATE(count=1, total=2, rate=0.5), RATE(count=1, total=1, rate=1)
    section = wire.CitationMeasure(node_id="nod_1", title="Cost", pieces=2, uncited=1, recall=half, precision=all_)
    failures = [
        wire.CitationFailure(part_id="sen_1", verdict="unsupported", finding="citation: none"),
        wire.CitationFailure(part_id="sen_2", verdict="supported", is_carried=True, citations=3, precise=1),
    ]
    report = wire.CitationReport(
        whole=wire.CitationMeasure(pieces=2, recall=half), sections=[section], failures=failures
    )
    lines = list(citation_lines(wire.Evaluation(artifact_id="art_1", citation_report=report)))
    assert lines[2].split() == ["Cost", "2", "1", *"1 of 2 (50.0%)".split(), *"1 of 1 (100.0%)".split()]
    assert lines[3].startswith("the whole")
    assert "  sen_1  unsupported  citation: none" in lines
    assert "  sen_2  supported  1 of 3 citations needed" in lines
