"""Which evidence stays where not all of it fits into a prompt: the best ranked, the same whenever it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lace_core.planning import Grounds


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
    """The facts that take at most `room` tokens: whole units are left out, the lowest ranked first.

    `tokens` gives those of each fact by its id; the first `fixed` facts stay in any case. A unit that is larger than
    all the room goes first, whatever its rank, for no other could stay beside it. Of equals the later goes first.
    """
    needed = sum(tokens[ground.fact.fact_id] for ground in grounds)
    taken = needed
    units: dict[str, list[Grounds]] = {}
    for ground in grounds[fixed:]:
        units.setdefault(ground.fact.unit, []).append(ground)
    sizes = {unit: sum(tokens[ground.fact.fact_id] for ground in own) for unit, own in units.items()}
    ranks = {unit: max(ground.fact.score for ground in own) for unit, own in units.items()}
    free = room - sum(tokens[ground.fact.fact_id] for ground in grounds[:fixed])
    places = {unit: place for place, unit in enumerate(units)}
    order = sorted(units, key=lambda unit: (sizes[unit] <= free, ranks[unit], -places[unit]))
    gone: list[str] = []
    for unit in order:
        if taken <= room:
            break
        gone.append(unit)
        taken -= sizes[unit]
    left = set(gone)
    kept = tuple(g for place, g in enumerate(grounds) if place < fixed or g.fact.unit not in left)
    told = sorted(gone, key=lambda unit: (-ranks[unit], places[unit]))
    out = tuple(LeftOut(u, units[u][0].pieces[0].source_id, len(units[u]), sizes[u], ranks[u]) for u in told)
    return Cut(kept, out, needed, taken)
