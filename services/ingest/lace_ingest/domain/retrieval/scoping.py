"""Whether a source passes the filters of a search; adapters/search_scope.py says the same in SQL."""

from __future__ import annotations

from lace_ingest.domain.retrieval.query import Filters
from lace_ingest.domain.sources import Source


def passes(source: Source, filters: Filters) -> bool:
    """Whether all filters but those by id hold for a source."""
    language = source.language.partition("-")[0].lower()
    return (
        filters.labels.issubset(source.labels)
        and filters.metadata.items() <= source.metadata.items()
        and (not filters.filenames or source.filename in filters.filenames)
        and (not filters.languages or language in {wanted.lower() for wanted in filters.languages})
    )
