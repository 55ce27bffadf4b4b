"""The themes of the sources: what stands under one heading of one source, noise left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lace_core.contracts import SourceOutline, SourceSection
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.vectors import TermSpace
from lace_llm_gateway.adapters.extractive.words import stems

_HEADING_WEIGHT, _BELOW_WEIGHT, _LEAD_WEIGHT = 3.0, 0.6, 0.3
_PART_WEIGHT, _SOURCE_PART_WEIGHT, _SECOND_PART_WEIGHT, _SOURCE_WEIGHT = 3.0, 2.7, 1.8, 0.7
_PREAMBLE_SHARE = 0.25
_SMALLEST = 12
_MOST = 250


@dataclass(frozen=True)
class Theme:
    """What one source says under one heading.

    `place` is where it begins in its source (0 to 1), `parts` are its sections, outermost heading left out.
    """

    source: int
    title: str
    heading: str
    words: int
    tables: int
    place: float
    parts: tuple[tuple[str, str], ...]
    """(heading below, lead) in reading order; the first may have no heading below."""

    @property
    def leads(self) -> tuple[str, ...]:
        """The first sentences of its parts."""
        return tuple(lead for _, lead in self.parts if lead)

    @property
    def below(self) -> tuple[str, ...]:
        """The headings below, each once."""
        return tuple(dict.fromkeys(heading for heading, _ in self.parts if heading and not headings.is_dated(heading)))


@dataclass(frozen=True)
class _Placed:
    section: SourceSection
    path: tuple[str, ...]
    place: float


def themes_of(number: int, source: SourceOutline) -> list[Theme]:
    """The themes of one source in reading order; a source without headings is one theme of its title."""
    size = max(1, len(source.sections))
    placed = [
        _Placed(section, tuple(headings.clean(heading) for heading in section.heading_path), at / size)
        for at, section in enumerate(source.sections)
        if not any(headings.is_noise(heading) for heading in section.heading_path)
    ]
    placed = _without_common_root(placed, source.title)
    title = headings.subject(source.title or source.filename.rsplit(".", 1)[0].replace("_", " "))
    found = [theme for group in _groups(placed) for theme in _themes(number, title, group) if _has_content(theme)]
    return _without_preamble(found)


def _without_preamble(themes: list[Theme]) -> list[Theme]:
    """What stands before the first heading is mostly a title page; it stays where it is a good part of the whole."""
    words = sum(theme.words for theme in themes)
    kept = [t for t in themes if t.heading != t.title or t.words >= _PREAMBLE_SHARE * words]
    return kept or themes


def split(theme: Theme, sections: Sequence[SourceSection] = ()) -> list[Theme]:
    """The theme as one theme for each heading below it; itself where there are none."""
    below = theme.below
    if len(below) < 2:
        return [theme]
    share = max(1, len(theme.parts))
    made: list[Theme] = []
    for at, heading in enumerate(below):
        parts = tuple(("", lead) for name, lead in theme.parts if name == heading)
        words = theme.words * len(parts) // share
        made.append(replace(theme, heading=heading, words=words, place=theme.place + at / 1000, parts=parts))
    return made


def theme_terms(theme: Theme) -> dict[str, float]:
    """Weighted terms of a theme: its heading first, what stands below it, and its leads least."""
    weights: dict[str, float] = {}

    def add(terms: Iterable[str], weight: float) -> None:
        for term in terms:
            weights[term] = max(weights.get(term, 0.0), weight)

    # Sorted, as sums of floats depend on their order and the order of a set differs from process to process.
    for lead in theme.leads[:6]:
        add(stems(lead), _LEAD_WEIGHT)
    for heading in theme.below[:12]:
        add(sorted(headings.topic_stems(heading)), _BELOW_WEIGHT)
    add(sorted(headings.topic_stems(theme.title)), _SOURCE_WEIGHT)
    add(sorted(headings.topic_stems(theme.heading)), _HEADING_WEIGHT)
    own, of_source = headings.part_of(theme.heading), headings.part_of(theme.title)
    if of_source:
        weights[f"part:{of_source}"] = _SOURCE_PART_WEIGHT if not own else _SECOND_PART_WEIGHT
    if own:
        weights[f"part:{own}"] = _PART_WEIGHT
    return weights


def theme_vectors(themes: Sequence[Theme]) -> list[dict[str, float]]:
    """The vectors of themes in the space of all of them."""
    terms = [theme_terms(theme) for theme in themes]
    space = TermSpace(terms)
    return [space.vector(weighted) for weighted in terms]


def strongest(themes: Sequence[Theme], relevance: Mapping[int, float]) -> list[Theme]:
    """The themes in their order, bounded: the ones with most words and relevance where there are very many."""
    if len(themes) <= _MOST:
        return list(themes)
    ranked = sorted(range(len(themes)), key=lambda at: (-themes[at].words * (1 + relevance.get(at, 0.0)), at))
    return [themes[at] for at in sorted(ranked[:_MOST])]


def _without_common_root(placed: Sequence[_Placed], title: str) -> list[_Placed]:
    """The same with headings left out that stand above all, such as the document's title."""
    current = list(placed)
    while current:
        roots = {item.path[0] for item in current if item.path}
        headed = [item for item in current if item.path]
        deeper = sum(len(item.path) > 1 for item in headed)
        is_title = len(roots) == 1 and (headings.same_words(next(iter(roots)), title) or deeper >= 2)
        if not is_title or not deeper:
            return current
        current = [replace(item, path=item.path[1:]) for item in current]
    return current


def _groups(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    groups: dict[str, list[_Placed]] = {}
    for item in placed:
        groups.setdefault(item.path[0] if item.path else "", []).append(item)
    return list(groups.values())


def _themes(number: int, title: str, group: Sequence[_Placed]) -> list[Theme]:
    heading = group[0].path[0] if group[0].path else ""
    if heading and headings.is_dated(heading) and any(len(item.path) > 1 for item in group):
        inner = [replace(item, path=item.path[1:]) for item in group if len(item.path) > 1]
        return [theme for part in _groups(inner) for theme in _themes(number, title, part)]
    return [
        Theme(
            source=number,
            title=title,
            heading=heading or title,
            words=sum(item.section.words for item in group),
            tables=sum(item.section.tables for item in group),
            place=group[0].place,
            parts=tuple((item.path[1] if len(item.path) > 1 else "", item.section.lead) for item in group),
        )
    ]


def _has_content(theme: Theme) -> bool:
    return theme.words >= _SMALLEST or theme.tables > 0
