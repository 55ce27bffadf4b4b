"""What is different between two sources: counted, in their text, and in their units."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lace_ingest.app.diffs.pages import Page, page_of
from lace_ingest.app.diffs.ports import Diffs
from lace_ingest.app.diffs.versions import Pair, units_of
from lace_ingest.domain.diffs.changes import Change
from lace_ingest.domain.diffs.documents import Passage, counts_of
from lace_ingest.domain.diffs.units import UnitChange
from lace_ingest.domain.documents import Unit

Counts = Counter[Change]
_ENTRY_BYTES = 400


@dataclass(frozen=True)
class ShownUnit:
    """What became of a unit, with the unit on both sides."""

    change: UnitChange
    before: Unit | None
    after: Unit | None


async def count_changes(diffs: Diffs, pair: Pair) -> tuple[Counts, Counts]:
    """How many paragraphs and how many units there are of each change. Raises DIFF_LIMIT_EXCEEDED."""
    passages, changes = await asyncio.gather(_documents(diffs, pair, 0), _units(diffs, pair))
    return counts_of(passages), Counter(change.change for change in changes)


async def diff_documents(diffs: Diffs, pair: Pair, context: int, start: int, size: int) -> tuple[Counts, Page[Passage]]:
    """The counts of paragraphs and a page of them. Raises DIFF_LIMIT_EXCEEDED."""
    passages = await _documents(diffs, pair, context)
    return counts_of(passages), page_of(passages, start, size, _length)


async def diff_units(
    diffs: Diffs, pair: Pair, *, unchanged: bool, start: int, size: int
) -> tuple[Counts, Page[ShownUnit]]:
    """The counts of units and a page of them. Raises DIFF_LIMIT_EXCEEDED."""
    changes = await _units(diffs, pair)
    told = [change for change in changes if unchanged or change.change is not Change.UNCHANGED]
    part = told[start : start + size]
    wanted = [ident for change in part for ident in (change.before_id, change.after_id) if ident]
    async with diffs.units_of_work(pair.tenant_id) as work:
        units = {unit.unit_id: unit for _, unit in await work.units.get(pair.tenant_id, wanted)}
    shown = [ShownUnit(change, units.get(change.before_id), units.get(change.after_id)) for change in part]
    page = page_of(shown, 0, size, lambda one: sum(len(unit.text) for unit in (one.before, one.after) if unit))
    end = start + len(page.entries)
    return Counter(change.change for change in changes), Page(page.entries, end if end < len(told) else None)


async def _documents(diffs: Diffs, pair: Pair, context: int) -> Sequence[Passage]:
    key = ("document", context, *pair.key)
    found: Sequence[Passage] | None = diffs.kept.get(key)
    if found is None:
        found = await diffs.differ.documents(*await units_of(diffs, pair), pair.titles, context)
        diffs.kept.put(key, found, sum(_ENTRY_BYTES + 2 * _length(passage) for passage in found))
    return found


async def _units(diffs: Diffs, pair: Pair) -> Sequence[UnitChange]:
    key = ("units", *pair.key)
    found: Sequence[UnitChange] | None = diffs.kept.get(key)
    if found is None:
        found = await diffs.differ.units(*await units_of(diffs, pair))
        diffs.kept.put(key, found, sum(_ENTRY_BYTES + sum(len(word.text) for word in one.words) for one in found))
    return found


def _length(passage: Passage) -> int:
    return sum(len(side.text) for side in (passage.before, passage.after) if side)
