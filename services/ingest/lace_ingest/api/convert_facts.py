"""The one mapping between facts in the domain and the wire messages of lace.ingest.v1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lace.ingest.v1 import facts_pb2 as pb
from lace.ingest.v1 import ingest_pb2
from lace_core.contracts import Qualifier
from lace_core.librarian import FULL, Piece, Refusal, Stated
from lace_ingest.api.convert import source_to_wire
from lace_ingest.domain.documents import Span
from lace_ingest.domain.fact_batches import FactBatch
from lace_ingest.domain.facts import Fact, FactFilter, FactOrigin, FactState, Keeping, Making, StandingFact
from lace_ingest.domain.sources import Source
from lace_proto.times import to_timestamp

_STATES = {
    FactState.ACTIVE: pb.FACT_STATE_ACTIVE,
    FactState.REVIEW: pb.FACT_STATE_REVIEW,
    FactState.RETIRED: pb.FACT_STATE_RETIRED,
}
_ORIGINS = {
    FactOrigin.EXTRACTED: pb.FACT_ORIGIN_EXTRACTED,
    FactOrigin.MANUAL: pb.FACT_ORIGIN_MANUAL,
}
_STATE_OF = {wire: state for state, wire in _STATES.items()}
_ORIGIN_OF = {wire: origin for origin, wire in _ORIGINS.items()}


def fact_to_wire(fact: Fact) -> pb.Fact:
    """A fact."""
    making = fact.making
    wire = pb.Fact(
        fact_id=fact.fact_id,
        source_id=fact.source_id,
        unit_id=fact.unit_id,
        extraction=fact.extraction,
        statement=fact.statement,
        span=_span_to_wire(fact.span),
        quote=fact.quote,
        quote_hash=fact.quote_hash,
        qualifiers=[_qualifier_to_wire(each) for each in fact.qualifiers],
        confidence=fact.confidence,
        origin=_ORIGINS[fact.origin],
        state=_STATES[fact.state],
        verdict=fact.verdict,
        reasons=fact.reasons,
        heading_path=fact.heading_path,
        page=fact.page,
        order=fact.order,
        run_id=making.run_id,
        call_id=making.call_id,
        contract=making.contract,
        template_hash=making.template_hash,
        model=making.model,
        created_by=fact.created_by,
        created_at=to_timestamp(fact.created_at),
        retired_by=fact.retired_by,
    )
    if fact.retired_at is not None:
        wire.retired_at.CopyFrom(to_timestamp(fact.retired_at))
    return wire


def standing_to_wire(found: Sequence[StandingFact]) -> pb.GetFactsResponse:
    """Facts with their sources and units, each once."""
    sources = {each.source.source_id: each.source for each in found}
    units = {each.unit.unit_id: each.unit for each in found}
    return pb.GetFactsResponse(
        facts=[fact_to_wire(each.fact) for each in found],
        sources=map(source_to_wire, sources.values()),
        units=[
            pb.FactUnit(unit_id=unit.unit_id, text=unit.text, spans=map(_span_to_wire, unit.spans))
            for unit in units.values()
        ],
    )


def filter_of(wire: pb.ListFactsRequest) -> FactFilter:
    """Which facts are asked for; active ones where no state is named."""
    return FactFilter(
        extraction="",
        state=_STATE_OF.get(wire.state, FactState.ACTIVE),
        origin=_ORIGIN_OF.get(wire.origin),
        unit_id=wire.unit_id,
        min_confidence=wire.min_confidence,
        contains=wire.contains.replace("\x00", ""),
    )


def created_of(wire: pb.CreateFactRequest) -> Stated:
    """A person's fact; of full confidence where none is given."""
    return Stated(
        statement=wire.statement,
        unit_id=wire.unit_id,
        start=wire.start,
        end=wire.end,
        quote=wire.quote,
        qualifiers=_qualifiers_of(wire.qualifiers),
        confidence=wire.confidence if wire.HasField("confidence") else FULL,
    )


def stated_of(wire: pb.StatedFact) -> Stated:
    """A model's fact."""
    return Stated(
        statement=wire.statement,
        unit_id=wire.unit_id,
        start=wire.span.start,
        end=wire.span.end,
        quote=wire.quote,
        qualifiers=_qualifiers_of(wire.qualifiers),
        confidence=min(FULL, max(0, wire.confidence)),
    )


def making_of(run_id: str, wire: pb.KeepFactsRequest) -> Making:
    """How a run's facts were taken out."""
    return Making(run_id, wire.step_id, wire.call_id, wire.contract, wire.template_hash, wire.model)


def planned_to_wire(source: Source, batches: Iterable[FactBatch]) -> pb.PlanFactsResponse:
    """How a source is parted."""
    return pb.PlanFactsResponse(source=source_to_wire(source), batches=[_batch_to_wire(each) for each in batches])


def batch_of(wire: pb.FactBatch) -> FactBatch:
    """A part."""
    return FactBatch(wire.from_order, wire.from_span, wire.to_order, wire.to_span)


def piece_to_wire(piece: Piece) -> pb.FactPiece:
    """A unit of a part."""
    return pb.FactPiece(
        unit_id=piece.unit_id,
        kind=ingest_pb2.UnitKind.Value(f"UNIT_KIND_{piece.kind.upper()}"),
        heading_path=piece.heading_path,
        page=piece.page,
        caption=piece.caption,
        header=piece.header,
        spans=[pb.FactSpan(start=start, end=end, text=text) for start, end, text in piece.spans],
    )


def keeping_to_wire(keeping: Keeping) -> pb.KeepFactsResponse:
    """What came of keeping."""
    return pb.KeepFactsResponse(
        added=keeping.added,
        known=keeping.known,
        review=keeping.review,
        refused=[_refused_to_wire(each) for each in keeping.refused],
    )


def _refused_to_wire(refusal: Refusal) -> pb.RefusedFact:
    return pb.RefusedFact(
        code=refusal.code, message=refusal.message, unit_id=refusal.unit_id, statement=refusal.statement
    )


def _batch_to_wire(batch: FactBatch) -> pb.FactBatch:
    return pb.FactBatch(
        from_order=batch.from_order, from_span=batch.from_span, to_order=batch.to_order, to_span=batch.to_span
    )


def _span_to_wire(span: Span) -> ingest_pb2.Span:
    return ingest_pb2.Span(start=span.start, end=span.end)


def _qualifier_to_wire(qualifier: Qualifier) -> pb.Qualifier:
    return pb.Qualifier(kind=pb.QualifierKind.Value(f"QUALIFIER_KIND_{qualifier.kind.upper()}"), text=qualifier.text)


def _qualifiers_of(wires: Iterable[pb.Qualifier]) -> tuple[Qualifier, ...]:
    return tuple(
        msgspec.convert({"kind": _kind_of(wire.kind), "text": wire.text}, Qualifier)
        for wire in wires
        if wire.kind in pb.QualifierKind.values() and wire.kind
    )


def _kind_of(wire: pb.QualifierKind.ValueType) -> str:
    return pb.QualifierKind.Name(wire).removeprefix("QUALIFIER_KIND_").lower()
