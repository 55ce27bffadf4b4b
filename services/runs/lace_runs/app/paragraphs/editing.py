"""A person's sentences in the place of a paragraph's text: held against their facts before they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.contracts import WrittenSentence
from lace_core.errors import Detail, LaceError, Reason
from lace_core.paragraphs.facts import StatedFact, allowed_fact
from lace_core.paragraphs.support import SupportedSentence, judged, refusals, unmet
from lace_core.policies.keeping_out import LAYER
from lace_core.verification.verdicts import Verdict
from lace_core.verification.version import RULES_VERSION
from lace_runs.app.paragraphs import reviewing
from lace_runs.app.paragraphs.ports import FactReader
from lace_runs.app.paragraphs.ruling import rules_for, with_phrases
from lace_runs.app.paragraphs.specs import Shown, known_facts, locked, show
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.paragraphs.records import PERSON, Making, with_text
from lace_runs.domain.paragraphs.states import ParagraphTrigger


@dataclass(frozen=True)
class Edit:
    """The whole text as a person wants it; any state will do where the etag is empty."""

    paragraph_id: str
    sentences: tuple[WrittenSentence, ...]
    etag: str = ""

    @property
    def fact_ids(self) -> tuple[str, ...]:
        """All facts that are cited, each once."""
        return tuple(dict.fromkeys(fact_id for sentence in self.sentences for fact_id in sentence.fact_ids))


async def cited_facts(facts: FactReader, asked: Edit) -> Mapping[str, StatedFact]:
    """The facts that the text cites, as far as they are in use; raises LaceError FACT_NOT_FOUND, FACT_RETIRED."""
    return await known_facts(facts, asked.fact_ids, "/sentences")


async def edit(work: UnitOfWork, caller: Caller, asked: Edit, facts: Mapping[str, StatedFact], now: datetime) -> Shown:
    """The paragraph with the person's text; the caller commits. What cannot be decided of it is withheld.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH, PARAGRAPH_TRANSITION_ILLEGAL, and PARAGRAPH_NOT_SUPPORTED, by
    pointer, for what breaks the specification and for what the facts contradict or do not support.
    """
    paragraph = await locked(work, caller, asked.paragraph_id, asked.etag)
    verifying = paragraph.moved(ParagraphTrigger.EDIT, now)
    _refuse(refusals(asked.sentences, paragraph.spec), "The text breaks the paragraph's specification")
    known = {fact_id: allowed_fact(fact) for fact_id, fact in facts.items()}
    key = f"edit/{paragraph.texts + 1}"
    policy = await in_force(work.policies, caller.tenant_id, "", frozenset(), now)
    spec = with_phrases(paragraph.spec, rules_for(policy, paragraph.spec))
    sentences = await asyncio.to_thread(judged, paragraph.paragraph_id, key, asked.sentences, known, spec)
    blocked = _blocked(sentences)
    _refuse(blocked, f"{len(blocked)} of {len(sentences)} sentences may not stand")
    changed, text = with_text(
        verifying,
        tuple(sentences),
        tuple(unmet(paragraph.spec, sentences)),
        Making(origin=PERSON, created_by=caller.principal_id),
        RULES_VERSION,
        now,
    )
    await work.paragraphs.add_text(caller.tenant_id, paragraph.paragraph_id, text)
    await work.paragraphs.save(caller.tenant_id, changed)
    await reviewing.keep(work, changed, text, reviewing.sources_of(facts), caller.principal_id, now)
    return await show(work, caller, paragraph.paragraph_id)


def _blocked(sentences: Sequence[SupportedSentence]) -> list[Detail]:
    """Sentences that no review could let stand."""
    return [
        Detail(f"/sentences/{at}/text", f"{_code(sentence)}: {sentence.reasons[-1]}.")
        for at, sentence in enumerate(sentences)
        if Verdict.of(sentence.verdict) < Verdict.PARTIALLY
    ]


def _code(sentence: SupportedSentence) -> str:
    is_ruled_out = any(layer.layer == LAYER for layer in sentence.layers)
    return "PHRASE_FORBIDDEN" if is_ruled_out else f"SENTENCE_{sentence.verdict.upper()}"


def _refuse(wrong: Sequence[Detail], message: str) -> None:
    if wrong:
        first = f"{wrong[0].field}: {wrong[0].description}"
        raise LaceError(Reason.PARAGRAPH_NOT_SUPPORTED, f"{message}: {first}", details=wrong[:50])
