"""Finding the units that answer questions."""

from __future__ import annotations

from collections.abc import Sequence

from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.domain.retrieval import Found, Query


async def search(ingest: Ingest, caller: Caller, queries: Sequence[Query], source_ids: Sequence[str]) -> Found:
    """The best units for each query among the ready sources that the caller may see (all where none is named)."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        sources = await work.sources.ready(caller.tenant_id, caller.labels, source_ids)
        hits = await work.units.search(caller.tenant_id, sources, queries) if sources else [()] * len(queries)
        wanted = dict.fromkeys(hit.unit_id for found in hits for hit in found)
        units = await work.units.get(caller.tenant_id, list(wanted))
    named = {source_id for source_id, _ in units}
    return Found(
        hits=tuple(tuple(found) for found in hits),
        units=tuple(units),
        sources=tuple(source for source in sources if source.source_id in named),
    )
