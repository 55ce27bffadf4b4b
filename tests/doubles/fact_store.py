"""Facts in memory behind the port of runs: the parts are given, and what is kept is checked as ingest checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.librarian import Piece, Stated, check
from lace_core.paragraphs.facts import StatedFact
from lace_core.planning import Unit
from lace_runs.app.fact_ports import Kept, Part, Plan


class MemoryFactStore:
    """See lace_runs.app.fact_ports.Facts: each unit is a part. `unread` are sources that are not read."""

    def __init__(self, sources: Mapping[str, Source], units: Mapping[str, Unit]) -> None:
        self._sources = sources
        self._units = units
        self.unread: set[str] = set()
        self.facts: dict[str, StatedFact] = {}
        self.kept: dict[tuple[str, int, int, str], tuple[Stated, Mapping[str, Any]]] = {}

    async def plan(self, source_id: str, max_characters: int) -> Plan:
        """A part for each unit, in reading order."""
        if source_id in self.unread:
            raise LaceError(Reason.SOURCE_NOT_READY, f"{source_id} is not read yet.")
        own = self._of(source_id)
        parts = tuple((unit.order, 0, unit.order, len(unit.spans)) for unit in own)
        return Plan(self._sources[source_id], own[0].extraction, "en", parts)

    async def read(self, source_id: str, extraction: str, part: Part) -> Sequence[Piece]:
        """The one unit of the part."""
        return [_piece(unit) for unit in self._of(source_id) if unit.order == part[0]]

    async def keep(self, source_id: str, step_id: str, call: Mapping[str, Any], stated: Sequence[Stated]) -> Kept:
        """Those that hold."""
        refused = []
        before, given = len(self.kept), set()
        for each in stated:
            checked = check(each, self._units[each.unit_id].text)
            if checked.refusal is not None:
                refused.append(checked.refusal)
                continue
            key = (each.unit_id, each.start, each.end, each.statement)
            given.add(key)
            self.kept.setdefault(key, (each, call))
        added = len(self.kept) - before
        return Kept(added, len(given) - added, 0, tuple(refused))

    async def stated(self, fact_ids: Sequence[str]) -> Mapping[str, StatedFact]:
        """Those that were stated by `state` and are not hidden."""
        return {fact_id: self.facts[fact_id] for fact_id in fact_ids if fact_id in self.facts}

    def state(self, fact_id: str, unit_id: str, quote: str, **more: Any) -> StatedFact:
        """A fact whose quote stands in a unit, to be had under that id."""
        unit = self._units[unit_id]
        start = unit.text.index(quote)
        fact = StatedFact(
            fact_id=fact_id,
            statement=more.pop("statement", quote),
            quote=quote,
            start=start,
            end=start + len(quote),
            unit_id=unit_id,
            extraction=unit.extraction,
            text=unit.text,
            source=self._sources[unit.source_id],
            spans=unit.spans,
            heading_path=unit.heading_path,
            **more,
        )
        self.facts[fact_id] = fact
        return fact

    def _of(self, source_id: str) -> list[Unit]:
        own = [unit for unit in self._units.values() if unit.source_id == source_id]
        return sorted(own, key=lambda unit: unit.order)


def _piece(unit: Unit) -> Piece:
    spans = tuple((start, end, unit.text[start:end]) for start, end in unit.spans)
    return Piece(unit_id=unit.unit_id, kind=unit.kind, heading_path=unit.heading_path, spans=spans)
