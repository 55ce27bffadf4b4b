"""Judges sentences against quotes by the engine's deterministic checks: this provider holds no other knowledge."""

from __future__ import annotations

from lace_core.contracts import JudgedSentence, JudgeInput, Judgement, JudgeVerdict
from lace_core.grounding import Verdict, verify


def judge(asked: JudgeInput) -> Judgement:
    """One verdict for each sentence, in order."""
    return Judgement(verdicts=tuple(_verdict(sentence) for sentence in asked.sentences))


def _verdict(sentence: JudgedSentence) -> JudgeVerdict:
    found = verify(sentence.text, sentence.quotes)
    telling = [reason for reason in found.reasons if not reason.endswith(("agree", "agrees", "not verbatim"))]
    reason = "; ".join(telling) if found.verdict is not Verdict.SUPPORTED else found.reasons[0]
    return JudgeVerdict(sentence_id=sentence.sentence_id, verdict=found.verdict.word, reason=reason or "no finding")  # type: ignore[arg-type]
