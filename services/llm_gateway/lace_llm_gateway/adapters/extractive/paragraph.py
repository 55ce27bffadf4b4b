"""Writes a paragraph to its specification: the facts in their own words, those that answer it best."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.contracts import ParagraphFact, ParagraphInput, ParagraphText, WrittenSentence
from lace_llm_gateway.adapters.extractive.commands import is_command
from lace_llm_gateway.adapters.extractive.standing import Standing, screen
from lace_llm_gateway.adapters.extractive.words import stems, word_count

_QUESTION_COUNTS = 2
_LEANS = 0.5
_FRAGMENT = 0.3


@dataclass(frozen=True)
class _Candidate:
    """A sentence that could be said, with all facts that say it; `place` is that of the first of them."""

    text: str
    fact_ids: tuple[str, ...]
    place: int
    words: int
    worth: float
    is_required: bool


def write_paragraph(asked: ParagraphInput) -> ParagraphText:
    """Sentences in the order of their facts: what is required first of all, then what answers most; none twice."""
    wanted = frozenset(stems(f"{asked.title} {asked.purpose}"))
    questions = frozenset(stems(" ".join(asked.questions)))
    forbidden = [phrase.casefold() for phrase in asked.forbidden_phrases if phrase.strip()]
    found: dict[str, _Candidate] = {}
    for place, fact in enumerate(asked.facts):
        text = _worded(fact)
        if not text or is_command(text) or any(phrase in text.casefold() for phrase in forbidden):
            continue
        found[text] = _joined(found.get(text), _candidate(fact, text, place, wanted, questions, asked))
    chosen = _chosen(sorted(found.values(), key=lambda c: (not c.is_required, -c.worth, c.place)), asked)
    chosen.sort(key=lambda candidate: candidate.place)
    return ParagraphText(sentences=tuple(WrittenSentence(text=c.text, fact_ids=c.fact_ids) for c in chosen))


def _worded(fact: ParagraphFact) -> str:
    """The fact's quote where it reads as a sentence, else what it states."""
    quote = " ".join(fact.quote.split())
    return quote if screen(quote).standing in (Standing.ALONE, Standing.AFTER) else " ".join(fact.statement.split())


def _candidate(
    fact: ParagraphFact,
    text: str,
    place: int,
    wanted: frozenset[str],
    questions: frozenset[str],
    asked: ParagraphInput,
) -> _Candidate:
    said = frozenset(stems(text))
    met = len(said & wanted) + _QUESTION_COUNTS * len(said & questions)
    weight = {Standing.ALONE: 1.0, Standing.AFTER: _LEANS}.get(screen(text).standing, _FRAGMENT)
    return _Candidate(
        text=text,
        fact_ids=(fact.fact_id,),
        place=place,
        words=word_count(text),
        worth=(1 + met) * weight,
        is_required=fact.fact_id in asked.required_fact_ids,
    )


def _joined(before: _Candidate | None, other: _Candidate) -> _Candidate:
    """One sentence for facts that say the same."""
    if before is None:
        return other
    return _Candidate(
        text=before.text,
        fact_ids=(*before.fact_ids, *other.fact_ids),
        place=before.place,
        words=before.words,
        worth=max(before.worth, other.worth),
        is_required=before.is_required or other.is_required,
    )


def _chosen(ranked: list[_Candidate], asked: ParagraphInput) -> list[_Candidate]:
    chosen: list[_Candidate] = []
    words = 0
    for candidate in ranked:
        if len(chosen) == asked.max_sentences:
            break
        if words + candidate.words <= asked.max_words:
            chosen.append(candidate)
            words += candidate.words
    return chosen
