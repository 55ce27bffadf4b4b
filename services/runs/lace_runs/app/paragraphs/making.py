"""How a text comes of what is stored: the same code makes it in a run and makes it again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lace_core.contracts import ParagraphInput
from lace_core.errors import LaceError, Reason
from lace_core.judging import Judging
from lace_core.paragraphs.facts import paragraph_input
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.paragraphs.support import SupportedSentence, again, judged, lowered, refusals
from lace_runs.domain.paragraphs.steps import Commissioned, Composed


def usable(commissioned: Commissioned) -> ParagraphSpec:
    """The specification with those facts alone that can be used: what the model is asked, and held to."""
    left = {fact.fact_id for fact in commissioned.facts}
    spec = commissioned.spec
    return msgspec.structs.replace(
        spec,
        allowed_fact_ids=tuple(fact_id for fact_id in spec.allowed_fact_ids if fact_id in left),
        required_fact_ids=tuple(fact_id for fact_id in spec.required_fact_ids if fact_id in left),
    )


def question(commissioned: Commissioned) -> ParagraphInput:
    """What the model is asked."""
    return paragraph_input(usable(commissioned), commissioned.facts, commissioned.house_rules)


def require_answer(composed: Composed, commissioned: Commissioned) -> None:
    """Raises LaceError PROVIDER_OUTPUT_INVALID, by pointer, for an answer that breaks the specification."""
    broken = refusals(composed.answer.sentences, usable(commissioned))
    if broken:
        raise LaceError(
            Reason.PROVIDER_OUTPUT_INVALID,
            f"The answer breaks the paragraph's specification: {broken[0].field}: {broken[0].description}",
            details=broken[:50],
            retryable=True,
        )


def sentences_of(commissioned: Commissioned, composed: Composed | None, run_id: str) -> Sequence[SupportedSentence]:
    """The sentences with what the rules find of them: of the model's answer, or of the text that was there."""
    if composed is None:
        return again(commissioned.sentences, commissioned.spec)
    facts = {fact.fact_id: fact for fact in commissioned.facts}
    return judged(commissioned.paragraph_id, run_id, composed.answer.sentences, facts, commissioned.spec)


def after_judge(sentences: Sequence[SupportedSentence], judgings: Sequence[Judging]) -> tuple[SupportedSentence, ...]:
    """The sentences after what a judge said of them, where one was asked."""
    found = sentences
    for judging in judgings:
        found = lowered(found, judging)
    return tuple(found)
