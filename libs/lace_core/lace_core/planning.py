"""From retrieved units to the facts that each section may use: deterministic, each fact in one section only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core.canonical import sha256_hex
from lace_core.contracts import Fact, SourceOutline, SourceSection, TableFact
from lace_core.ids import derive
from lace_core.ir import Evidence


class UnitTable(Struct, frozen=True):
    """A table as its unit has it; row i stands at span i."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Unit(Struct, frozen=True, kw_only=True):
    """A source unit as retrieval returns it; `spans` are sentences, items or rows (code points, half open)."""

    unit_id: str
    source_id: str
    source_version: str
    extraction: str
    filename: str
    kind: str
    text: str
    order: int
    heading_path: tuple[str, ...] = ()
    page: int = 0
    spans: tuple[tuple[int, int], ...] = ()
    table: UnitTable | None = None
    language: str = ""


class Hit(Struct, frozen=True):
    """A unit found for a section; `score` in millionths, comparable within one query."""

    unit_id: str
    score: int
    method: str


class Grounds(Struct, frozen=True, kw_only=True):
    """A fact as the engine keeps it: what the model sees, and the spans that become evidence when it is cited.

    `pieces` holds one evidence for a sentence, and one for each item or row of a list or table.
    """

    fact: Fact
    pieces: tuple[Evidence, ...]
    language: str = ""


_WHOLE = {"list", "table", "code", "quote"}


def assign(
    hits: Mapping[str, Sequence[Sequence[Hit]]], units: Mapping[str, Unit], limit: int
) -> dict[str, list[tuple[Unit, int, str]]]:
    """For each section the units it gets, as (unit, score 0 to 1000, method), in reading order.

    `hits` gives for each section its queries' hits. A unit goes to the section in which it ranks best; ties go to
    the section that comes first. A section gets units until they hold `limit` facts.
    """
    best: dict[str, tuple[int, int, str, str]] = {}
    for place, (section, queries) in enumerate(hits.items()):
        for unit_id, (score, method) in relevance(queries).items():
            offer = (-score, place, section, method)
            if unit_id not in best or offer < best[unit_id]:
                best[unit_id] = offer
    chosen: dict[str, list[tuple[Unit, int, str]]] = {section: [] for section in hits}
    counts = dict.fromkeys(hits, 0)
    for unit_id, (score, _, section, method) in sorted(best.items(), key=lambda item: (item[1], item[0])):
        if unit_id not in units:
            continue  # it was found, but is gone since
        unit = units[unit_id]
        size = 1 if unit.kind in _WHOLE else max(1, len(unit.spans))
        if counts[section] < limit:
            counts[section] += size
            chosen[section].append((unit, -score, method))
    for found in chosen.values():
        found.sort(key=lambda choice: (choice[0].filename, choice[0].source_id, choice[0].order))
    return chosen


def relevance(queries: Sequence[Sequence[Hit]]) -> dict[str, tuple[int, str]]:
    """Each unit's relevance (0 to 1000) over the queries of one section or topic, and how it was found: the mean of its
    shares of each query's best score."""
    total: dict[str, int] = {}
    method: dict[str, str] = {}
    for found in queries:
        top = max((hit.score for hit in found), default=0) or 1
        for hit in found:
            total[hit.unit_id] = total.get(hit.unit_id, 0) + max(1, hit.score * 1000 // top)
            method.setdefault(hit.unit_id, hit.method)
    return {unit_id: (score // max(1, len(queries)), method[unit_id]) for unit_id, score in total.items()}


def grounds_of(chosen: Sequence[tuple[Unit, int, str]], first: int) -> list[Grounds]:
    """The facts of the chosen units in order, named F<first>, F<first+1>, …; broken spans are left out."""
    facts: list[Grounds] = []
    for unit, score, method in chosen:
        for made in _unit_facts(unit, score, method):
            fact = msgspec.structs.replace(made.fact, fact_id=f"F{first + len(facts)}")
            facts.append(msgspec.structs.replace(made, fact=fact))
    return facts


def _unit_facts(unit: Unit, score: int, method: str) -> list[Grounds]:
    whole = (0, len(unit.text))
    spans = unit.spans or (whole,)
    sound = [(position, span) for position, span in enumerate(spans) if _is_sound(unit, span)]
    if unit.kind not in _WHOLE:
        return [
            Grounds(
                fact=_fact(unit, "sentence", unit.text[start:end], position, score),
                pieces=(_evidence(unit, (start, end), score, method),),
            )
            for position, (start, end) in sound
        ]
    if not unit.text.strip():
        return []
    if unit.kind not in ("list", "table") or len(sound) < len(spans):
        spans = (whole,)  # one piece in place of pieces that would stand for another's item or row
    pieces = tuple(_evidence(unit, span, score, method) for span in spans)
    return [Grounds(fact=_fact(unit, unit.kind, unit.text, 0, score), pieces=pieces, language=unit.language)]


def _is_sound(unit: Unit, span: tuple[int, int]) -> bool:
    start, end = span
    return 0 <= start < end <= len(unit.text) and bool(unit.text[start:end].strip())


def _fact(unit: Unit, kind: str, text: str, position: int, score: int) -> Fact:
    is_itemised = kind == "list" and all(_is_sound(unit, span) for span in unit.spans)
    items = tuple(unit.text[start:end] for start, end in unit.spans) if is_itemised else ()
    table = (
        TableFact(caption=unit.table.caption, header=unit.table.header, rows=unit.table.rows) if unit.table else None
    )
    return Fact(
        fact_id="",
        kind=kind,  # type: ignore[arg-type]
        text=text,
        source=unit.filename,
        heading_path=unit.heading_path,
        page=unit.page,
        unit=unit.unit_id,
        position=position,
        score=min(1000, score),
        items=items,
        table=table,
    )


def _evidence(unit: Unit, span: tuple[int, int], score: int, method: str) -> Evidence:
    start, end = span
    quote = unit.text[start:end]
    return Evidence(
        evidence_id=derive(
            "evd", unit.source_id, unit.source_version, unit.extraction, unit.unit_id, str(start), str(end)
        ),
        source_id=unit.source_id,
        source_version=unit.source_version,
        unit_id=unit.unit_id,
        extraction=unit.extraction,
        start=start,
        end=end,
        quote=quote,
        quote_hash=sha256_hex(quote.encode()),
        heading_path=unit.heading_path,
        page=unit.page,
        score=f"{score / 1000:.3f}",
        method=method,
    )


_LEADS = (400, 200, 120, 60, 0)
_DEPTHS = (8, 3, 2, 1)


def fit_outlines(outlines: Sequence[SourceOutline], most_bytes: int) -> tuple[SourceOutline, ...]:
    """The outlines in at most that many bytes of JSON, where that can be: first sentences are cut, then deep sections
    are joined to those above them. What the sources speak of at the top is kept in any case."""
    fitted = tuple(outlines)
    for depth in _DEPTHS:
        for lead in _LEADS:
            fitted = tuple(_shortened(outline, depth, lead) for outline in outlines)
            if sum(len(msgspec.json.encode(outline)) for outline in fitted) <= most_bytes:
                return fitted
    return fitted


def _shortened(outline: SourceOutline, depth: int, lead: int) -> SourceOutline:
    joined: dict[tuple[str, ...], SourceSection] = {}
    for section in outline.sections:
        path = section.heading_path[:depth]
        known = joined.get(path)
        joined[path] = SourceSection(
            heading_path=path,
            words=section.words + (known.words if known else 0),
            tables=section.tables + (known.tables if known else 0),
            lead=(known.lead if known and known.lead else section.lead)[:lead],
        )
    return msgspec.structs.replace(outline, sections=tuple(joined.values()))
