"""Decides whether a section is written as one text or split by sub-topic, and who gets which facts."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.contracts import Fact, PlannedChild, Strategy, StrategyInput
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.grouping import Groups
from lace_llm_gateway.adapters.extractive.material import heading_fit, in_reading_order
from lace_llm_gateway.adapters.extractive.standing import Standing, screen
from lace_llm_gateway.adapters.extractive.titles import best_title
from lace_llm_gateway.adapters.extractive.vectors import TermSpace, Vector, centroid, cosine
from lace_llm_gateway.adapters.extractive.words import stems

_FEWEST_SENTENCES = 6
_WORDS_A_CHILD = 140
_ALIKE = 0.3
_HEADING_WEIGHT = 3.0
_HEADING_FIT = 0.5
_TITLE_SHARE = 0.5
_MOST_FACTS = 600


def decide(asked: StrategyInput) -> Strategy:
    """Write, or split into children of six sentences or more each with a subject of its own."""
    room = min(asked.max_children, asked.target_words // _WORDS_A_CHILD)
    if room < 2:
        return _write("The section is short enough to be written as one text.")
    if len(asked.facts) > _MOST_FACTS:
        return _write("There are too many facts to tell sub-topics apart.")
    own, others = _at_home(asked)
    topics = _topics(own)
    if len(topics) < 2:
        return _write("The facts stand under one heading.")
    children = _children(topics, others, asked, room)
    if len(children) < 2:
        return _write("The facts do not fall into sub-topics of enough substance.")
    return Strategy(
        decision="split", reason=f"The facts fall into {len(children)} sub-topics.", children=tuple(children)
    )


def _at_home(asked: StrategyInput) -> tuple[list[Fact], list[Fact]]:
    """The facts that fit the section by the headings above them, and the others; where few fit, all do."""
    own: list[Fact] = []
    others: list[Fact] = []
    for fact in asked.facts:
        fits = heading_fit(fact.heading_path, asked.section) >= _HEADING_FIT
        (own if fits else others).append(fact)
    return (own, others) if len(own) * 2 >= len(asked.facts) else (list(asked.facts), [])


def _write(reason: str) -> Strategy:
    return Strategy(decision="write", reason=reason, children=())


def _topics(facts: Sequence[Fact]) -> list[tuple[str, list[Fact]]]:
    """The facts by the outermost heading that tells them apart, in reading order."""
    ordered = in_reading_order(facts)
    paths = {fact.fact_id: _telling_path(fact) for fact in ordered}
    depth = 0
    while len({path[depth : depth + 1] for path in paths.values()}) < 2 and any(len(p) > depth for p in paths.values()):
        depth += 1
    found: dict[str, list[Fact]] = {}
    for fact in ordered:
        path = paths[fact.fact_id]
        found.setdefault(path[depth] if len(path) > depth else "", []).append(fact)
    return list(found.items())


def _telling_path(fact: Fact) -> tuple[str, ...]:
    return tuple(headings.clean(h) for h in fact.heading_path if not headings.is_dated(h) and not headings.is_noise(h))


def _children(
    topics: Sequence[tuple[str, list[Fact]]], others: Sequence[Fact], asked: StrategyInput, room: int
) -> list[PlannedChild]:
    terms = [_terms(heading, facts) for heading, facts in topics]
    space = TermSpace(terms)
    vectors = [space.vector(weights) for weights in terms]
    usable = [_usable(facts) for _, facts in topics]
    groups = Groups(vectors, [float(count) + 0.5 for count in usable])
    groups.join_until(at_most=room, likeness=_ALIKE, allowed=lambda one, other: True)
    large = [g for g in groups.members() if sum(usable[at] for at in g) >= _FEWEST_SENTENCES]
    if len(large) < 2:
        return []
    small = [fact for g in groups.members() if g not in large for at in g for fact in topics[at][1]]
    centres = [centroid([vectors[at] for at in g]) for g in large]
    guests = _guests([*small, *others], centres, space)
    names = headings.known_names([fact.text for fact in asked.facts])
    children = [
        _child([topics[at] for at in g], centre, found, names)
        for g, centre, found in zip(large, centres, guests, strict=True)
    ]
    titles = {child.title.casefold() for child in children} | {asked.section.title.casefold()}
    telling = all(child.title and not headings.is_generic(child.title) for child in children)
    held = all(
        _share_of_title(child.title, asked.section.title, [(topics[at][0], usable[at]) for at in g]) >= _TITLE_SHARE
        for child, g in zip(children, large, strict=True)
    )
    return children if telling and held and len(titles) == len(children) + 1 else []


def _share_of_title(title: str, above: str, topics: Sequence[tuple[str, int]]) -> float:
    """How much of a child stands under a heading that shares telling words with its title: the rest only lodges."""
    wanted = headings.topic_stems(title) - headings.topic_stems(above) or headings.topic_stems(title)
    total = sum(count for _, count in topics) or 1
    return sum(count for heading, count in topics if headings.topic_stems(heading) & wanted) / total


def _guests(facts: Sequence[Fact], centres: Sequence[Vector], space: TermSpace) -> list[list[Fact]]:
    """The facts of no child's own, each to the child that it is most like."""
    found: list[list[Fact]] = [[] for _ in centres]
    for fact in facts:
        own = space.vector(stems(fact.text[:600]))
        found[max(range(len(centres)), key=lambda at: (cosine(own, centres[at]), -at))].append(fact)
    return found


def _child(
    topics: Sequence[tuple[str, list[Fact]]], centre: Vector, guests: Sequence[Fact], names: headings.Names
) -> PlannedChild:
    title = best_title([(heading, float(len(facts))) for heading, facts in topics if heading], centre, names)
    covered = "; ".join(dict.fromkeys(heading for heading, _ in topics if heading))
    ids = tuple(fact.fact_id for facts in (*(facts for _, facts in topics), guests) for fact in facts)
    return PlannedChild(title=title, brief=f"{title}: {covered}.", fact_ids=ids)


def _terms(heading: str, facts: Sequence[Fact]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for fact in facts[:40]:
        for term in stems(fact.text[:600]):
            weights[term] = weights.get(term, 0.0) + 0.5
    for term in sorted(headings.topic_stems(heading)):
        weights[term] = weights.get(term, 0.0) + _HEADING_WEIGHT
    return weights


def _usable(facts: Sequence[Fact]) -> int:
    return sum(
        fact.kind == "sentence" and screen(fact.text).standing in (Standing.ALONE, Standing.AFTER) for fact in facts
    )
