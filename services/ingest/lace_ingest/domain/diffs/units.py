"""What became of the units of a source: by what they say, then by how alike they are below the same headings.

Every unit of both sides is told of exactly once, the same units always the same way, and the way back is the same
with the names exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lace_ingest.domain.diffs.candidates import Leftover, most_alike
from lace_ingest.domain.diffs.changes import IDENTICAL, MIRRORED, Change, WordChange
from lace_ingest.domain.diffs.sequences import common, increasing
from lace_ingest.domain.diffs.tables import CellChange, diff_tables, way_back
from lace_ingest.domain.diffs.tokens import mirrored, words_between
from lace_ingest.domain.documents import Unit

_Pairs = dict[int, int]


@dataclass(frozen=True)
class UnitChange:
    """What became of a unit: its ids on both sides, empty where it is not.

    A unit is `moved` where it lies in another order among the rest; `similarity` is per mille, 0 for a unit of one
    side; `fields` says what of it is different: text, heading_path, kind, table. Then `cells` are those of a table
    that differ, `words` the way from the one text to the other.
    """

    change: Change
    before_id: str = ""
    after_id: str = ""
    similarity: int = 0
    moved: bool = False
    fields: tuple[str, ...] = ()
    cells: tuple[CellChange, ...] = ()
    words: tuple[WordChange, ...] = ()


def diff_units(before: Sequence[Unit], after: Sequence[Unit]) -> list[UnitChange]:
    """The units in the order of the later side; what was removed stands where it stood."""
    changes = map(_back, _changes(after, before)) if _content(before) > _content(after) else _changes(before, after)
    found = {(change.before_id, change.after_id): change for change in changes}
    return [found[pair] for pair in _reading_order(before, after, list(found))]


def _changes(before: Sequence[Unit], after: Sequence[Unit]) -> Iterator[UnitChange]:
    pairs = _same_text(before, after)
    alike = _alike(before, after, pairs)
    every = {**pairs, **{old: new for old, (new, _) in alike.items()}}
    moved = _moved(every)
    for old, new in every.items():
        per_mille = alike[old][1] if old in alike else IDENTICAL
        yield _between(before[old], after[new], per_mille, old in moved)
    for old in range(len(before)):
        if old not in every:
            yield UnitChange(Change.REMOVED, before_id=before[old].unit_id)
    taken = set(every.values())
    for new in range(len(after)):
        if new not in taken:
            yield UnitChange(Change.ADDED, after_id=after[new].unit_id)


def _same_text(before: Sequence[Unit], after: Sequence[Unit]) -> _Pairs:
    """Units of the same text: as they stand in order, then below the same headings, then wherever they are."""
    found = dict(common([unit.text_hash for unit in before], [unit.text_hash for unit in after]))
    for wide in (False, True):
        taken = set(found.values())
        free: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for new in reversed(range(len(after))):
            if new not in taken:
                free.setdefault(_key(after[new], wide), []).append(new)
        for old, unit in enumerate(before):
            if old not in found and free.get(_key(unit, wide)):
                found[old] = free[_key(unit, wide)].pop()
    return found


def _key(unit: Unit, wide: bool) -> tuple[str, tuple[str, ...]]:
    return unit.text_hash, () if wide else unit.heading_path


def _alike(before: Sequence[Unit], after: Sequence[Unit], pairs: _Pairs) -> dict[int, tuple[int, int]]:
    """Of the units that are left: the place and similarity of the one after that each is, rewritten."""
    taken = set(pairs.values())
    # Between which of the units that stayed each of them lies, on either side.
    order = sorted(pairs)
    anchors = [order[index] for index in increasing([pairs[old] for old in order])]
    old_gaps = _gaps(anchors, len(before))
    new_gaps = _gaps([pairs[old] for old in anchors], len(after))
    left = [Leftover(at, unit, old_gaps[at]) for at, unit in enumerate(before) if at not in pairs]
    right = [Leftover(at, unit, new_gaps[at]) for at, unit in enumerate(after) if at not in taken]
    return most_alike(left, right)


def _gaps(anchors: Sequence[int], length: int) -> list[int]:
    """For each place how many anchors are before it."""
    found, passed = [], 0
    for place in range(length):
        if passed < len(anchors) and anchors[passed] == place:
            passed += 1
        found.append(passed)
    return found


def _moved(pairs: _Pairs) -> set[int]:
    """The fewest that have to be taken elsewhere to come from one order to the other."""
    order = sorted(pairs)
    stays = {order[index] for index in increasing([pairs[old] for old in order])}
    return set(order) - stays


def _between(before: Unit, after: Unit, per_mille: int, moved: bool) -> UnitChange:
    fields = tuple(
        name
        for name, same in (
            ("text", before.text_hash == after.text_hash),
            ("heading_path", before.heading_path == after.heading_path),
            ("kind", before.kind is after.kind),
            ("table", before.table == after.table),
        )
        if not same
    )
    change = Change.CHANGED if fields else Change.MOVED if moved else Change.UNCHANGED
    return UnitChange(
        change,
        before.unit_id,
        after.unit_id,
        per_mille,
        moved,
        fields,
        cells=diff_tables(before.table, after.table) if before.table and after.table and "table" in fields else (),
        words=words_between(before.text, after.text) if "text" in fields else (),
    )


def _reading_order(
    before: Sequence[Unit], after: Sequence[Unit], pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Pairs of ids by the place after; what is on the earlier side alone stands behind what it stood behind."""
    new_place = {unit.unit_id: place for place, unit in enumerate(after)}
    partner = dict(pairs)
    behind, last = {}, -1
    for place, unit in enumerate(before):
        if partner[unit.unit_id]:
            last = new_place[partner[unit.unit_id]]
        behind[unit.unit_id] = (last, 1, place)
    return sorted(pairs, key=lambda pair: (new_place[pair[1]], 0, 0) if pair[1] else behind[pair[0]])


def _content(units: Sequence[Unit]) -> list[tuple[object, ...]]:
    return [(unit.text_hash, unit.heading_path, unit.kind.value, repr(unit.table)) for unit in units]


def _back(change: UnitChange) -> UnitChange:
    return UnitChange(
        MIRRORED.get(change.change, change.change),
        change.after_id,
        change.before_id,
        change.similarity,
        change.moved,
        change.fields,
        way_back(change.cells),
        tuple(mirrored(change.words)),
    )
