"""Reports on verdicts: what counts as what."""

from __future__ import annotations

import pytest

from lace_core.evaluation.pairs import Label, Pair, Quoted, problems, quotes_of
from lace_core.evaluation.reports import FALSE_SUPPORT, MISSED, Scored, report, score


def pair(ident: str, kind: str, label: Label, **more: str) -> Pair:
    return Pair(id=ident, kind=kind, label=label, sentence="s", evidence=(Quoted(quote="q"),), **more)


PAIRS = (
    pair("t1", "verbatim", "supported", expected="supported"),
    pair("t2", "verbatim", "supported"),
    pair("t3", "table", "supported"),
    pair("f1", "number", "not"),
    pair("f2", "number", "not", expected="contradicted"),
)
VERDICTS = {
    "t1": Scored(id="t1", verdict="supported"),
    "t2": Scored(id="t2", verdict="partially", reasons=("wording: differs",)),
    "t3": Scored(id="t3", verdict="unsupported"),
    "f1": Scored(id="f1", verdict="supported", reasons=("quote: verbatim", "wording: agrees")),
    "f2": Scored(id="f2", verdict="partially"),
}


def test_a_report_counts_by_label_and_by_kind_and_names_what_failed() -> None:
    found = report(PAIRS, VERDICTS)
    assert found.pairs == 5
    assert (found.false_supports.count, found.false_supports.total) == (1, 2)
    assert (found.true_supports.count, found.true_supports.total) == (1, 3)
    assert (found.abstained.count, found.abstained_on_false, found.abstained_on_true) == (2, 1, 1)
    assert (found.as_expected.count, found.as_expected.total) == (1, 2)
    counts = {kind.kind: (kind.label, kind.pairs, kind.supported, kind.partially) for kind in found.kinds}
    assert counts == {
        "number": ("not", 2, 1, 1),
        "verbatim": ("supported", 2, 1, 1),
        "table": ("supported", 1, 0, 0),
    }
    assert [kind.kind for kind in found.kinds] == ["number", "verbatim", "table"]
    assert [(own.id, own.failure, own.verdict, own.finding) for own in found.failures] == [
        ("t2", MISSED, "partially", "wording: differs"),
        ("t3", MISSED, "unsupported", ""),
        ("f1", FALSE_SUPPORT, "supported", "wording: agrees"),
    ]


def test_a_pair_without_a_verdict_is_no_report() -> None:
    with pytest.raises(KeyError):
        report(PAIRS, {"t1": VERDICTS["t1"]})


def test_the_built_in_verifier_scores_with_its_layers() -> None:
    true = Pair(id="a", kind="k", label="supported", sentence="It rained.", evidence=(Quoted(quote="It rained."),))
    false = Pair(id="b", kind="n", label="not", sentence="It rained.", evidence=(Quoted(quote="It did not rain."),))
    scored = list(score((true, false)))
    assert [own.verdict == "supported" for own in scored] == [True, False]
    assert all(own.layers for own in scored)


def test_lines_of_one_table_are_one_quote_and_sentences_are_each_their_own() -> None:
    evidence = (
        Quoted(quote="Item | Cost", file="a"),
        Quoted(quote="It rained.", file="a"),
        Quoted(quote="Pipe | 3", file="a"),
        Quoted(quote="Pump | 4", file="b"),
    )
    assert quotes_of(evidence) == ("Item | Cost\nPipe | 3", "It rained.", "Pump | 4")


def test_two_pairs_of_one_name_and_a_kind_of_both_labels_are_named_by_their_pointers() -> None:
    wrong = problems((*PAIRS, pair("t1", "verbatim", "not")))
    assert [detail.field for detail in wrong] == ["/pairs/5/id", "/pairs/5/label"]
