"""Chooses the tables, lists, code and quotations that a section takes over whole, and their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.contracts import Fact, Section, TableFact
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.material import Candidate, Material, heading_fit
from lace_llm_gateway.adapters.extractive.words import figures, overlap, stems, word_count

_WORDS_A_TABLE = 130
_MOST_ROWS, _MOST_COLUMNS, _MOST_CELL_WORDS = 16, 9, 26
_FEWEST_ROWS = 2
_MOST_ITEMS, _MOST_ITEM_WORDS = 12, 60
_MOST_LINES, _MOST_LINE = 28, 100
_MOST_LOOKED_AT = 40
_WORTH_CARRYING = 0.42
_TITLE, _BRIEF, _HEADING, _FOUND = 0.35, 0.15, 0.35, 0.25


@dataclass(frozen=True)
class Attachment:
    """Something carried whole, what announces it (None for a table), and its caption."""

    fact: Fact
    introduction: Candidate | None
    caption: str


def choose_wholes(
    material: Material, section: Section, words: int, names: headings.Names, *, scarce: bool = False
) -> list[Attachment]:
    """What is worth carrying, best first, bounded by the section's length.

    Where prose is `scarce`, lists that nothing announces are taken too: the section's title must do.
    """
    places = max(1, round(words / _WORDS_A_TABLE))
    ranked = sorted(
        ((fit(fact, section), -at, fact) for at, fact in enumerate(material.wholes)), key=lambda e: (-e[0], -e[1])
    )[:_MOST_LOOKED_AT]
    chosen: list[Attachment] = []
    for merit, _, fact in ranked:
        if merit < _WORTH_CARRYING:
            break
        attachment = _attachment(fact, material, section, names, scarce)
        if attachment is None:
            continue
        twin = next((at for at, other in enumerate(chosen) if _same(fact, other.fact)), None)
        if twin is not None:
            # The same table with more in it, such as a plan with its results, says all that the other says.
            if len(figures(fact.text)) > 1.2 * len(figures(chosen[twin].fact.text)):
                chosen[twin] = attachment
        elif len(chosen) < places:
            chosen.append(attachment)
    return chosen


def fit(fact: Fact, section: Section) -> float:
    """How well a whole answers the section, 0 to about 1."""
    text = f"{fact.table.caption} {' '.join(fact.table.header)}" if fact.table else fact.text[:400]
    own = frozenset(stems(text)) | frozenset(term for h in fact.heading_path for term in headings.topic_stems(h))
    title = headings.topic_stems(section.title)
    return (
        _TITLE * overlap(title, own)
        + _BRIEF * overlap(stems(section.brief), own)
        + _HEADING * heading_fit(fact.heading_path, section)
        + _FOUND * fact.score / 1000
    )


def _attachment(
    fact: Fact, material: Material, section: Section, names: headings.Names, scarce: bool
) -> Attachment | None:
    if fact.kind == "table" and fact.table is not None and is_good_table(fact.table):
        return Attachment(fact, None, _caption(fact, fact.table, section, names))
    introduction = _introduction(fact, material.introductions)
    if introduction is None and not (scarce and fact.kind == "list" and _is_headed(fact, section)):
        return None
    if (fact.kind == "list" and _is_good_list(fact)) or (fact.kind == "code" and _is_good_code(fact)):
        return Attachment(fact, introduction, "")
    return None


def _is_headed(fact: Fact, section: Section) -> bool:
    """Whether the section's title is the heading under which the whole stands, and so announces it."""
    return bool(fact.heading_path) and headings.same_words(fact.heading_path[-1], section.title)


def is_good_table(table: TableFact) -> bool:
    """Whether a reader can take the table in: named columns, some rows, short cells."""
    if not any(table.header) or not _FEWEST_ROWS <= len(table.rows) <= _MOST_ROWS:
        return False
    if not 2 <= len(table.header) <= _MOST_COLUMNS or not all(head.strip() for head in table.header[1:]):
        return False
    if [head.casefold() for head in table.header] == ["field", "value"]:
        return False
    cells = [cell for row in table.rows for cell in row]
    filled = sum(bool(cell.strip()) for cell in cells)
    return filled * 10 >= len(cells) * 7 and max(word_count(cell) for cell in cells) <= _MOST_CELL_WORDS


def _is_good_list(fact: Fact) -> bool:
    return 2 <= len(fact.items) <= _MOST_ITEMS and all(1 <= word_count(i) <= _MOST_ITEM_WORDS for i in fact.items)


def _is_good_code(fact: Fact) -> bool:
    lines = fact.text.splitlines()
    return 0 < len(lines) <= _MOST_LINES and max(map(len, lines)) <= _MOST_LINE


def _introduction(fact: Fact, introductions: Sequence[Candidate]) -> Candidate | None:
    """The line that ends with a colon under the same headings and shares the unit order: the last before the whole."""
    same = [c for c in introductions if (c.fact.source, c.fact.heading_path) == (fact.source, fact.heading_path)]
    return same[-1] if len(same) == 1 else None


def _caption(fact: Fact, table: TableFact, section: Section, names: headings.Names) -> str:
    own = headings.caption(table.caption)
    if own:
        return headings.sentence_case(own, names)
    for heading in reversed(fact.heading_path):
        wording = headings.clean(heading)
        if wording and not headings.is_dated(wording):
            named = headings.sentence_case(headings.shorten(wording), names)
            if " " in named or headings.same_words(named, section.title):
                return named
            return f"{section.title}: {named[:1].lower()}{named[1:]}"
    return headings.sentence_case(section.title, names)


def _same(one: Fact, other: Fact) -> bool:
    """Whether two wholes show the same: nearly the same figures, or the same words."""
    mine, theirs = figures(one.text), figures(other.text)
    if len(mine) >= 4 and len(mine & theirs) >= 0.7 * min(len(mine), len(theirs)):
        return True
    return overlap(stems(one.text), set(stems(other.text))) > 0.85
