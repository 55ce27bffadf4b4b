"""Judges sentences against quotes by the engine's deterministic checks: this provider holds no other knowledge."""

from __future__ import annotations

from lace_core.contracts import (
    DocumentJudgeInput,
    DocumentJudgement,
    DocumentVerdict,
    JudgedSentence,
    JudgeInput,
    Judgement,
    JudgeVerdict,
)
from lace_core.verification.grounding import Verdict, verify


def judge(asked: JudgeInput) -> Judgement:
    """One verdict for each sentence, in order."""
    return Judgement(verdicts=tuple(_verdict(sentence) for sentence in asked.sentences))


_ALWAYS = ("quote", "wording")
"""Layers that object to whatever is in other words, and say nothing of what is wrong."""


def _verdict(sentence: JudgedSentence) -> JudgeVerdict:
    found = verify(sentence.text, sentence.quotes)
    objecting = [layer for layer in found.layers if layer.verdict != "supported" and layer.layer not in _ALWAYS]
    telling = [layer.told for layer in objecting]
    reason = "; ".join(telling) if found.verdict is not Verdict.SUPPORTED else found.reasons[0]
    return JudgeVerdict(sentence_id=sentence.sentence_id, verdict=found.verdict.word, reason=reason or "no finding")  # type: ignore[arg-type]


def judge_document(asked: DocumentJudgeInput) -> DocumentJudgement:
    """Nothing is decided: a criterion in words needs a reader who understands them."""
    reason = "This provider composes by rules and cannot judge by a criterion in words."
    return DocumentJudgement(
        verdicts=tuple(
            DocumentVerdict(criterion_id=each.criterion_id, verdict="undecided", reason=reason, remarks=())
            for each in asked.criteria
        )
    )
