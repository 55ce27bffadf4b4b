"""The one place that says which sources a search may see, as SQL for every index."""

from __future__ import annotations

from typing import Any

import orjson

from lace_ingest.domain.retrieval.query import Scope

# Rows (source_id, extraction) of what the caller may see and the filters let through: ready, in the extraction of now,
# and the newest of its document among those that he may see, where none is named. The other filters come after: an
# older version does not answer because the newest is filtered out. The tenant, the labels held and the filters are
# conditions of the statement itself; row level security stands behind them. Only second and later versions are looked
# for as newer ones, and they are few: ordering all by series and version would take as long as all the rest. What a
# filter is not set for is asked once, not of each source: comparing arrays and JSON takes most of the time here.
SCOPE = """
    SELECT source.source_id, source.extraction
    FROM ingest.sources AS source LEFT JOIN (
        SELECT later.series_id, max(later.version) AS version
        FROM ingest.sources AS later
        WHERE later.tenant_id = :tenant_id AND later.version > 1 AND later.state = 'ready'
          AND later.labels <@ CAST(:held AS text[])
        GROUP BY later.series_id) AS newest ON newest.series_id = source.series_id
    WHERE source.tenant_id = :tenant_id AND source.state = 'ready'
      AND (cardinality(source.labels) = 0 OR source.labels <@ CAST(:held AS text[]))
      AND CASE WHEN cardinality(CAST(:source_ids AS text[])) > 0
               THEN source.source_id = ANY(CAST(:source_ids AS text[]))
               ELSE coalesce(newest.version <= source.version, true) END
      AND ((SELECT cardinality(CAST(:labels AS text[])) = 0) OR source.labels @> CAST(:labels AS text[]))
      AND ((SELECT CAST(:metadata AS jsonb) = '{}') OR source.metadata_json @> CAST(:metadata AS jsonb))
      AND (cardinality(CAST(:filenames AS text[])) = 0 OR source.filename = ANY(CAST(:filenames AS text[])))
      AND (cardinality(CAST(:languages AS text[])) = 0
           OR lower(split_part(source.language, '-', 1)) = ANY(CAST(:languages AS text[])))
"""


def scope_parameters(tenant_id: str, scope: Scope) -> dict[str, Any]:
    """The parameters of SCOPE."""
    filters = scope.filters
    return {
        "tenant_id": tenant_id,
        "held": sorted(scope.held),
        "labels": sorted(filters.labels),
        "source_ids": sorted(filters.source_ids),
        "filenames": sorted(filters.filenames),
        "metadata": orjson.dumps(dict(filters.metadata)).decode(),
        "languages": sorted(language.lower() for language in filters.languages),
    }
