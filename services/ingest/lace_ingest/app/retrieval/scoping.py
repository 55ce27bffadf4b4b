"""Which units a search may see."""

from __future__ import annotations

from dataclasses import replace

from lace_ingest.app.bundles import get_version
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.domain.retrieval.query import NOTHING, Filters, Scope


async def scope_of(ingest: Ingest, caller: Caller, filters: Filters) -> Scope:
    """The scope of a caller's search, with the sources of a bundle in place of its name.

    Raises BUNDLE_NOT_FOUND, BUNDLE_EMPTY.
    """
    if not filters.bundle:
        return Scope(caller.labels, filters)
    shown = await get_version(ingest, caller, filters.bundle, filters.bundle_version)
    named = frozenset(shown.source_ids)
    wanted = filters.source_ids & named if filters.source_ids else named
    return Scope(caller.labels, replace(filters, source_ids=wanted or NOTHING, bundle="", bundle_version=0))
