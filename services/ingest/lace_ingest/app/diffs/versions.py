"""Two sources as they are compared: who may see them, and their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_ingest.app.diffs.ports import Diffs
from lace_ingest.app.ports import Caller, UnitOfWork
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.reading.titles import title_from_filename
from lace_ingest.domain.sources import Source, SourceState, may_see, source_not_found

_BATCH = 1000


@dataclass(frozen=True)
class Pair:
    """An earlier and a later source of a tenant, both of them read."""

    tenant_id: str
    before: Source
    after: Source

    @property
    def key(self) -> tuple[str, ...]:
        """Names all that their difference depends on."""
        before, after = self.before, self.after
        return self.tenant_id, before.source_id, before.extraction, after.source_id, after.extraction

    @property
    def titles(self) -> tuple[str, str]:
        """The titles that both documents name themselves; one that comes from the file name is not theirs."""
        before, after = (
            "" if source.title == title_from_filename(source.filename) else source.title
            for source in (self.before, self.after)
        )
        return before, after


async def pair_of(diffs: Diffs, caller: Caller, source_id: str, against: str) -> Pair:
    """A source and the one it is compared with, the version before it where none is named.

    Raises SOURCE_NOT_FOUND, SOURCE_NOT_READY, PREVIOUS_VERSION_NOT_FOUND.
    """
    async with diffs.units_of_work(caller.tenant_id) as work:
        after = await visible(work, caller, source_id)
        earlier = against or after.previous_source_id
        if not earlier:
            message = f"{after.filename} is the first of its versions; name the source to compare it with."
            raise LaceError(Reason.PREVIOUS_VERSION_NOT_FOUND, message)
        before = await visible(work, caller, earlier)
    return readable(caller.tenant_id, before, after)


def readable(tenant_id: str, before: Source, after: Source) -> Pair:
    """Both, where both were read. Raises SOURCE_NOT_READY."""
    for source in (before, after):
        if source.state is not SourceState.READY:
            why = source.error_message or "It is still being read."
            raise LaceError(Reason.SOURCE_NOT_READY, f"{source.filename} cannot be compared: {why}")
    return Pair(tenant_id, before, after)


async def visible(work: UnitOfWork, caller: Caller, source_id: str) -> Source:
    """A source that the caller may see. Raises SOURCE_NOT_FOUND."""
    source = await work.sources.get(caller.tenant_id, source_id)
    if source is None or not may_see(source.labels, caller.labels):
        raise source_not_found(source_id)
    return source


async def units_of(diffs: Diffs, pair: Pair) -> tuple[Sequence[Unit], Sequence[Unit]]:
    """The units of both in reading order."""
    async with diffs.units_of_work(pair.tenant_id) as work:
        before = await _all_units(work, pair.tenant_id, pair.before)
        after = await _all_units(work, pair.tenant_id, pair.after)
    return before, after


async def _all_units(work: UnitOfWork, tenant_id: str, source: Source) -> Sequence[Unit]:
    found: list[Unit] = []
    while True:
        page = await work.units.page(tenant_id, source, _BATCH, found[-1].order if found else -1)
        found.extend(page)
        if len(page) < _BATCH:
            return found
