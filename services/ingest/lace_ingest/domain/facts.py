"""A fact of a source: one claim with the words that state it, how it was checked, and where it is in its life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from lace_core.canonical import sha256_hex
from lace_core.contracts import Qualifier
from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_core.librarian import Checked, Refusal, Stated
from lace_core.verification.grounding import Verdict
from lace_ingest.domain.documents import Span, Unit
from lace_ingest.domain.sources import Source


class FactOrigin(StrEnum):
    """Who states it."""

    EXTRACTED = "extracted"
    MANUAL = "manual"


class FactState(StrEnum):
    """Where it is in its life: active or review → retired; a manual one that is stated again comes back."""

    ACTIVE = "active"
    REVIEW = "review"
    RETIRED = "retired"


@dataclass(frozen=True)
class Making:
    """How a fact was taken out: the run, its step, the model call, its contract and prompt, provider/model."""

    run_id: str
    step_id: str
    call_id: str
    contract: str
    template_hash: str
    model: str


BY_HAND = Making("", "", "", "", "", "")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that a source states; `span` is the quote's place in its unit, `order` the unit's in its source."""

    fact_id: str
    source_id: str
    unit_id: str
    extraction: str
    order: int
    statement: str
    span: Span
    quote: str
    quote_hash: str
    qualifiers: tuple[Qualifier, ...]
    confidence: int
    origin: FactOrigin
    state: FactState
    verdict: str
    reasons: tuple[str, ...]
    heading_path: tuple[str, ...]
    page: int
    making: Making
    created_by: str
    created_at: datetime
    retired_by: str = ""
    retired_at: datetime | None = None


@dataclass(frozen=True)
class StandingFact:
    """A fact with its source and the unit that it stands in."""

    fact: Fact
    source: Source
    unit: Unit


@dataclass(frozen=True)
class FactFilter:
    """Which facts of a source are asked for: all that is set must hold.

    `extraction` is the source's present one: facts that were taken out of units of another are left out.
    """

    extraction: str
    state: FactState = FactState.ACTIVE
    origin: FactOrigin | None = None
    unit_id: str = ""
    min_confidence: int = 0
    contains: str = ""

    def admits(self, fact: Fact) -> bool:
        """Whether the fact is asked for."""
        is_present = fact.origin is FactOrigin.MANUAL or fact.extraction == self.extraction
        texts = (fact.statement.casefold(), fact.quote.casefold())
        return (
            is_present
            and fact.state is self.state
            and self.origin in (None, fact.origin)
            and self.unit_id in ("", fact.unit_id)
            and fact.confidence >= self.min_confidence
            and any(self.contains.casefold() in text for text in texts)
        )


FactPlace = tuple[int, int, str]
"""Where a fact stands in its source: the unit's place, the quote's first code point, the fact's id."""


def place_of(fact: Fact) -> FactPlace:
    """What facts are listed by."""
    return fact.order, fact.span.start, fact.fact_id


def new_fact(
    source_id: str,
    extraction: str,
    unit: Unit,
    stated: Stated,
    checked: Checked,
    making: Making,
    created_by: str,
    created_at: datetime,
) -> Fact:
    """A fact that was checked and is not refused. Its id is made of what it says and where, so that whoever states it
    again states the same fact; a person's and a model's are two."""
    origin = FactOrigin.EXTRACTED if making.run_id else FactOrigin.MANUAL
    quote_hash = sha256_hex(stated.quote.encode())
    place = (unit.unit_id, str(stated.start), str(stated.end))
    return Fact(
        fact_id=derive("fct", source_id, *place, quote_hash, stated.statement, origin.value),
        source_id=source_id,
        unit_id=unit.unit_id,
        extraction=extraction,
        order=unit.order,
        statement=stated.statement,
        span=Span(stated.start, stated.end),
        quote=stated.quote,
        quote_hash=quote_hash,
        qualifiers=stated.qualifiers,
        confidence=stated.confidence,
        origin=origin,
        state=FactState.ACTIVE if checked.verdict is Verdict.SUPPORTED else FactState.REVIEW,
        verdict=checked.verdict.word,
        reasons=checked.reasons,
        heading_path=unit.heading_path,
        page=unit.page,
        making=making,
        created_by=created_by,
        created_at=created_at,
    )


def as_retired(fact: Fact, retired_by: str, retired_at: datetime) -> Fact:
    """The fact after somebody retired it; one that is retired stays as it is."""
    if fact.state is FactState.RETIRED:
        return fact
    return replace(fact, state=FactState.RETIRED, retired_by=retired_by, retired_at=retired_at)


@dataclass(frozen=True)
class Keeping:
    """What came of keeping facts: how many are new, were there, and of both are for review; what was refused."""

    added: int
    known: int
    review: int
    refused: tuple[Refusal, ...]


_REASONS = {
    "SPAN_OUTSIDE": Reason.FACT_SPAN_INVALID,
    "QUOTE_MISMATCH": Reason.FACT_QUOTE_MISMATCH,
    "STATEMENT_NOT_SUPPORTED": Reason.FACT_NOT_SUPPORTED,
}


def refused_fact(refusal: Refusal) -> LaceError:
    """Why a person's fact is not kept."""
    return LaceError(_REASONS.get(refusal.code, Reason.INVALID_ARGUMENT), refusal.message)


def fact_not_found(fact_id: str) -> LaceError:
    """No such fact, or none that the caller may see: from outside that is the same."""
    return LaceError(Reason.FACT_NOT_FOUND, f"No fact {fact_id}.")


def in_order(facts: Sequence[Fact], place: FactPlace | None) -> list[Fact]:
    """The facts in their order, those behind the place only."""
    found = sorted(facts, key=place_of)
    return found if place is None else [fact for fact in found if place_of(fact) > place]
