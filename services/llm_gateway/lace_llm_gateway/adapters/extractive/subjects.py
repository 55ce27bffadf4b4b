"""Whether the sources speak of one subject or of several, and which sources belong together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from lace_core.contracts import SourceOutline
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.grouping import Groups
from lace_llm_gateway.adapters.extractive.themes import themes_of
from lace_llm_gateway.adapters.extractive.vectors import TermSpace, cosine, unit
from lace_llm_gateway.adapters.extractive.words import stems

_ONE_SUBJECT = 0.12
_TITLE_WEIGHT = 6.0
_SAME_MOULD = 0.35
_FEWEST_OF_A_MOULD = 3


def share_a_subject(sources: Sequence[SourceOutline]) -> bool:
    """Whether the sources are about one thing: they use the same words, and not only the headings of one mould.

    Documents of one kind (proposals, minutes, case reports) have the same headings because of their kind; a section
    that joined all their "Rationale" would tell of everything at once.
    """
    return len(sources) < 2 or (unity(sources) >= _ONE_SUBJECT and mould_share(sources) < _SAME_MOULD)


def mould_share(sources: Sequence[SourceOutline]) -> float:
    """The share of all words that stand under headings which a third of the sources have, 0 to 1."""
    themes = [theme for number, source in enumerate(sources) for theme in themes_of(number, source)]
    holders: dict[frozenset[str], set[int]] = {}
    for theme in themes:
        holders.setdefault(headings.topic_stems(theme.heading), set()).add(theme.source)
    needed = max(_FEWEST_OF_A_MOULD, len(sources) / 3)
    shared = sum(t.words for t in themes if len(holders[headings.topic_stems(t.heading)]) >= needed)
    return shared / (sum(theme.words for theme in themes) or 1)


def unity(sources: Sequence[SourceOutline]) -> float:
    """Mean likeness of the sources' outlines, common words weighing as much as rare ones, 0 to 1."""
    vectors = [unit({term: math.sqrt(count) for term, count in _terms(source).items()}) for source in sources]
    pairs = [cosine(one, other) for at, one in enumerate(vectors) for other in vectors[at + 1 :]]
    return sum(pairs) / len(pairs) if pairs else 1.0


def groups_of(sources: Sequence[SourceOutline], at_most: int) -> list[list[int]]:
    """The sources' numbers in at most that many groups: the same subject together, then the nearest ones."""
    terms = [_terms(source) for source in sources]
    space = TermSpace(terms)
    words = [float(sum(section.words for section in source.sections) or 1) for source in sources]
    groups = Groups([space.vector(counts) for counts in terms], words)
    groups.join_until(at_most=at_most, likeness=0.3, allowed=lambda one, other: True)
    return groups.members()


def _terms(source: SourceOutline) -> Counter[str]:
    counts: Counter[str] = Counter()
    for section in source.sections:
        counts.update(stems(section.lead))
        for heading in section.heading_path:
            counts.update(word for word in sorted(headings.topic_stems(heading)) if not headings.is_generic(heading))
    for word in stems(headings.subject(source.title)):
        counts[word] += int(_TITLE_WEIGHT)
    return counts
