"""The values that the API document shows of verifications and evaluations; see examples."""

from __future__ import annotations

from typing import Any

_QUOTE = "Buildings with new radiators reached a seasonal performance of 3.6."
_FALSE = "Buildings with new radiators reached a seasonal performance of 3.9."
_FILE = "survey.pdf"
_EVIDENCE = [{"quote": _QUOTE, "file": _FILE}]
_PAIR = {"id": "p1", "kind": "changed_number", "label": "not", "sentence": _FALSE, "evidence": _EVIDENCE}
_FINDING = "numbers: 3.9 is not in the evidence"

EVALUATIONS: dict[str, Any] = {
    "evaluation_id": "evl_3m6p9s2v5y8b1e4h7k0n3q6t9w",
    "QuotedEvidence.quote": _QUOTE,
    "QuotedEvidence.file": _FILE,
    "SentencePair.id": "p1",
    "SentencePair.sentence": _FALSE,
    "PairVerdict.id": "p1",
    "PairVerdict.verdict": "contradicted",
    "PairVerdict.reasons": _FINDING,
    "set": "golden",
    "EvaluationSet.about": "Sentences and evidence over the example dossier, labelled by hand.",
    "LabelledPair.id": "p1",
    "LabelledPair.kind": "changed_number",
    "LabelledPair.label": "not",
    "LabelledPair.sentence": _FALSE,
    "LabelledPair.why": "3.6 becomes 3.9",
    "LabelledPair.expected": "contradicted",
    "ScorerVerdict.id": "p1",
    "ScorerVerdict.verdict": "unsupported",
    "ScorerVerdict.finding": "entailment 0.04",
    "scorer": "lace",
    "EvaluationRate.count": 0,
    "EvaluationRate.total": 123,
    "EvaluationRate.rate": 0.0,
    "low": 0.0,
    "high": 0.024061,
    "KindReport.kind": "changed_number",
    "KindReport.label": "not",
    "KindReport.pairs": 6,
    "KindReport.supported": 0,
    "KindReport.partially": 0,
    "KindReport.contradicted": 6,
    "KindReport.unsupported": 0,
    "PairFailure.id": "p7",
    "PairFailure.kind": "free_paraphrase",
    "failure": "missed",
    "PairFailure.verdict": "partially",
    "PairFailure.finding": "wording: no single statement says this and no less",
    "PairReport.pairs": 203,
    "abstained_on_false": 48,
    "abstained_on_true": 34,
    "CitationMeasure.title": "Performance over a year",
    "pieces": 14,
    "uncited": 0,
    "CitationFailure.part_id": "sen_5t8y1u4i7o0p3a6s9d2f5g8h1j",
    "is_carried": True,
    "CitationFailure.citations": 2,
    "precise": 1,
    "CitationFailure.verdict": "supported",
    "CitationFailure.finding": "quote: verbatim",
    "Evaluation.title": "Nightly",
    "Evaluation.artifact_id": "",
    "Evaluation.revision_id": "",
}
REQUESTS: dict[str, Any] = {
    "VerifySentences": {"pairs": [{"id": "p1", "sentence": _FALSE, "evidence": _EVIDENCE}]},
    "CreateEvaluation": {"pairs": [_PAIR], "title": "Nightly"},
}
CHOICES = {"Evaluation.report": "pair_report"}
