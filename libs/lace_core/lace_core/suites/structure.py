"""Checks of a document's build: which sections there are, in what order, how deep and how long, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lace_core.ir import Table
from lace_core.suites import checks
from lace_core.suites.passages import Reading, Section, is_named
from lace_core.suites.results import Finding, Place


def sections_required(check: checks.SectionsRequired, reading: Reading) -> Iterator[Finding]:
    """Sections that are not there."""
    for title in check.titles:
        if not any(is_named(section, title) for section in reading.sections):
            yield reading.missing(title)


def sections_ordered(check: checks.SectionsOrdered, reading: Reading) -> Iterator[Finding]:
    """Sections that come before one that they should follow."""
    last: tuple[int, str] = (-1, "")
    for title in check.titles:
        at = next((n for n, section in enumerate(reading.sections) if is_named(section, title)), None)
        if at is None:
            continue
        if at < last[0]:
            message = f"{title!r} stands before {last[1]!r}; move it behind."
            yield Finding(code="SECTION_MISPLACED", message=message, places=(reading.sections[at].place,))
        else:
            last = (at, title)


def max_depth(check: checks.MaxDepth, reading: Reading) -> Iterator[Finding]:
    """Sections that are too deep."""
    for section in reading.sections:
        if section.depth > check.at_most:
            message = f"The section is {section.depth} levels deep, {check.at_most} are allowed; move it up."
            yield Finding(code="SECTION_TOO_DEEP", message=message, places=(section.place,))


def word_count(check: checks.WordCount, reading: Reading) -> Iterator[Finding]:
    """What is too short or too long."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    if check.scope == "section":
        for section in sections:
            if section.passages:
                yield from _length(check, section.words, "The section", (section.place,))
    elif sections:
        whole = "The document has" if not check.sections else "These sections have"
        yield from _length(check, sum(s.words for s in sections), whole.rpartition(" ")[0], (sections[0].place,))


def _length(check: checks.WordCount, words: int, what: str, places: tuple[Place, ...]) -> Iterator[Finding]:
    if words < check.at_least:
        message = f"{what}: {words} words, at least {check.at_least} are wanted; write more, or lower the bound."
        yield Finding(code="TOO_SHORT", message=message, places=places)
    if words > check.at_most:
        message = f"{what}: {words} words, at most {check.at_most} are allowed; shorten it by {words - check.at_most}."
        yield Finding(code="TOO_LONG", message=message, places=places)


def no_empty_sections(check: checks.NoEmptySections, reading: Reading) -> Iterator[Finding]:
    """Sections without text in themselves and below."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    full = {ident for s in reading.sections if s.node.blocks for ident in (s.node.node_id, *s.ancestors)}
    for section in sections:
        if section.node.node_id not in full:
            message = "The section holds no text; write it or remove it."
            yield Finding(code="SECTION_EMPTY", message=message, places=(section.place,))


def sections_cited(check: checks.SectionsCited, reading: Reading) -> Iterator[Finding]:
    """Sections with text of their own that cite too little."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    for section in sections:
        cited = {evidence.evidence_id for passage in section.passages for evidence in passage.evidence}
        if section.passages and len(cited) < check.at_least:
            message = f"The section cites {len(cited)} pieces of evidence, at least {check.at_least} are wanted."
            yield Finding(code="SECTION_UNCITED", message=message, places=(section.place,))


def tables_captioned(check: checks.TablesCaptioned, reading: Reading) -> Iterator[Finding]:
    """Tables without a caption."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    yield from _uncaptioned(sections)


def _uncaptioned(sections: Sequence[Section]) -> Iterator[Finding]:
    for section in sections:
        for block in section.node.blocks:
            if isinstance(block, Table) and not block.caption.strip():
                place = Place(
                    node_id=section.node.node_id,
                    block_id=block.block_id,
                    section=section.path,
                    text=" | ".join(block.header),
                )
                yield Finding(code="CAPTION_MISSING", message="The table has no caption; give it one.", places=(place,))
