"""The Librarian: what a model is asked about units of a source, and which of the facts it gives are kept.

A model never counts characters: it names a span and copies a quote out of it. Where the quote stands is found here, and
what is found is checked against the unit as it is stored, whoever states the fact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from msgspec import Struct

from lace_core.contracts import ExtractedFact, ExtractedFacts, ExtractFactsInput, LibrarianUnit, Qualifier, UnitSpan
from lace_core.verification.grounding import Verdict, verify

LONGEST_STATEMENT = 2000
FULL = 1000
"""The confidence of a person, or of who copies a whole span."""
_SHOWN = 200
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

UnitKind = Literal["paragraph", "list", "table", "quote", "caption", "footnote", "endnote"]
KINDS: frozenset[str] = frozenset(get_args(UnitKind))
"""Units that state something; code does not."""


class Piece(Struct, frozen=True, kw_only=True):
    """A unit, or some spans of a long one; `spans` are (start, end, text) in code points of the whole unit."""

    unit_id: str
    kind: str
    heading_path: tuple[str, ...] = ()
    page: int = 0
    caption: str = ""
    header: tuple[str, ...] = ()
    spans: tuple[tuple[int, int, str], ...] = ()


class Stated(Struct, frozen=True, kw_only=True):
    """A fact as somebody states it: the quote is to stand at `start` to `end` of the unit (code points, half open)."""

    statement: str
    unit_id: str
    start: int
    end: int
    quote: str
    qualifiers: tuple[Qualifier, ...] = ()
    confidence: int = FULL


class Refusal(Struct, frozen=True, kw_only=True):
    """A fact that is not kept: why, as a stable code and in words; `statement` is cut."""

    code: str
    message: str
    unit_id: str = ""
    statement: str = ""


@dataclass(frozen=True)
class Question:
    """What a model is asked, and where each span that it may name stands."""

    asked: ExtractFactsInput
    places: Mapping[str, tuple[str, int, int, str]]


@dataclass(frozen=True)
class Checked:
    """What came of checking a fact: a verdict with the reasons of its layers, or why it is refused."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    refusal: Refusal | None = None


def question(filename: str, title: str, language: str, pieces: Sequence[Piece], max_facts: int) -> Question:
    """Asks for the facts of pieces; span names are numbered through."""
    places: dict[str, tuple[str, int, int, str]] = {}
    units: list[LibrarianUnit] = []
    for piece in pieces:
        spans: list[UnitSpan] = []
        for start, end, text in piece.spans:
            span_id = f"S{len(places) + 1}"
            places[span_id] = (piece.unit_id, start, end, text)
            spans.append(UnitSpan(span_id=span_id, text=text))
        units.append(
            LibrarianUnit(
                kind=cast(UnitKind, piece.kind),
                heading_path=piece.heading_path,
                page=piece.page,
                caption=piece.caption,
                header=piece.header,
                spans=tuple(spans),
            )
        )
    asked = ExtractFactsInput(
        filename=filename, title=title, language=language, units=tuple(units), max_facts=max_facts
    )
    return Question(asked, places)


def located(question: Question, answer: ExtractedFacts) -> tuple[list[Stated], list[Refusal]]:
    """The facts of an answer with the places of their quotes, and those whose quote is not in the span they name."""
    kept: list[Stated] = []
    refused: list[Refusal] = []
    for at, fact in enumerate(answer.facts):
        if at >= question.asked.max_facts:
            refused.append(_refusal("TOO_MANY", f"Only {question.asked.max_facts} facts were asked for.", fact))
            continue
        found = _located(question, fact)
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            kept.append(found)
    return kept, refused


def _located(question: Question, fact: ExtractedFact) -> Stated | Refusal:
    place = question.places.get(fact.span_id)
    if place is None:
        return _refusal("SPAN_UNKNOWN", f"There is no span {fact.span_id[:20]}.", fact)
    unit_id, start, _, text = place
    quote = fact.quote.strip()
    at = text.find(quote) if quote else -1
    if at < 0:
        return _refusal("QUOTE_NOT_IN_SPAN", f"The quote does not stand in the span {fact.span_id}.", fact, unit_id)
    return Stated(
        statement=fact.statement.strip(),
        unit_id=unit_id,
        start=start + at,
        end=start + at + len(quote),
        quote=quote,
        qualifiers=tuple(dict.fromkeys(each for each in fact.qualifiers if each.text and each.text in quote)),
        confidence=min(FULL, max(0, fact.confidence)),
    )


def check(stated: Stated, text: str) -> Checked:
    """Whether the quote stands in the unit's text where it is said to, and how far it supports the statement."""
    if not 0 <= stated.start < stated.end <= len(text):
        where = f"{stated.start} to {stated.end}"
        return _refused("SPAN_OUTSIDE", f"The unit has the characters 0 to {len(text)}; {where} is no part.", stated)
    there = text[stated.start : stated.end]
    if there != stated.quote:
        return _refused("QUOTE_MISMATCH", f"At this span stands: {there[:_SHOWN]!r}.", stated)
    if not stated.statement.strip() or len(stated.statement) > LONGEST_STATEMENT or _CONTROL.search(stated.statement):
        message = f"A statement has 1 to {LONGEST_STATEMENT} characters, and no control characters."
        return _refused("STATEMENT_INVALID", message, stated)
    judged = verify(stated.statement, [stated.quote])
    if judged.verdict < Verdict.PARTIALLY:
        message = f"The quote does not support the statement ({judged.verdict.word}): {judged.reasons[-1]}."
        return Checked(judged.verdict, judged.reasons, _refused("STATEMENT_NOT_SUPPORTED", message, stated).refusal)
    return Checked(judged.verdict, judged.reasons)


def _refused(code: str, message: str, stated: Stated) -> Checked:
    refusal = Refusal(code=code, message=message, unit_id=stated.unit_id, statement=stated.statement[:_SHOWN])
    return Checked(Verdict.UNSUPPORTED, (), refusal)


def _refusal(code: str, message: str, fact: ExtractedFact, unit_id: str = "") -> Refusal:
    return Refusal(code=code, message=message, unit_id=unit_id, statement=fact.statement[:_SHOWN])
