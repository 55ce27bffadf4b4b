"""Evaluations on the wire and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import asdict

from lace_core.evaluation.citations import CitationReport, PieceMeasure, SectionMeasure
from lace_core.evaluation.pairs import Pair, Quoted
from lace_core.evaluation.rates import Rate
from lace_core.evaluation.reports import Failure, KindReport, PairReport, Scored
from lace_core.verification.verdicts import LayerVerdict
from lace_proto import json as wire_json
from lace_runs.api import convert_evaluations as convert
from lace_runs.domain.evaluations import Evaluation

text = st.text(st.characters(codec="utf-8"), max_size=12)
counts = st.integers(0, 1000)
verdicts = st.sampled_from(["supported", "partially", "contradicted", "unsupported"])
rates = st.builds(Rate, count=counts, total=counts, rate=st.floats(0, 1), low=st.floats(0, 1), high=st.floats(0, 1))
quoted = st.lists(st.builds(Quoted, quote=text, file=text), max_size=3).map(tuple)
pairs = st.builds(
    Pair, id=text, kind=text, label=st.sampled_from(["supported", "not"]), sentence=text, evidence=quoted, why=text,
    expected=st.just("") | verdicts,
)  # fmt: skip
pair_reports = st.builds(
    PairReport,
    false_supports=rates,
    true_supports=rates,
    abstained=rates,
    as_expected=rates,
    pairs=counts,
    abstained_on_false=counts,
    abstained_on_true=counts,
    kinds=st.lists(
        st.builds(
            KindReport, kind=text, label=text, pairs=counts, supported=counts, partially=counts, contradicted=counts,
            unsupported=counts,
        ),
        max_size=2,
    ).map(tuple),
    failures=st.lists(
        st.builds(Failure, id=text, kind=text, failure=text, verdict=verdicts, finding=text), max_size=2
    ).map(tuple),
)  # fmt: skip
sections = st.builds(
    SectionMeasure, node_id=text, title=text, pieces=counts, uncited=counts, recall=rates, precision=rates
)
citation_reports = st.builds(
    CitationReport,
    whole=sections,
    sections=st.lists(sections, max_size=2).map(tuple),
    failures=st.lists(
        st.builds(
            PieceMeasure, node_id=text, part_id=text, is_carried=st.booleans(), citations=counts, precise=counts,
            verdict=verdicts, finding=text,
        ),
        max_size=2,
    ).map(tuple),
)  # fmt: skip
evaluations = st.builds(
    Evaluation, tenant_id=text, evaluation_id=text, title=text, set_name=text, artifact_id=text, revision_id=text,
    scorer=text, report=st.one_of(pair_reports, citation_reports), labels=st.just(()), created_by=text,
    created_at=st.just(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
)  # fmt: skip


@settings(max_examples=30)
@given(pairs)
def test_a_labelled_pair_comes_back_as_it_went(pair: Pair) -> None:
    assert convert.labelled_pair_of(convert.labelled_pair_message(pair)) == pair


@settings(max_examples=25)
@given(evaluations)
def test_every_field_of_a_report_is_on_the_wire(evaluation: Evaluation) -> None:
    message = convert.evaluation_message(evaluation)
    report = evaluation.report
    told = message.pair_report if isinstance(report, PairReport) else message.citation_report
    for name, value in asdict(report).items():
        sent = getattr(told, name)
        if isinstance(value, Rate):
            assert Rate(**{field: getattr(sent, field) for field in value.__struct_fields__}) == value
        elif isinstance(value, tuple):
            assert len(sent) == len(value)
            _same_members(sent, value)
        elif isinstance(value, int):
            assert sent == value
    names = ("evaluation_id", "title", "artifact_id", "revision_id", "scorer", "created_by")
    assert [getattr(message, name) for name in names] == [getattr(evaluation, name) for name in names]
    assert message.set == evaluation.set_name
    assert wire_json.to_python(message)["created_at"] == "2026-01-02T03:04:05Z"


def _same_members(sent: Iterable[object], values: tuple[Struct, ...]) -> None:
    for one, value in zip(sent, values, strict=True):
        for name in value.__struct_fields__:
            field = getattr(value, name)
            if not isinstance(field, Rate):
                assert getattr(one, name) == field


@settings(max_examples=10)
@given(pair_reports)
def test_lists_leave_out_what_failed_and_nothing_else(report: PairReport) -> None:
    evaluation = Evaluation(
        tenant_id="t", evaluation_id="e", title="", set_name="", artifact_id="", revision_id="", scorer="lace",
        report=report, labels=(), created_by="p", created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    whole = convert.evaluation_message(evaluation)
    listed = convert.evaluation_message(evaluation, with_failures=False)
    assert not listed.pair_report.failures
    del whole.pair_report.failures[:]
    assert listed == whole


def test_a_verdict_goes_with_its_layers() -> None:
    layer = LayerVerdict(layer="numbers", verdict="contradicted", finding="9 is not in the evidence")
    message = convert.verdict_message(
        Scored(id="a", verdict="contradicted", reasons=("numbers: 9 is not in the evidence",), layers=(layer,))
    )
    assert (message.id, message.verdict, list(message.reasons)) == ("a", "contradicted", [layer.told])
    assert [(own.layer, own.verdict, own.finding) for own in message.layers] == [
        (layer.layer, layer.verdict, layer.finding)
    ]
