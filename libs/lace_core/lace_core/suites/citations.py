"""Checks of what a document rests on: enough sources, and none of them out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lace_core.ir import Source
from lace_core.suites import checks
from lace_core.suites.facts import Facts, SourceStanding
from lace_core.suites.passages import Passage, Reading, Section
from lace_core.suites.results import Finding, Place


def stale_citations(check: checks.StaleCitations, reading: Reading, facts: Facts) -> Iterator[Finding]:
    """Citations of sources that were replaced or are gone: one finding for each source and passage."""
    standing = facts.standing or {}
    names = {source.source_id: source.filename for source in reading.artifact.sources}
    for passage in reading.passages:
        for source_id in dict.fromkeys(evidence.source_id for evidence in passage.evidence):
            cited = [e.evidence_id for e in passage.evidence if e.source_id == source_id]
            gone = not facts.quotes_gone.isdisjoint(cited)
            stands = standing.get(source_id, SourceStanding())
            told = _staleness(stands, names.get(source_id, source_id), gone)
            if told and (check.when == "newer_version" or gone or stands.is_gone):
                yield Finding(code=told[0], message=told[1], places=(passage.place,))


def _staleness(stands: SourceStanding, name: str, gone: bool) -> tuple[str, str] | None:
    if stands.is_gone:
        return "SOURCE_GONE", f"{name} cannot be read any more; cite what can."
    newest = stands.newest_source_id
    if newest and gone:
        message = f"{name} has a version {stands.newest_version} ({newest}), which does not say this; rewrite it."
        return "QUOTE_GONE", message
    if newest:
        message = f"{name} has a version {stands.newest_version} ({newest}), which still says this; cite that one."
        return "SOURCE_OUTDATED", message
    return ("QUOTE_GONE", f"{name} is read otherwise now, and the quote is not there; cite it anew.") if gone else None


def min_sources(check: checks.MinSources, reading: Reading) -> Iterator[Finding]:
    """The document, or sections that cite anything, resting on too few sources."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    if check.scope == "document":
        found = cited_sources(passage for section in sections for passage in section.passages)
        if len(found) < check.at_least and sections:
            yield _few(check, found, reading, sections[0])
        return
    for section in sections:
        found = cited_sources(section.passages)
        if 0 < len(found) < check.at_least:
            yield _few(check, found, reading, section)


def _few(check: checks.MinSources, found: frozenset[str], reading: Reading, section: Section) -> Finding:
    names = sorted(source.filename for source in reading.artifact.sources if source.source_id in found)
    what = "The section rests" if check.scope == "section" else "It rests"
    told = f" ({', '.join(names[:5])})" if names else ""
    noun = "source" if len(found) == 1 else "sources"
    message = f"{what} on {len(found)} {noun}{told}, at least {check.at_least} are wanted; find further evidence."
    return Finding(code="SOURCES_FEW", message=message, places=(section.place,))


def cited_sources(passages: Iterable[Passage]) -> frozenset[str]:
    """Ids of the sources that passages cite."""
    return frozenset(evidence.source_id for passage in passages for evidence in passage.evidence)


def counted_sources(
    passages: Iterable[Passage], names: tuple[str, ...], labels: tuple[str, ...], reading: Reading, facts: Facts
) -> frozenset[str]:
    """Those of the cited sources that go by one of these names and carry all these labels."""
    known = {source.source_id: source for source in reading.artifact.sources}
    wanted = {name.casefold() for name in names}
    held = cited_sources(passages)
    return frozenset(
        source_id
        for source_id in held
        if (not wanted or not wanted.isdisjoint(_names(source_id, known.get(source_id), facts)))
        and set(labels) <= set(known[source_id].labels if source_id in known else ())
    )


def _names(source_id: str, source: Source | None, facts: Facts) -> Iterator[str]:
    yield source_id.casefold()
    if source is not None:
        yield source.filename.casefold()
    standing = (facts.standing or {}).get(source_id)
    yield from (name.casefold() for name in (standing.series if standing else ()))


def places_of(passages: Iterable[Passage]) -> tuple[Place, ...]:
    """The places of passages."""
    return tuple(passage.place for passage in passages)
