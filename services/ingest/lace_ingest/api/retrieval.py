"""lace.ingest.v1.RetrievalService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.ingest.v1 import retrieval_pb2 as pb
from lace.ingest.v1 import retrieval_pb2_grpc as services
from lace_ingest.api.convert import caller_of
from lace_ingest.api.convert_context import asked_of, context_to_wire
from lace_ingest.api.convert_retrieval import found_to_wire, run_of, search_of
from lace_ingest.app.ports import Ingest
from lace_ingest.app.retrieval.context import build_context
from lace_ingest.app.retrieval.search import search
from lace_platform.rpc import current_call


class RetrievalServicer(services.RetrievalServiceServicer):
    """lace.ingest.v1.RetrievalService."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        """Answers many queries at once."""
        call = current_call()
        asked = search_of(request, run_of(call))
        return found_to_wire(asked, await search(self._ingest, caller_of(call), asked))

    async def BuildContext(self, request: pb.BuildContextRequest, context: Any) -> pb.BuildContextResponse:
        """The units that cover topics within a budget of tokens."""
        return context_to_wire(await build_context(self._ingest, caller_of(current_call()), asked_of(request)))
