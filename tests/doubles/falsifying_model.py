"""A model that writes each fact down truly, at times in other words, and beside it something false of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lace_core import contracts
from tests.doubles.falsehoods import KINDS, STITCHED, WRONG_SOURCE, paraphrased, stitched
from tests.doubles.writing_model import WritingModel

_FALSE_TO_A_FACT = 2


@dataclass
class FalsifyingModel(WritingModel):
    """`told` gives every false sentence with its kind, `misplaced` those that only their citation makes false, with it.

    `true` and `paraphrases` are the true ones.
    """

    told: dict[str, str] = field(default_factory=dict)
    misplaced: set[tuple[str, str]] = field(default_factory=set)
    true: set[str] = field(default_factory=set)
    paraphrases: set[str] = field(default_factory=set)
    _made: Counter[str] = field(default_factory=Counter)

    def outline(self, asked: contracts.OutlineInput) -> contracts.Outline:
        """A section for each source, about what its own headings say."""
        return contracts.Outline(
            sections=tuple(
                contracts.PlannedSection(title=source.title, brief=f"On {source.title}", queries=_queries(source))
                for source in asked.sources[: asked.max_sections]
            )
        )

    def sentences(self, facts: Sequence[contracts.Fact]) -> Iterator[contracts.WrittenSentence]:
        """Every fact as it stands or in other words, then what is false of it, with the fact as its evidence."""
        own = [fact for fact in facts if fact.kind == "sentence"]
        known = {fact.text for fact in own}
        for fact, other in zip(own, (*own[1:], *own[:1]), strict=True):
            yield contracts.WrittenSentence(text=self._truly(fact.text), fact_ids=(fact.fact_id,))
            for kind, text in self._falsely(fact, other, known):
                if kind == WRONG_SOURCE:
                    self.misplaced.add((text, fact.text))
                else:
                    self.told[text] = kind
                ids = (fact.fact_id, other.fact_id) if kind == STITCHED else (fact.fact_id,)
                yield contracts.WrittenSentence(text=text, fact_ids=ids)

    def _truly(self, text: str) -> str:
        other = paraphrased(text)
        if other is None:
            self.true.add(text)
            return text
        self.paraphrases.add(other)
        return other

    def _falsely(self, fact: contracts.Fact, other: contracts.Fact, known: set[str]) -> Iterator[tuple[str, str]]:
        """The kinds of which there are fewest yet, that the fact can be turned by."""
        made = {kind: rule(fact.text) for kind, rule in KINDS.items()}
        if other.text != fact.text and other.source != fact.source:
            made[STITCHED] = stitched(fact.text, other.text)
            made[WRONG_SOURCE] = other.text
        usable = {kind: text for kind, text in made.items() if text and (kind == WRONG_SOURCE or text not in known)}
        for kind in sorted(usable, key=lambda own: (self._made[own], own))[:_FALSE_TO_A_FACT]:
            self._made[kind] += 1
            yield kind, usable[kind] or ""


def _queries(source: contracts.SourceOutline) -> tuple[str, ...]:
    headings = [section.heading_path[-1] for section in source.sections if section.heading_path]
    return (source.title, *headings[:4])
