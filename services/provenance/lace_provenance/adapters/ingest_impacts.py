"""The impact of newer versions, asked of ingest over gRPC under the identity of the call under way."""

from __future__ import annotations

import grpc

from lace.ingest.v1 import diffs_pb2, diffs_pb2_grpc
from lace_provenance.domain.impact import ImpactQuestion


class IngestImpacts:
    """See app.ports.Impacts."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = diffs_pb2_grpc.DiffServiceStub(channel)

    async def assess(self, question: ImpactQuestion) -> diffs_pb2.AssessImpactResponse:
        """How citations stand."""
        request = diffs_pb2.AssessImpactRequest(
            to=question.to,
            artifact_id=question.artifact_id,
            unchanged=question.unchanged,
            page_size=question.page_size,
            page_token=question.page_token,
        )
        setattr(request, "from", question.source_id)  # no name in Python
        answer: diffs_pb2.AssessImpactResponse = await self._stub.AssessImpact(request)
        return answer
