"""The one mapping between the domain of retrieval and its wire messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from lace.ingest.v1 import ingest_pb2
from lace.ingest.v1 import retrieval_pb2 as pb
from lace_core.errors import LaceError, Reason
from lace_ingest.api import convert
from lace_ingest.domain.documents import Span, UnitKind
from lace_ingest.domain.retrieval.hits import Found, Hit, StageScores
from lace_ingest.domain.retrieval.query import DEFAULT_LIMIT, NOTHING, Filters, Mode, Query, Search, VectorSearch
from lace_platform.rpc import CallContext

MODES = {
    Mode.AUTO: pb.SEARCH_MODE_AUTO,
    Mode.LEXICAL: pb.SEARCH_MODE_LEXICAL,
    Mode.HYBRID: pb.SEARCH_MODE_HYBRID,
    Mode.DENSE: pb.SEARCH_MODE_DENSE,
}
MODE_OF = {wire: mode for mode, wire in MODES.items()}
_VECTORS = {
    VectorSearch.NONE: pb.VECTOR_SEARCH_UNSPECIFIED,
    VectorSearch.EXACT: pb.VECTOR_SEARCH_EXACT,
    VectorSearch.APPROXIMATE: pb.VECTOR_SEARCH_APPROXIMATE,
}


def run_of(call: CallContext) -> str:
    """The run under whose grant a call is made; empty outside runs."""
    identity = call.identity
    return identity.run_id or "" if identity and identity.kind == "run" else ""


def search_of(wire: pb.SearchRequest, run_id: str = "") -> Search:
    """What is asked. Raises INVALID_ARGUMENT for settings that are no JSON object."""
    return Search(
        queries=tuple(query_of(query) for query in wire.queries),
        filters=filters_of(wire.filters, wire.source_ids),
        mode=MODE_OF.get(wire.mode, Mode.AUTO),
        settings=settings_of(wire.settings_json),
        run_id=run_id,
    )


def query_of(wire: pb.Query) -> Query:
    """A query; an unset limit is the usual one."""
    return Query(wire.key, wire.text, wire.limit or DEFAULT_LIMIT)


def filters_of(found: pb.Filters, source_ids: Iterable[str] = ()) -> Filters:
    """Which units may answer. Sources that are named twice over must be in both lists; none may be left then."""
    return Filters(
        source_ids=_both(frozenset(source_ids), frozenset(found.source_ids)),
        bundle=found.bundle,
        bundle_version=found.bundle_version,
        metadata=dict(found.metadata),
        labels=frozenset(found.labels),
        kinds=frozenset(_kind_of(kind) for kind in found.kinds),
        languages=frozenset(found.languages),
        filenames=frozenset(found.filenames),
    )


def settings_of(settings_json: str) -> Mapping[str, Any]:
    """Settings by key; empty where none are given. Raises INVALID_ARGUMENT."""
    try:
        found = orjson.loads(settings_json or "{}")
    except orjson.JSONDecodeError as error:
        raise LaceError(Reason.INVALID_ARGUMENT, "settings_json is no JSON.") from error
    if not isinstance(found, dict):
        raise LaceError(Reason.INVALID_ARGUMENT, "settings_json is no JSON object.")
    return found


def found_to_wire(search: Search, found: Found) -> pb.SearchResponse:
    """The answer to many queries, in their order."""
    texts = {unit.unit_id: unit.text for _, unit in found.units}
    return pb.SearchResponse(
        results=[
            pb.QueryResult(key=query.key, hits=[_hit_to_wire(hit, texts[hit.unit_id]) for hit in hits])
            for query, hits in zip(search.queries, found.hits, strict=True)
        ],
        units=[convert.unit_to_wire(source_id, unit) for source_id, unit in found.units],
        sources=[convert.source_to_wire(source) for source in found.sources],
        mode=MODES[found.mode],
        mode_reason=found.mode_reason,
        vectors=_VECTORS[found.vectors],
        units_without_vector=found.units_without_vector,
    )


def _both(first: frozenset[str], second: frozenset[str]) -> frozenset[str]:
    """Sources in both lists, where an empty list leaves all; one that nothing has where they share none."""
    if first and second:
        return first & second or NOTHING
    return first | second


def _kind_of(wire: ingest_pb2.UnitKind.ValueType) -> UnitKind:
    return UnitKind(ingest_pb2.UnitKind.Name(wire).removeprefix("UNIT_KIND_").lower())


def _hit_to_wire(hit: Hit, text: str) -> pb.Hit:
    wire = pb.Hit(
        unit_id=hit.unit_id,
        score=_decimal(hit.score),
        method=hit.method,
        scores=_scores_to_wire(hit.scores),
        corrections=[pb.Correction(word=one.word, taken_for=one.taken_for) for one in hit.corrections],
    )
    if hit.passage:
        start, end = hit.passage.span.start, hit.passage.span.end
        wire.span.CopyFrom(ingest_pb2.Span(start=start, end=end))
        wire.quote = text[start:end]
        wire.matches.extend(_within(match, start) for match in hit.passage.matches)
    return wire


def _within(span: Span, start: int) -> ingest_pb2.Span:
    return ingest_pb2.Span(start=span.start - start, end=span.end - start)


def _scores_to_wire(scores: StageScores) -> pb.StageScores:
    return pb.StageScores(
        lexical=_decimal(scores.lexical),
        dense=_decimal(scores.dense),
        fused=_decimal(scores.fused),
        rerank=_decimal(scores.rerank),
    )


def _decimal(score: Decimal | None) -> str:
    return "" if score is None else format(score, ".6f")
