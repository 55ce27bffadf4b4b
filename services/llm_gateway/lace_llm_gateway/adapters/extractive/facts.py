"""Takes facts out of units: their sentences, list items and table rows as they stand, with what these name."""

from __future__ import annotations

from collections.abc import Iterator

from lace_core.contracts import ExtractedFact, ExtractedFacts, ExtractFactsInput, LibrarianUnit, UnitSpan
from lace_core.librarian import FULL
from lace_core.verification.qualifiers import qualifiers_of
from lace_llm_gateway.adapters.extractive.commands import is_command
from lace_llm_gateway.adapters.extractive.standing import Standing, screen

_IN_PARTS = frozenset(("list", "table"))
_OF_A_PART = 0.9
"""How sure an item or a row is, which needs the line above it or the heads of its columns to be read."""
_LONGEST = 1000


def extract_facts(asked: ExtractFactsInput) -> ExtractedFacts:
    """Verbatim, in the order of the spans. Of too many those that name most stay, the earlier of equals."""
    found = [fact for unit in asked.units for fact in _facts(unit)]
    best = sorted(range(len(found)), key=lambda at: (-min(3, len(found[at].qualifiers)), -found[at].confidence, at))
    return ExtractedFacts(facts=tuple(found[at] for at in sorted(best[: max(0, asked.max_facts)])))


def _facts(unit: LibrarianUnit) -> Iterator[ExtractedFact]:
    for span in unit.spans:
        confidence = _confidence(unit, span.text)
        if confidence:
            yield _verbatim(span, confidence)


def _verbatim(span: UnitSpan, confidence: int) -> ExtractedFact:
    text = span.text.strip()
    return ExtractedFact(
        statement=text, span_id=span.span_id, quote=text, qualifiers=qualifiers_of(text), confidence=confidence
    )


def _confidence(unit: LibrarianUnit, text: str) -> int:
    """From 0, for what states nothing that could stand alone, to 1000."""
    if is_command(text) or len(text) > _LONGEST or not any(char.isalnum() for char in text):
        return 0
    if unit.kind == "table":
        is_head = [cell.strip() for cell in text.split(" | ")] == list(unit.header)
        return 0 if is_head else round(FULL * _OF_A_PART)
    screened = screen(text)
    if screened.standing is Standing.ALONE:
        return round(FULL * screened.quality)
    if unit.kind in _IN_PARTS and screened.standing is Standing.FRAGMENT:
        return round(FULL * _OF_A_PART * screened.quality)
    return 0
