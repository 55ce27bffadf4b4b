"""Which sources of two bundle versions belong together: those of one series, then those of one file name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from lace_ingest.domain.diffs.changes import Change
from lace_ingest.domain.sources import Source


@dataclass(frozen=True)
class SourceChange:
    """What became of a source of a bundle; one that was replaced by another is changed."""

    change: Change
    before: Source | None = None
    after: Source | None = None


def diff_bundles(before: Sequence[Source], after: Sequence[Source]) -> list[SourceChange]:
    """Every source of both versions once: in the order of the later one, and those that are gone behind them."""
    partner: dict[int, int] = {}
    for key in (_identity, _series, _filename):
        _pair(before, after, key, partner)
    found = []
    for at, source in enumerate(after):
        was = before[partner[at]] if at in partner else None
        same = was is not None and was.source_id == source.source_id
        change = Change.UNCHANGED if same else Change.ADDED if was is None else Change.CHANGED
        found.append(SourceChange(change, was, source))
    kept = set(partner.values())
    gone = (source for at, source in enumerate(before) if at not in kept)
    return [*found, *(SourceChange(Change.REMOVED, source) for source in gone)]


def _pair(
    before: Sequence[Source], after: Sequence[Source], key: Callable[[Source], Hashable], partner: dict[int, int]
) -> None:
    """Adds pairs of equal keys among the sources that have no partner yet, in their order."""
    taken = set(partner.values())
    free: dict[Hashable, list[int]] = {}
    for at in reversed(range(len(before))):
        if at not in taken:
            free.setdefault(key(before[at]), []).append(at)
    for at, source in enumerate(after):
        if at not in partner and free.get(key(source)):
            partner[at] = free[key(source)].pop()


def _identity(source: Source) -> str:
    return source.source_id


def _series(source: Source) -> str:
    return source.series_id or source.source_id


def _filename(source: Source) -> str:
    return source.filename
