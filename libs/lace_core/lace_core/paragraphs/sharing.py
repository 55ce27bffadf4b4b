"""Which section says which of the facts that several sections may use: each fact in one section only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from lace_core.paragraphs.facts import AllowedFact

_WORD = re.compile(r"\w{3,}")


class Taker(Struct, frozen=True, kw_only=True):
    """A section that may use these facts alone: what it is about, and the units that a search found for it."""

    node_id: str
    fact_ids: frozenset[str]
    about: str
    unit_ids: frozenset[str] = frozenset()


def shared(facts: Sequence[AllowedFact], takers: Sequence[Taker]) -> dict[str, list[AllowedFact]]:
    """For each section its facts, in their order. A fact goes where its unit was found, then where more of its words
    are asked for, then to the section that comes first; one that nobody may use goes nowhere."""
    found: dict[str, list[AllowedFact]] = {taker.node_id: [] for taker in takers}
    words = {taker.node_id: _words(taker.about) for taker in takers}
    for fact in facts:
        said = _words(f"{fact.statement} {' '.join(fact.evidence.heading_path)}")
        offers = [
            (fact.evidence.unit_id not in taker.unit_ids, -len(said & words[taker.node_id]), place)
            for place, taker in enumerate(takers)
            if fact.fact_id in taker.fact_ids
        ]
        if offers:
            found[takers[min(offers)[2]].node_id].append(fact)
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
