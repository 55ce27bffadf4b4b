"""Between questions about impact, their answers, and the wire messages of lace.provenance.v1."""

from __future__ import annotations

from lace.ingest.v1 import diffs_pb2
from lace.provenance.v1 import provenance_pb2 as wire
from lace_provenance.domain.impact import ImpactQuestion


def question_of(request: wire.GetImpactRequest) -> ImpactQuestion:
    """What a GetImpactRequest asks; `from` is no name in Python."""
    return ImpactQuestion(
        source_id=getattr(request, "from"),
        to=request.to,
        artifact_id=request.artifact_id,
        unchanged=request.unchanged,
        page_size=request.page_size,
        page_token=request.page_token,
    )


def impact_to_wire(answer: diffs_pb2.AssessImpactResponse) -> wire.GetImpactResponse:
    """The answer of ingest, as provenance gives it."""
    return wire.GetImpactResponse(
        citations=answer.citations, sources=answer.sources, next_page_token=answer.next_page_token
    )
