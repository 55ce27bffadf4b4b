"""Facts in memory behind the port of runs: the parts are given, and what is kept is checked as ingest checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.librarian import Piece, Stated, check
from lace_core.planning import Unit
from lace_runs.app.fact_ports import Kept, Part, Plan


class MemoryFactStore:
    """See lace_runs.app.fact_ports.Facts: each unit is a part. `unread` are sources that are not read."""

    def __init__(self, sources: Mapping[str, Source], units: Mapping[str, Unit]) -> None:
        self._sources = sources
        self._units = units
        self.unread: set[str] = set()
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

    def _of(self, source_id: str) -> list[Unit]:
        own = [unit for unit in self._units.values() if unit.source_id == source_id]
        return sorted(own, key=lambda unit: unit.order)


def _piece(unit: Unit) -> Piece:
    spans = tuple((start, end, unit.text[start:end]) for start, end in unit.spans)
    return Piece(unit_id=unit.unit_id, kind=unit.kind, heading_path=unit.heading_path, spans=spans)
