"""lace.ingest.v1.FactService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from lace.ingest.v1 import facts_pb2 as pb
from lace.ingest.v1 import facts_pb2_grpc as services
from lace_core.canonical import canonical_json
from lace_core.errors import LaceError, Reason
from lace_ingest.api import convert_facts as convert
from lace_ingest.api.convert import caller_of
from lace_ingest.app import fact_extraction, facts
from lace_ingest.app.ports import Ingest, Mutation
from lace_ingest.domain.facts import FactPlace, place_of
from lace_platform.paging import Cursor, PageTokens
from lace_platform.rpc import current_call
from lace_proto import json as wire_json

_FACTS = "ListFacts"


class FactServicer(services.FactServiceServicer):
    """lace.ingest.v1.FactService."""

    def __init__(self, ingest: Ingest, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._tokens = tokens

    async def ListFacts(self, request: pb.ListFactsRequest, context: Any) -> pb.ListFactsResponse:
        """A page of a source's facts in the order in which they stand there."""
        caller, wanted = caller_of(current_call()), convert.filter_of(request)
        asked = {"tenant": caller.tenant_id, "source": request.source_id, "filter": _filter_key(request)}
        page = self._tokens.page(_FACTS, asked, request, default=100, maximum=1000)
        after = _place(page.cursor)
        found = await facts.list_facts(self._ingest, caller, request.source_id, wanted, page.limit, after)
        shown, token = page.cut(found, place_of)
        return pb.ListFactsResponse(facts=[convert.fact_to_wire(fact) for fact in shown], next_page_token=token)

    async def GetFact(self, request: pb.GetFactRequest, context: Any) -> pb.Fact:
        """A fact."""
        return convert.fact_to_wire(await facts.get_fact(self._ingest, caller_of(current_call()), request.fact_id))

    async def GetFacts(self, request: pb.GetFactsRequest, context: Any) -> pb.GetFactsResponse:
        """Facts at once, with what they stand in."""
        found = await facts.get_facts(self._ingest, caller_of(current_call()), list(request.fact_ids))
        return convert.standing_to_wire(found)

    async def CreateFact(self, request: pb.CreateFactRequest, context: Any) -> pb.Fact:
        """A person's fact."""
        mutation = _mutation("CreateFact", request)
        caller, stated = caller_of(current_call()), convert.created_of(request)
        made = await facts.create_fact(self._ingest, caller, request.source_id, stated, mutation)
        return convert.fact_to_wire(made)

    async def RetireFact(self, request: pb.RetireFactRequest, context: Any) -> pb.Fact:
        """A fact, retired."""
        mutation = _mutation("RetireFact", request)
        caller = caller_of(current_call())
        return convert.fact_to_wire(await facts.retire_fact(self._ingest, caller, request.fact_id, mutation))

    async def PlanFacts(self, request: pb.PlanFactsRequest, context: Any) -> pb.PlanFactsResponse:
        """How a source is parted."""
        caller = caller_of(current_call())
        planned = await fact_extraction.plan_facts(self._ingest, caller, request.source_id, request.max_characters)
        return convert.planned_to_wire(*planned)

    async def ReadFactBatch(self, request: pb.ReadFactBatchRequest, context: Any) -> pb.ReadFactBatchResponse:
        """The units of one part."""
        caller, batch = caller_of(current_call()), convert.batch_of(request.batch)
        pieces = await fact_extraction.read_batch(self._ingest, caller, request.source_id, request.extraction, batch)
        return pb.ReadFactBatchResponse(pieces=[convert.piece_to_wire(piece) for piece in pieces])

    async def KeepFacts(self, request: pb.KeepFactsRequest, context: Any) -> pb.KeepFactsResponse:
        """Keeps a run's facts."""
        call = current_call()
        if call.identity is None or not call.identity.run_id:
            raise LaceError(Reason.PERMISSION_DENIED, "Only a run keeps facts; POST /v1/sources/{id}/facts states one.")
        making = convert.making_of(call.identity.run_id, request)
        stated = [convert.stated_of(each) for each in request.facts]
        kept = await fact_extraction.keep_facts(self._ingest, caller_of(call), request.source_id, stated, making)
        return convert.keeping_to_wire(kept)


def _mutation(route: str, request: Message) -> Mutation:
    return Mutation(route, canonical_json(wire_json.to_python(request)))


def _filter_key(request: pb.ListFactsRequest) -> str:
    """What the page token is bound to beside the source: a token of another filter is refused."""
    own = wire_json.to_python(request)
    return canonical_json({key: own[key] for key in sorted(own) if key not in ("page_size", "page_token")}).decode()


def _place(cursor: Cursor | None) -> FactPlace | None:
    return (int(str(cursor[0])), int(str(cursor[1])), str(cursor[2])) if cursor else None
