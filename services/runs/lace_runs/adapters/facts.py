"""Facts as ingest keeps them, over gRPC, under the identity of the call under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from lace.ingest.v1 import facts_pb2, facts_pb2_grpc, ingest_pb2
from lace_core.ir import Source
from lace_core.librarian import Piece, Refusal, Stated
from lace_core.paragraphs.facts import StatedFact
from lace_runs.adapters.services import source_of
from lace_runs.app.fact_ports import Kept, Part, Plan

_MANY = 1000


class IngestFacts:
    """See app.fact_ports.Facts."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = facts_pb2_grpc.FactServiceStub(channel)

    async def plan(self, source_id: str, max_characters: int) -> Plan:
        """How a source is parted."""
        answer = await self._stub.PlanFacts(
            facts_pb2.PlanFactsRequest(source_id=source_id, max_characters=max_characters)
        )
        parts = tuple((each.from_order, each.from_span, each.to_order, each.to_span) for each in answer.batches)
        return Plan(source_of(answer.source), answer.source.extraction, answer.source.language, parts)

    async def read(self, source_id: str, extraction: str, part: Part) -> Sequence[Piece]:
        """The units of a part."""
        batch = facts_pb2.FactBatch(from_order=part[0], from_span=part[1], to_order=part[2], to_span=part[3])
        answer = await self._stub.ReadFactBatch(
            facts_pb2.ReadFactBatchRequest(source_id=source_id, extraction=extraction, batch=batch)
        )
        return [_piece(piece) for piece in answer.pieces]

    async def keep(self, source_id: str, step_id: str, call: Mapping[str, Any], stated: Sequence[Stated]) -> Kept:
        """Keep those that hold."""
        model = call.get("answered_model") or call.get("resolved_model") or call.get("requested_model") or ""
        answer = await self._stub.KeepFacts(
            facts_pb2.KeepFactsRequest(
                source_id=source_id,
                step_id=step_id,
                call_id=call["call_id"],
                contract=call["contract"],
                template_hash=call["template_hash"],
                model=f"{call['provider']}/{model}",
                facts=[_stated(each) for each in stated],
            )
        )
        return Kept(answer.added, answer.known, answer.review, tuple(_refusal(each) for each in answer.refused))

    async def stated(self, fact_ids: Sequence[str]) -> Mapping[str, StatedFact]:
        """See app.paragraphs.ports.FactReader.stated."""
        found: dict[str, StatedFact] = {}
        for start in range(0, len(fact_ids), _MANY):
            answer = await self._stub.GetFacts(facts_pb2.GetFactsRequest(fact_ids=fact_ids[start : start + _MANY]))
            sources = {source.source_id: source_of(source) for source in answer.sources}
            units = {unit.unit_id: unit for unit in answer.units}
            for fact in answer.facts:
                found[fact.fact_id] = _stated_fact(fact, sources[fact.source_id], units[fact.unit_id])
        return found


def _stated_fact(fact: facts_pb2.Fact, source: Source, unit: facts_pb2.FactUnit) -> StatedFact:
    return StatedFact(
        fact_id=fact.fact_id,
        statement=fact.statement,
        quote=fact.quote,
        start=fact.span.start,
        end=fact.span.end,
        unit_id=fact.unit_id,
        extraction=fact.extraction,
        text=unit.text,
        source=source,
        spans=tuple((span.start, span.end) for span in unit.spans),
        heading_path=tuple(fact.heading_path),
        page=fact.page,
        order=fact.order,
        state=facts_pb2.FactState.Name(fact.state).removeprefix("FACT_STATE_").lower(),
        origin=facts_pb2.FactOrigin.Name(fact.origin).removeprefix("FACT_ORIGIN_").lower(),
    )


def _piece(piece: facts_pb2.FactPiece) -> Piece:
    return Piece(
        unit_id=piece.unit_id,
        kind=ingest_pb2.UnitKind.Name(piece.kind).removeprefix("UNIT_KIND_").lower(),
        heading_path=tuple(piece.heading_path),
        page=piece.page,
        caption=piece.caption,
        header=tuple(piece.header),
        spans=tuple((span.start, span.end, span.text) for span in piece.spans),
    )


def _stated(stated: Stated) -> facts_pb2.StatedFact:
    return facts_pb2.StatedFact(
        unit_id=stated.unit_id,
        statement=stated.statement,
        span=ingest_pb2.Span(start=stated.start, end=stated.end),
        quote=stated.quote,
        qualifiers=[
            facts_pb2.Qualifier(
                kind=facts_pb2.QualifierKind.Value(f"QUALIFIER_KIND_{each.kind.upper()}"), text=each.text
            )
            for each in stated.qualifiers
        ],
        confidence=stated.confidence,
    )


def _refusal(refused: facts_pb2.RefusedFact) -> Refusal:
    return Refusal(code=refused.code, message=refused.message, unit_id=refused.unit_id, statement=refused.statement)
