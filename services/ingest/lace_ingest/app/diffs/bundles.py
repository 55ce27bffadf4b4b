"""What is different between two versions of a bundle, source by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lace_core.errors import LaceError, Reason
from lace_ingest.app.bundles import get_version
from lace_ingest.app.diffs.comparing import Counts, count_changes
from lace_ingest.app.diffs.ports import Diffs
from lace_ingest.app.diffs.versions import readable
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.domain.diffs.bundles import SourceChange, diff_bundles
from lace_ingest.domain.diffs.changes import Change
from lace_ingest.domain.sources import Source

_NOT_COMPARED = (Reason.SOURCE_NOT_READY, Reason.DIFF_LIMIT_EXCEEDED)


@dataclass(frozen=True)
class CountedChange:
    """What became of a source; where it was replaced the counts of paragraphs and units, or why there are none."""

    change: SourceChange
    paragraphs: Counts | None = None
    units: Counts | None = None
    error_code: str = ""


@dataclass(frozen=True)
class BundleDiff:
    """From one version to another: how many sources there are of each change, and those of a page.

    `following` is the place of the next one, None at the end.
    """

    before: int
    after: int
    counts: Counts
    changes: Sequence[CountedChange]
    following: int | None


async def compare_bundles(
    ingest: Ingest,
    diffs: Diffs,
    caller: Caller,
    name: str,
    versions: tuple[int, int],
    *,
    unchanged: bool,
    start: int,
    size: int,
) -> BundleDiff:
    """From one version of a bundle to another, 0 for the newest and for the one before it.

    Sources that the caller may not see are left out. Raises BUNDLE_NOT_FOUND, PREVIOUS_VERSION_NOT_FOUND.
    """
    later = await get_version(ingest, caller, name, versions[1])
    number = versions[0] or later.version.version - 1
    if not number:
        message = f"{name} has one version; name two to compare."
        raise LaceError(Reason.PREVIOUS_VERSION_NOT_FOUND, message)
    earlier = await get_version(ingest, caller, name, number)
    async with diffs.units_of_work(caller.tenant_id) as work:
        wanted = sorted({*earlier.source_ids, *later.source_ids})
        known = {source.source_id: source for source in await work.bundles.sources(caller.tenant_id, wanted)}
    changes = diff_bundles(_in_order(earlier.source_ids, known), _in_order(later.source_ids, known))
    told = [change for change in changes if unchanged or change.change is not Change.UNCHANGED]
    page = told[start : start + size]
    end = start + len(page)
    return BundleDiff(
        earlier.version.version,
        later.version.version,
        Counter(change.change for change in changes),
        [await _counted(diffs, caller, change) for change in page],
        end if end < len(told) else None,
    )


async def _counted(diffs: Diffs, caller: Caller, change: SourceChange) -> CountedChange:
    """With its counts; a source that cannot be compared keeps no other from being told of."""
    counted = CountedChange(change)
    if change.before is None or change.after is None or change.change is not Change.CHANGED:
        return counted
    try:
        paragraphs, units = await count_changes(diffs, readable(caller.tenant_id, change.before, change.after))
    except LaceError as error:
        if error.reason not in _NOT_COMPARED:
            raise
        return replace(counted, error_code=error.reason.value)
    return replace(counted, paragraphs=paragraphs, units=units)


def _in_order(source_ids: Sequence[str], known: dict[str, Source]) -> list[Source]:
    return [known[source_id] for source_id in source_ids if source_id in known]
