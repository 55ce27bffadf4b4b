"""Between evaluations and their wire messages."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict

from lace.runs.v1 import evaluations_pb2 as wire
from lace.runs.v1 import verdicts_pb2
from lace_core.evaluation.citations import CitationReport, SectionMeasure
from lace_core.evaluation.pairs import NOT, SUPPORTED, Pair, PairSet, Quoted
from lace_core.evaluation.rates import Rate
from lace_core.evaluation.reports import PairReport, Scored
from lace_proto.times import to_timestamp
from lace_runs.app.evaluations.evaluating import Asked
from lace_runs.domain.evaluations import BUILTIN, Evaluation


def sentence_pair_of(message: wire.SentencePair) -> Pair:
    """A pair without its right answer, which nobody asks for."""
    return Pair(id=message.id, kind="", label=NOT, sentence=message.sentence, evidence=_evidence_of(message.evidence))


def labelled_pair_of(message: wire.LabelledPair) -> Pair:
    """A pair with its right answer."""
    return Pair(
        id=message.id,
        kind=message.kind,
        label=SUPPORTED if message.label == SUPPORTED else NOT,
        sentence=message.sentence,
        evidence=_evidence_of(message.evidence),
        why=message.why,
        expected=message.expected,
    )


def _evidence_of(messages: Iterable[wire.QuotedEvidence]) -> tuple[Quoted, ...]:
    return tuple(Quoted(quote=message.quote, file=message.file) for message in messages)


def asked_of(request: wire.CreateEvaluationRequest) -> Asked:
    """What a CreateEvaluationRequest asks."""
    return Asked(
        title=request.title,
        set_name=request.set,
        pairs=tuple(map(labelled_pair_of, request.pairs)),
        artifact_id=request.artifact_id,
        revision_id=request.revision_id,
        scorer=request.scorer or BUILTIN,
        verdicts=tuple(
            Scored(id=own.id, verdict=own.verdict, reasons=(own.finding,) if own.finding else ())
            for own in request.verdicts
        ),
    )


def verdict_message(scored: Scored) -> wire.PairVerdict:
    """A verdict on the wire."""
    return wire.PairVerdict(
        id=scored.id,
        verdict=scored.verdict,
        reasons=scored.reasons,
        layers=[verdicts_pb2.LayerVerdict(**asdict(layer)) for layer in scored.layers],
    )


def set_message(found: PairSet) -> wire.EvaluationSet:
    """A set on the wire."""
    return wire.EvaluationSet(set=found.name, about=found.about, pairs=map(labelled_pair_message, found.pairs))


def labelled_pair_message(pair: Pair) -> wire.LabelledPair:
    """A pair on the wire."""
    evidence = [wire.QuotedEvidence(quote=piece.quote, file=piece.file) for piece in pair.evidence]
    return wire.LabelledPair(**{**asdict(pair), "evidence": evidence})


def evaluation_message(evaluation: Evaluation, *, with_failures: bool = True) -> wire.Evaluation:
    """A report on the wire; in lists without what failed."""
    report = evaluation.report
    message = wire.Evaluation(
        evaluation_id=evaluation.evaluation_id,
        title=evaluation.title,
        set=evaluation.set_name,
        artifact_id=evaluation.artifact_id,
        revision_id=evaluation.revision_id,
        scorer=evaluation.scorer,
        pair_report=_pair_report(report, with_failures) if isinstance(report, PairReport) else None,
        citation_report=_citation_report(report, with_failures) if isinstance(report, CitationReport) else None,
        created_by=evaluation.created_by,
    )
    message.created_at.CopyFrom(to_timestamp(evaluation.created_at))
    return message


def _pair_report(report: PairReport, with_failures: bool) -> wire.PairReport:
    return wire.PairReport(
        pairs=report.pairs,
        false_supports=_rate(report.false_supports),
        true_supports=_rate(report.true_supports),
        abstained=_rate(report.abstained),
        abstained_on_false=report.abstained_on_false,
        abstained_on_true=report.abstained_on_true,
        as_expected=_rate(report.as_expected),
        kinds=[wire.KindReport(**asdict(kind)) for kind in report.kinds],
        failures=[wire.PairFailure(**asdict(own)) for own in report.failures] if with_failures else [],
    )


def _citation_report(report: CitationReport, with_failures: bool) -> wire.CitationReport:
    return wire.CitationReport(
        whole=_measure(report.whole),
        sections=map(_measure, report.sections),
        failures=[wire.CitationFailure(**asdict(own)) for own in report.failures] if with_failures else [],
    )


def _measure(section: SectionMeasure) -> wire.CitationMeasure:
    return wire.CitationMeasure(
        **{**asdict(section), "recall": _rate(section.recall), "precision": _rate(section.precision)}
    )


def _rate(rate: Rate) -> wire.EvaluationRate:
    return wire.EvaluationRate(**asdict(rate))
