"""A judge beside the rules: what it is asked, in bounded questions, and what its answers come to.

It can only lower a verdict. Its own verdict is kept as a layer of its own, with the call in which it was given; where
it gives none for a sentence, whatever the reason, that is kept as an abstention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from lace_core.contracts import JudgedSentence, JudgeInput, Judgement, JudgeVerdict
from lace_core.planning import Grounds
from lace_core.verification.verdicts import ABSTAINED, LayerVerdict, Verdict
from lace_core.writing import SentenceVerdict

Abstention = Literal["keep", "review"]
"""What becomes of a sentence that the judge says nothing of: its verdict stays, or a person is to look."""

MOST_SENTENCES = 40
MOST_CHARACTERS = 24_000
_LONGEST_REASON = 500


def judge_input(verdicts: Sequence[SentenceVerdict], grounds: Mapping[str, Grounds]) -> JudgeInput:
    """What the judge is asked: only the sentences that stand, as a judge can only lower a verdict."""
    return JudgeInput(
        sentences=tuple(
            JudgedSentence(
                sentence_id=own.sentence_id, text=own.text, quotes=tuple(grounds[f].fact.text for f in own.fact_ids)
            )
            for own in verdicts
            if own.stands
        )
    )


def questions(asked: JudgeInput) -> Iterator[JudgeInput]:
    """The same in questions of at most forty sentences and 24,000 characters; a longer sentence is one by itself."""
    held: list[JudgedSentence] = []
    size = 0
    for sentence in asked.sentences:
        own = len(sentence.text) + sum(map(len, sentence.quotes))
        if held and (len(held) == MOST_SENTENCES or size + own > MOST_CHARACTERS):
            yield JudgeInput(sentences=tuple(held))
            held, size = [], 0
        held.append(sentence)
        size += own
    if held:
        yield JudgeInput(sentences=tuple(held))


def lowered(
    verdicts: Sequence[SentenceVerdict],
    asked: JudgeInput,
    judgement: Judgement | None,
    call_id: str = "",
    abstention: Abstention = "keep",
) -> list[SentenceVerdict]:
    """The verdicts after one question to the judge; None where it gave no answer that can be used.

    Verdicts on sentences that it was not asked about are passed over. Of several on one sentence the worst counts.
    """
    about = {sentence.sentence_id for sentence in asked.sentences}
    told = sorted(judgement.verdicts if judgement else (), key=lambda own: -Verdict.of(own.verdict))
    by_id = {own.sentence_id: own for own in told}
    found: list[SentenceVerdict] = []
    for own in verdicts:
        if own.sentence_id not in about:
            found.append(own)
        elif judge := by_id.get(own.sentence_id):
            found.append(_after(own, judge, call_id))
        else:
            found.append(_unheard(own, call_id, abstention))
    return found


class Judging(Struct, frozen=True, kw_only=True):
    """A question to a judge and what it said; None where it gave no answer that can be used."""

    asked: JudgeInput
    judgement: Judgement | None
    call_id: str
    abstention: Abstention

    def lowering(self, verdicts: Sequence[SentenceVerdict]) -> list[SentenceVerdict]:
        """The verdicts after it; see `lowered`."""
        return lowered(verdicts, self.asked, self.judgement, self.call_id, self.abstention)


def _after(own: SentenceVerdict, judge: JudgeVerdict, call_id: str) -> SentenceVerdict:
    worse = min(Verdict.of(own.verdict), Verdict.of(judge.verdict))
    finding = judge.reason.strip()[:_LONGEST_REASON] or "no reason given"
    return _with_layer(own, worse, judge.verdict, finding, call_id, f"judge: {judge.verdict} ({judge.reason})")


def _unheard(own: SentenceVerdict, call_id: str, abstention: Abstention) -> SentenceVerdict:
    verdict = Verdict.of(own.verdict)
    if abstention == "review":
        verdict = min(verdict, Verdict.PARTIALLY)
    return _with_layer(own, verdict, ABSTAINED, "it gave no verdict", call_id, "judge: abstained")


def _with_layer(
    own: SentenceVerdict, verdict: Verdict, judged: str, finding: str, call_id: str, reason: str
) -> SentenceVerdict:
    layer = LayerVerdict(layer="judge", verdict=judged, finding=finding, call_id=call_id)
    return msgspec.structs.replace(
        own, verdict=verdict.word, reasons=(*own.reasons, reason), layers=(*own.layers, layer)
    )
