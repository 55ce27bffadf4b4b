"""The one mapping between contexts in the domain and the wire messages of lace.ingest.v1."""

from __future__ import annotations

from lace.ingest.v1 import context_pb2
from lace.ingest.v1 import retrieval_pb2 as pb
from lace_core.context import LeftOut, Why
from lace_ingest.api import convert
from lace_ingest.api.convert_retrieval import MODE_OF, MODES, filters_of
from lace_ingest.domain.contexts import Asked, Context, Covered, Located, Passage, topics_of
from lace_ingest.domain.retrieval.query import Mode

_WHYS = {
    Why.BUDGET: context_pb2.LEFT_OUT_WHY_BUDGET,
    Why.DUPLICATE: context_pb2.LEFT_OUT_WHY_DUPLICATE,
    Why.BELOW_THRESHOLD: context_pb2.LEFT_OUT_WHY_BELOW_THRESHOLD,
}


def asked_of(wire: pb.BuildContextRequest) -> Asked:
    """What a context is to cover. Raises INVALID_ARGUMENT for a topic without words, and for two of one key."""
    topics, texts = topics_of([(topic.key, topic.text, topic.weight) for topic in wire.topics])
    return Asked(
        topics=topics,
        texts=texts,
        budget=wire.token_budget,
        provider=wire.provider,
        model=wire.model,
        filters=filters_of(wire.filters),
        mode=MODE_OF.get(wire.mode, Mode.AUTO),
        depth=wire.units_per_topic or None,
        least=wire.min_relevance if wire.HasField("min_relevance") else None,
    )


def context_to_wire(context: Context) -> pb.BuildContextResponse:
    """A context."""
    return pb.BuildContextResponse(
        units=[_passage_to_wire(passage) for passage in context.passages],
        sources=[convert.source_to_wire(source) for source in context.sources],
        left_out=[_left_out_to_wire(*each) for each in context.left_out],
        coverage=[_covered_to_wire(each) for each in context.coverage],
        text=context.text,
        tokens_used=context.tokens,
        tokens_left=context.budget - context.tokens,
        count_method=context.count_method,
        mode=MODES[context.mode],
        mode_reason=context.mode_reason,
    )


def _passage_to_wire(passage: Passage) -> context_pb2.ContextUnit:
    taken, found = passage.taken, passage.found
    score, method = found.scores.get(taken.topic, ("", ""))
    return context_pb2.ContextUnit(
        number=passage.number,
        unit=convert.unit_to_wire(found.source.source_id, found.unit),
        topic=taken.topic,
        rank=taken.rank,
        relevance=taken.relevance,
        score=score,
        method=method,
        tokens=taken.tokens,
        relevance_by_topic=dict(sorted(found.relevance.items())),
    )


def _left_out_to_wire(left: LeftOut, found: Located) -> context_pb2.LeftOutUnit:
    return context_pb2.LeftOutUnit(
        unit_id=left.unit_id,
        source_id=found.source.source_id,
        why=_WHYS[left.why],
        topic=left.topic,
        relevance=left.relevance,
        tokens=left.tokens,
        duplicate_of=left.like,
    )


def _covered_to_wire(covered: Covered) -> context_pb2.TopicCoverage:
    return context_pb2.TopicCoverage(
        key=covered.key, candidates=covered.candidates, units=covered.units, reason=covered.reason
    )
