"""Holding sections to the facts that they may use: where a node names some, nothing else reaches its writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lace_core.paragraphs.facts import AllowedFact, allowed_fact, grounds_of_fact
from lace_core.paragraphs.sharing import Taker, shared
from lace_core.planning import Grounds
from lace_runs.app.documents.work import StepWork, best_facts
from lace_runs.app.paragraphs.usable_facts import out_of_use
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

SOURCE_LEFT_OUT = "FACT_SOURCE_LEFT_OUT"
Found = Sequence[tuple[out.PlannedNode, tuple[Grounds, ...]]]


class Allowing(StepWork):
    """What the steps named context share."""

    async def only_allowed(
        self, scope: StepScope, found: Found, taken: Mapping[str, set[str]] | None = None
    ) -> list[tuple[Grounds, ...]]:
        """For each node what it may use: what was found where it names no facts, else its share of those.

        `taken` is the evidence that a node may not use again; of what was found, spans of allowed facts that it cites
        already stay.
        """
        rules = {node.node_id: (await self._rules_for(node)).allowed_fact_ids for node, _ in found}
        named = list(dict.fromkeys(fact_id for ids in rules.values() for fact_id in ids or ()))
        if all(ids is None for ids in rules.values()):
            return [grounds for _, grounds in found]
        facts = await self._usable(scope, named)
        takers = [
            Taker(
                node_id=node.node_id,
                fact_ids=frozenset(rules[node.node_id] or ()),
                about=f"{node.title} {node.brief} {' '.join(node.queries)}",
                unit_ids=frozenset(piece.unit_id for ground in grounds for piece in ground.pieces),
            )
            for node, grounds in found
            if rules[node.node_id] is not None and (node.depth or len(found) == 1)
        ]
        shares = shared(facts, takers)
        made: dict[str, tuple[Grounds, ...]] = {}
        for node, grounds in found:
            spent = (taken or {}).get(node.node_id, set())
            if node.node_id in shares:
                made[node.node_id] = _governed(grounds, shares[node.node_id], spent)
            elif rules[node.node_id] is None:
                made[node.node_id] = grounds
        for node, _ in found:
            if node.node_id not in made:
                made[node.node_id] = await self.best_allowed(node, made)
        return [made[node.node_id] for node, _ in found]

    async def best_allowed(
        self, root: out.PlannedNode, sections: Mapping[str, tuple[Grounds, ...]]
    ) -> tuple[Grounds, ...]:
        """For what sums up the sections: the best of their facts, as far as it may use them itself."""
        best = best_facts([out.NodeGrounds(node_id=ident, grounds=own) for ident, own in sections.items()])
        allowed = (await self._rules_for(root)).allowed_fact_ids
        return best if allowed is None else tuple(ground for ground in best if ground.fact.fact_id in allowed)

    async def _usable(self, scope: StepScope, fact_ids: Sequence[str]) -> list[AllowedFact]:
        """The facts that can be used; the others are told, each with its reason."""
        stated = await self._writers.facts.stated(fact_ids)
        selected = {source.source_id for source in self.execution.result("sources", out.Selected).sources}
        found = []
        for fact_id in fact_ids:
            why = out_of_use(fact_id, stated.get(fact_id))
            if why is not None:
                await self.execution.warn(scope, why.reason.value, f"{why.message} It was left out.", fact_id)
            elif stated[fact_id].source.source_id not in selected:
                message = f"{fact_id} was left out: its source is not one of the run's."
                await self.execution.warn(scope, SOURCE_LEFT_OUT, message, fact_id)
            else:
                found.append(allowed_fact(stated[fact_id]))
        return found


def _governed(grounds: Sequence[Grounds], share: Sequence[AllowedFact], spent: set[str]) -> tuple[Grounds, ...]:
    """Spans of allowed facts that are cited already, and the other facts of the share."""
    own = [ground for ground in grounds if _is_cited(ground, share, spent)]
    told = {piece.evidence_id for ground in own for piece in ground.pieces}
    fresh = [
        grounds_of_fact(fact, place)
        for place, fact in enumerate(share)
        if fact.evidence.evidence_id not in spent and fact.evidence.evidence_id not in told
    ]
    return (*own, *fresh)


def _is_cited(ground: Grounds, share: Sequence[AllowedFact], spent: set[str]) -> bool:
    """Whether it is a span that the node cites, and all of it stands in the words of an allowed fact."""
    return all(
        piece.evidence_id in spent
        and any(
            piece.unit_id == fact.evidence.unit_id
            and piece.extraction == fact.evidence.extraction
            and fact.evidence.start <= piece.start
            and piece.end <= fact.evidence.end
            for fact in share
        )
        for piece in ground.pieces
    )
