"""The units that answer questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lace.ingest.v1 import retrieval_pb2
from lace_client.transport import Transport
from lace_proto.json import from_json


class Retrieval:
    """Searching in the sources behind the API; see `LaceClient.retrieval`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def search(
        self,
        queries: str | Sequence[str | Mapping[str, Any]],
        *,
        limit: int = 0,
        filters: Mapping[str, Any] | None = None,
        mode: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> retrieval_pb2.SearchResponse:
        """The best units for each query, with their scores, and what to quote of them; 10 where no limit is given.

        A query is its words, or {key, text, limit}. `filters` has the fields of lace.ingest.v1.Filters; `mode` is auto,
        lexical, hybrid or dense. With `settings`, by key, the search is one that was pinned. Raises LaceApiError.
        """
        asked = [queries] if isinstance(queries, str) else queries
        wanted = [{"text": query} if isinstance(query, str) else dict(query) for query in asked]
        body: dict[str, Any] = {"queries": [{"limit": limit, **query} for query in wanted]}
        body |= {name: value for name, value in (("filters", dict(filters or {})), ("mode", mode)) if value}
        if settings:
            body["settings_json"] = orjson.dumps(dict(settings)).decode()
        return from_json(retrieval_pb2.SearchResponse, self._transport.ask("/v1/search", body), tolerant=True)
