"""Which evidence stays where not all of it fits into a prompt: the best ranked, the same whenever it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lace_core.context import Candidate, Topic, select
from lace_core.planning import Grounds

_SECTION = "section"


@dataclass(frozen=True)
class LeftOut:
    """A unit whose facts did not fit; `score` is its rank (0 to 1000), `tokens` what they would have taken."""

    unit_id: str
    source_id: str
    facts: int
    tokens: int
    score: int


@dataclass(frozen=True)
class Cut:
    """What stays, in the order in which it came, and what is left out, the best ranked first. Tokens are of facts."""

    kept: tuple[Grounds, ...]
    left_out: tuple[LeftOut, ...]
    needed_tokens: int
    kept_tokens: int


def cut(grounds: Sequence[Grounds], tokens: Mapping[str, int], room: int, *, fixed: int = 0) -> Cut:
    """The facts that take at most `room` tokens: whole units stay, the best ranked that fit.

    `tokens` gives those of each fact by its id; the first `fixed` facts stay in any case. Of equals the earlier stays.
    The selection is that of a context with one topic, see lace_core.context.
    """
    needed = sum(tokens[ground.fact.fact_id] for ground in grounds)
    held = sum(tokens[ground.fact.fact_id] for ground in grounds[:fixed])
    units: dict[str, list[Grounds]] = {}
    for ground in grounds[fixed:]:
        units.setdefault(ground.fact.unit, []).append(ground)
    candidates = [
        Candidate(
            unit,
            sum(tokens[ground.fact.fact_id] for ground in own),
            # A fact that was not searched for has no rank: it is the last of those that stay.
            {_SECTION: 1 + max(ground.fact.score for ground in own)},
        )
        for unit, own in units.items()
    ]
    chosen = select([Topic(_SECTION)], candidates, room - held)
    left = {unit.unit_id for unit in chosen.left_out}
    kept = tuple(g for place, g in enumerate(grounds) if place < fixed or g.fact.unit not in left)
    told = sorted(chosen.left_out, key=lambda unit: -unit.relevance)
    out = tuple(
        LeftOut(unit.unit_id, own[0].pieces[0].source_id, len(own), unit.tokens, unit.relevance - 1)
        for unit in told
        for own in (units[unit.unit_id],)
    )
    return Cut(kept, out, needed, held + chosen.tokens)
