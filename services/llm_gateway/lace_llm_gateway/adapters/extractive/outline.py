"""Plans the sections of a document: the sources' own themes joined by subject, in an order that reads well."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from lace_core.contracts import Outline, OutlineInput, PlannedSection, SourceOutline
from lace_llm_gateway.adapters.extractive import headings, subjects
from lace_llm_gateway.adapters.extractive.focus import Focus
from lace_llm_gateway.adapters.extractive.grouping import Groups
from lace_llm_gateway.adapters.extractive.themes import Theme, split, strongest, theme_terms, theme_vectors, themes_of
from lace_llm_gateway.adapters.extractive.titles import best_title
from lace_llm_gateway.adapters.extractive.vectors import Vector, centroid, cosine
from lace_llm_gateway.adapters.extractive.words import stems, tokens

_WORDS_A_SECTION = 270
_FEWEST = 3
_ALIKE = 0.6
_PART_WEIGHT, _SOURCE_WEIGHT, _PLACE_WEIGHT = 0.55, 0.35, 0.1
_QUERIES = 5
_QUERY_WORDS = 36
_SMALL = 0.025
_MOST_SHARES = 1.8
_TELLING_SHARE, _LEADING_SHARE, _SECOND_SHARE, _FILLING_SHARE = 0.4, 0.45, 0.25, 0.65
_LONGEST_JOINED = 9
_SPARE = 7
_SMALLEST_SOURCE = 0.04
_WORDS_A_TABLE = 20


@dataclass(frozen=True)
class Plan:
    """A section in the making: its themes, its title and where it goes (0 first, 1 last)."""

    title: str
    themes: tuple[Theme, ...]
    order: float


def plan_outline(asked: OutlineInput) -> Outline:
    """The sections for the sources; none only where the sources hold nothing."""
    sources = _with_own_titles_only([s for s in asked.sources if s.sections] or list(asked.sources), asked.title)
    if not sources:
        return Outline(sections=())
    count = _sections_wanted(asked)
    names = headings.known_names([section.lead for source in sources for section in source.sections])
    focus = Focus(asked.title, asked.instructions, sources)
    if len(sources) > 1 and not subjects.share_a_subject(sources):
        plans = _by_source(sources, count, names, focus)
    else:
        plans = _by_theme(sources, count, names, focus)
    plans = plans or [_whole(asked.title, sources)]
    return Outline(sections=tuple(_planned(plan, asked.language) for plan in _with_own_titles(plans)))


def _whole(title: str, sources: Sequence[SourceOutline]) -> Plan:
    """The one section of sources whose outlines tell nothing."""
    named = next((headings.subject(source.title) for source in sources if source.title.strip()), "")
    return Plan(headings.sentence_case(headings.shorten(named or title.strip())) or "Overview", (), 0.0)


def _with_own_titles_only(sources: Sequence[SourceOutline], title: str) -> list[SourceOutline]:
    """The sources without what their titles share: in "Harbour works: site survey" the project's name tells nothing."""
    heads = Counter(head.casefold() for s in sources for head, mark, rest in [s.title.partition(": ")] if mark and rest)
    made: list[SourceOutline] = []
    for source in sources:
        head, _, rest = source.title.partition(": ")
        shared = rest and (heads[head.casefold()] > 1 or headings.topic_stems(head) <= headings.topic_stems(title))
        made.append(msgspec.structs.replace(source, title=rest) if shared else source)
    return made


def _sections_wanted(asked: OutlineInput) -> int:
    wanted = round(asked.target_words / _WORDS_A_SECTION)
    return max(1, min(asked.max_sections, max(_FEWEST, wanted)))


def _by_source(sources: Sequence[SourceOutline], count: int, names: headings.Names, focus: Focus) -> list[Plan]:
    """One section for each subject that the sources do not share, in the sources' order."""
    sizes = [sum(section.words for section in source.sections) for source in sources]
    large = [source for source, size in zip(sources, sizes, strict=True) if size >= _SMALLEST_SOURCE * max(sizes)]
    groups = subjects.groups_of(large, count)
    plans: list[Plan] = []
    for group in [group for group in groups if focus.admits_sources([large[at] for at in group])] or groups:
        themes = [theme for number in group for theme in themes_of(number, large[number])]
        title = _joined_titles([large[number] for number in group], names)
        if themes:
            plans.append(Plan(title, tuple(themes), group[0] / len(large)))
    return plans


def _joined_titles(sources: Sequence[SourceOutline], names: headings.Names) -> str:
    found = [headings.shorten(headings.subject(source.title or source.filename)) for source in sources]
    first = headings.sentence_case(found[0], names)
    if len(found) == 2 and len(tokens(found[0])) + len(tokens(found[1])) <= 11:
        second = headings.sentence_case(found[1], names)
        return f"{first}; {_running(second)}"
    return first


def _by_theme(sources: Sequence[SourceOutline], count: int, names: headings.Names, focus: Focus) -> list[Plan]:
    """Sections by subject across the sources."""
    themes = [theme for number, source in enumerate(sources) for theme in themes_of(number, source)]
    themes = focus.narrow(_without_summaries(themes))
    themes = strongest(_opened(themes, count), {})
    if not themes:
        return []
    vectors = theme_vectors(themes)
    members = _members(themes, vectors, count, len(sources))
    plans = [_plan([themes[at] for at in group], names, len(sources), vectors, group) for group in members]
    return sorted(plans, key=lambda plan: plan.order)


def _without_summaries(themes: list[Theme]) -> list[Theme]:
    """Summaries tell nothing that their documents do not tell elsewhere; they stay where there is little else."""
    rest = [theme for theme in themes if headings.part_of(theme.heading) != "summary"]
    return rest if len(rest) >= 3 else themes


def _opened(themes: list[Theme], count: int) -> list[Theme]:
    """Where there are fewer themes than sections, the largest ones as the themes below them."""
    opened = list(themes)
    while len(opened) < count:
        choices = [theme for theme in opened if len(theme.below) >= 2]
        if not choices:
            break
        largest = max(choices, key=lambda theme: (theme.words, -theme.place))
        at = opened.index(largest)
        opened[at : at + 1] = split(largest)
    return opened


def _members(themes: Sequence[Theme], vectors: Sequence[Vector], count: int, sources: int) -> list[list[int]]:
    """The themes' numbers in groups of a section's worth: as many as are wanted, crumbs not counted."""
    members: list[list[int]] = []
    for wanted in range(count, count + _SPARE):
        groups = Groups(vectors, [_size(theme) for theme in themes])
        for most in (_MOST_SHARES, 2 * _MOST_SHARES, float(wanted)):
            groups.join_until(at_most=wanted, likeness=_ALIKE, allowed=_may_join(themes, sources, most / count))
        found = _without_crumbs(groups.members(), themes, vectors, count)
        if len(members) < len(found) <= count:
            members = found
        if len(found) >= count:
            break
    return members


def _size(theme: Theme) -> float:
    return float(theme.words + _WORDS_A_TABLE * theme.tables)


def _may_join(themes: Sequence[Theme], sources: int, most: float) -> Callable[[list[int], list[int]], bool]:
    """No section may hold more than its share; in a single source only neighbours join, as its author ordered it."""
    sizes = [_size(theme) for theme in themes]
    total = sum(sizes) or 1.0

    def allowed(one: list[int], other: list[int]) -> bool:
        if sum(sizes[at] for at in (*one, *other)) > most * total:
            return False
        low, high = sorted((one, other), key=min)
        return sources > 1 or max(low) + 1 == min(high)

    return allowed


def _without_crumbs(
    groups: list[list[int]], themes: Sequence[Theme], vectors: Sequence[Vector], count: int
) -> list[list[int]]:
    """Groups too small for a heading go where they fit best."""
    total = sum(_size(theme) for theme in themes) or 1.0
    large = [group for group in groups if sum(_size(themes[at]) for at in group) >= _SMALL * total] or groups[:count]
    centres = [centroid([vectors[at] for at in group]) for group in large]
    kept = [list(group) for group in large]
    for group in groups:
        if group in large:
            continue
        own = centroid([vectors[at] for at in group])
        # A full section attracts less: a crumb is better off where it is a good part of the whole.
        room = [1.0 - sum(_size(themes[at]) for at in members) / total for members in kept]
        best = max(range(len(centres)), key=lambda at: (cosine(own, centres[at]) * room[at], -at))
        if cosine(own, centres[best]) > 0.02:
            kept[best] = sorted(kept[best] + group)
    return kept


def _plan(
    themes: Sequence[Theme], names: headings.Names, sources: int, vectors: Sequence[Vector], group: Sequence[int]
) -> Plan:
    title = _title_by_sources(themes, names) if sources > 1 else ""
    if not title:
        wordings = [(theme.heading, _size(theme)) for theme in themes]
        title = best_title(wordings, centroid([vectors[at] for at in group]), names)
    return Plan(title, tuple(themes), _order(themes, sources))


def _title_by_sources(themes: Sequence[Theme], names: headings.Names) -> str:
    """Where no heading stands for much of the section, the subject of the one or two sources that fill it."""
    total = sum(_size(theme) for theme in themes) or 1.0
    by_heading: defaultdict[str, float] = defaultdict(float)
    by_source: defaultdict[str, float] = defaultdict(float)
    for theme in themes:
        by_heading[headings.clean(theme.heading).casefold()] += _size(theme) / total
        by_source[theme.title] += _size(theme) / total
    if max(by_heading.values()) >= _TELLING_SHARE:
        return ""
    (first, share), *others = sorted(by_source.items(), key=lambda item: -item[1])
    second, other_share = others[0] if others else ("", 0.0)
    if other_share >= _SECOND_SHARE and share + other_share >= _FILLING_SHARE:
        return _joined(first, second, names)
    if share < _LEADING_SHARE or len(tokens(first)) > _LONGEST_JOINED:
        return ""
    return headings.sentence_case(headings.without_document(headings.shorten(first)), names)


def _joined(first: str, second: str, names: headings.Names) -> str:
    """Two subjects as one heading: "A, b and c" out of "A and b" and "C"; empty where it would be too long."""
    one, two = (headings.without_document(headings.shorten(text)) for text in (first, second))
    if len(tokens(one)) + len(tokens(two)) > _LONGEST_JOINED or " and " in two:
        one, two = two, one
    if len(tokens(one)) + len(tokens(two)) > _LONGEST_JOINED or " and " in two:
        return ""
    head = headings.sentence_case(one, names).replace(" and ", ", ")
    return f"{head} and {_running(headings.sentence_case(two, names))}"


def _order(themes: Sequence[Theme], sources: int) -> float:
    if sources == 1:
        return min(theme.place for theme in themes)
    weight = sum(theme.words for theme in themes) or 1
    by_source = sum(theme.words * theme.source for theme in themes) / weight / max(1, sources - 1)
    by_place = sum(theme.words * theme.place for theme in themes) / weight
    by_part = _mean_part(themes)
    if by_part is None:
        by_part = 0.25 + 0.5 * by_source
    return _PART_WEIGHT * by_part + _SOURCE_WEIGHT * by_source + _PLACE_WEIGHT * by_place


def _mean_part(themes: Sequence[Theme]) -> float | None:
    """Where the story's parts that the themes announce stand on average, 0 to 1; None where they announce none."""
    announced = [(headings.part_of(t.heading) or headings.part_of(t.title), t.words) for t in themes]
    placed = [(headings.PART_ORDER[part], words) for part, words in announced if part]
    weight = sum(words for _, words in placed)
    return sum(place * words for place, words in placed) / weight / len(headings.PART_ORDER) if weight else None


def _with_own_titles(plans: Sequence[Plan]) -> list[Plan]:
    """No two sections of one title: the later one is called after its next largest theme, else by a number."""
    seen: set[str] = set()
    made: list[Plan] = []
    for plan in plans:
        others = [
            headings.sentence_case(headings.shorten(t.heading)) for t in sorted(plan.themes, key=lambda t: -t.words)
        ]
        name = plan.title.strip() or "Further points"
        numbered = (f"{name} ({number})" for number in range(2, len(plans) + 2))
        title = next(c for c in (name, *others, *numbered) if c.strip() and c.casefold() not in seen)
        seen.add(title.casefold())
        made.append(Plan(title, plan.themes, plan.order))
    return made


def _planned(plan: Plan, language: str) -> PlannedSection:
    return PlannedSection(title=plan.title, brief=_brief(plan, language), queries=_queries(plan))


def _brief(plan: Plan, language: str) -> str:
    """What the section covers, by the headings that it was made from; the writer recognises its facts by them."""
    seen: dict[str, None] = {}
    for theme in sorted(plan.themes, key=lambda t: -t.words):
        for heading in (theme.heading, *theme.below[:3]):
            wording = headings.shorten(headings.clean(heading))
            if not any(headings.same_words(wording, other) for other in (*seen, plan.title)):
                seen[wording] = None
    covered = list(seen)[:10]
    if not covered:
        return f"{plan.title}."
    opening = "Covers" if language.lower().startswith("en") else plan.title
    return f"{opening}: {'; '.join(covered)}."


def _running(title: str) -> str:
    first = title.split(maxsplit=1)[0] if title else ""
    return title[:1].lower() + title[1:] if first[1:].islower() else title


def _queries(plan: Plan) -> tuple[str, ...]:
    """What the section and all its themes are called, then what each of the largest themes says first."""
    largest = sorted(plan.themes, key=lambda t: (-_size(t), t.source, t.place))
    called = dict.fromkeys(
        headings.clean(heading) for theme in largest for heading in (theme.heading, *theme.below[:2])
    )
    queries = [_query(plan.title, *called), _query(plan.title, *_telling_words(plan))]
    for theme in largest:
        queries.append(_query(plan.title, theme.heading, theme.leads[0] if theme.leads else ""))
    for theme in largest:
        queries.extend(_query(plan.title, theme.heading, heading, lead) for heading, lead in theme.parts[1:4])
    return tuple(dict.fromkeys(query for query in queries if query.strip()))[:_QUERIES]


def _query(*pieces: str) -> str:
    """The pieces as one query; what says the same but for case is said once."""
    distinct = {" ".join(piece.casefold().split()): piece for piece in reversed(pieces) if piece.strip()}
    return " ".join(" ".join(reversed(distinct.values())).split()[:_QUERY_WORDS])


def _telling_words(plan: Plan) -> list[str]:
    """The words that most of the section's themes share."""
    counts: Counter[str] = Counter()
    surface: dict[str, str] = {}
    for theme in plan.themes:
        counts.update(term for term in theme_terms(theme) if ":" not in term)
        for text in (theme.heading, *theme.leads[:3]):
            for word in tokens(text):
                for term in stems(word):
                    surface.setdefault(term, word)
    return [surface[term] for term, _ in counts.most_common(10) if term in surface]
