"""Sentences of a paragraph that could not be decided: waiting for a person, and what becomes of the text then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Source
from lace_core.paragraphs.facts import StatedFact
from lace_core.paragraphs.support import SupportedSentence, unmet, verified
from lace_core.phrases import phrase_in
from lace_core.verification.verdicts import Acceptance, Judged, Verdict
from lace_core.verification.version import RULES_VERSION
from lace_runs.app.paragraphs.ruling import rules_for, with_phrases
from lace_runs.app.paragraphs.specs import locked
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.paragraphs.records import PERSON, Making, Paragraph, Text, with_text
from lace_runs.domain.paragraphs.states import ParagraphTrigger
from lace_runs.domain.reviews import ReviewItem, item_of_paragraph


async def keep(
    work: UnitOfWork, paragraph: Paragraph, text: Text, sources: Iterable[Source], actor: str, at: datetime
) -> int:
    """Put what could not be decided of the text into the queue; how many of its sentences wait. The caller commits.

    Open items about earlier words of the paragraph are superseded. Doing it again changes nothing.
    """
    items = [
        item_of_paragraph(paragraph, text, place, tuple(sources), actor, at)
        for place, sentence in enumerate(text.sentences)
        if not sentence.stands and sentence.verdict == Verdict.PARTIALLY.word
    ]
    kept = [item.review_item_id for item in items]
    await work.reviews.supersede_paragraph(paragraph.tenant_id, paragraph.paragraph_id, kept, actor, at)
    await work.reviews.add(paragraph.tenant_id, items)
    return await work.reviews.count_waiting(paragraph.tenant_id, kept)


def sources_of(stated: Mapping[str, StatedFact]) -> tuple[Source, ...]:
    """The sources of stated facts, each once."""
    found = {fact.source.source_id: fact.source for fact in stated.values()}
    return tuple(found.values())


async def held(work: UnitOfWork, caller: Caller, item: ReviewItem) -> Paragraph:
    """The paragraph of an item, which nobody else changes until the transaction ends; REVIEW_PLACE_GONE without it."""
    try:
        return await locked(work, caller, item.paragraph_id, "")
    except LaceError as error:
        if error.reason is not Reason.PARAGRAPH_NOT_FOUND:
            raise
        raise _gone(item) from None


async def accept(
    work: UnitOfWork, caller: Caller, paragraph: Paragraph, item: ReviewItem, reason: str, now: datetime
) -> None:
    """Let the sentence stand on the caller's word: a text of its own. Raises LaceError REVIEW_NOT_ACCEPTABLE,
    REVIEW_PLACE_GONE, PARAGRAPH_TRANSITION_ILLEGAL."""
    vouched = Acceptance(accepted_by=caller.principal_id, accepted_at=now.isoformat(), reason=reason)
    text, at = await _place(work, paragraph, item)
    phrase = await _forbidden(work, paragraph, item.verdict.text, now)
    if phrase:
        raise LaceError(
            Reason.REVIEW_NOT_ACCEPTABLE, f"PHRASE_FORBIDDEN: {phrase!r} may not occur; rewrite or reject it."
        )
    accepted = msgspec.structs.replace(text.sentences[at], acceptance=vouched)
    await _keep(work, caller, paragraph, text, at, accepted, now)


async def rewrite(
    work: UnitOfWork, caller: Caller, paragraph: Paragraph, item: ReviewItem, wording: str, now: datetime
) -> Judged | None:
    """Put another wording in its place; gives what the rules found of it where its facts do not support it.

    Raises LaceError REVIEW_NOT_SUPPORTED for a forbidden phrase, REVIEW_PLACE_GONE, PARAGRAPH_TRANSITION_ILLEGAL.
    """
    text, at = await _place(work, paragraph, item)
    before = text.sentences[at]
    worded = await asyncio.to_thread(verified, before.sentence_id, wording, before.links)
    if not worded.stands:
        return Judged(Verdict.of(worded.verdict), worded.reasons, worded.layers)
    phrase = await _forbidden(work, paragraph, wording, now)
    if phrase:
        message = f"PHRASE_FORBIDDEN: {phrase!r} may not occur; use other words."
        raise LaceError(Reason.REVIEW_NOT_SUPPORTED, message, details=[Detail("/text", message)])
    await _keep(work, caller, paragraph, text, at, worded, now)
    return None


async def _place(work: UnitOfWork, paragraph: Paragraph, item: ReviewItem) -> tuple[Text, int]:
    """The text that is shown, and where the sentence is in it."""
    text = await work.paragraphs.text(paragraph.tenant_id, paragraph.paragraph_id, paragraph.text_version)
    for at, sentence in enumerate(text.require_intact().sentences if text else ()):
        if text and (sentence.sentence_id, sentence.text) == (item.verdict.sentence_id, item.verdict.text):
            return text, at
    raise _gone(item)


async def _forbidden(work: UnitOfWork, paragraph: Paragraph, wording: str, now: datetime) -> str:
    policy = await in_force(work.policies, paragraph.tenant_id, "", frozenset(), now)
    return phrase_in(wording, with_phrases(paragraph.spec, rules_for(policy, paragraph.spec)).forbidden_phrases)


async def _keep(
    work: UnitOfWork,
    caller: Caller,
    paragraph: Paragraph,
    text: Text,
    at: int,
    sentence: SupportedSentence,
    now: datetime,
) -> None:
    """Keep the text with that sentence in its place, and the paragraph in the state that it has then."""
    sentences = (*text.sentences[:at], sentence, *text.sentences[at + 1 :])
    changed, kept = with_text(
        paragraph.moved(ParagraphTrigger.EDIT, now),
        sentences,
        tuple(unmet(paragraph.spec, sentences)),
        Making(origin=PERSON, created_by=caller.principal_id),
        RULES_VERSION,
        now,
    )
    await work.paragraphs.add_text(caller.tenant_id, paragraph.paragraph_id, kept)
    await work.paragraphs.save(caller.tenant_id, changed)


def _gone(item: ReviewItem) -> LaceError:
    message = f"The paragraph {item.node_title} does not hold the sentence any more; reject it."
    return LaceError(Reason.REVIEW_PLACE_GONE, message)
