"""Who cites, asked of runs over gRPC under the identity of the call under way."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from lace.common.v1 import ir_pb2
from lace.runs.v1 import artifacts_pb2_grpc, citations_pb2
from lace_core.ir import Evidence
from lace_ingest.app.diffs.ports import CitationPage
from lace_ingest.domain.diffs.citations import Citation, CitingPart


class RunCitations:
    """See app.diffs.ports.Citations."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = artifacts_pb2_grpc.ArtifactServiceStub(channel)

    async def page(self, source_ids: Sequence[str], artifact_id: str, limit: int, token: str) -> CitationPage:
        """Citations of these sources in the newest revisions."""
        request = citations_pb2.ListCitationsRequest(
            source_id=source_ids, artifact_id=artifact_id, page_size=limit, page_token=token
        )
        answer: citations_pb2.ListCitationsResponse = await self._stub.ListCitations(request)
        return CitationPage([_citation(found) for found in answer.citations], answer.next_page_token)


def _citation(wire: citations_pb2.Citation) -> Citation:
    return Citation(
        artifact_id=wire.artifact_id,
        artifact_title=wire.artifact_title,
        revision_id=wire.revision_id,
        node_id=wire.node_id,
        node_title=wire.node_title,
        evidence=_evidence(wire.evidence),
        parts=tuple(CitingPart(part.block_id, part.part_id, part.text) for part in wire.parts),
    )


def _evidence(wire: ir_pb2.Evidence) -> Evidence:
    return Evidence(
        evidence_id=wire.evidence_id,
        source_id=wire.source_id,
        source_version=wire.source_version,
        unit_id=wire.unit_id,
        extraction=wire.extraction,
        start=wire.start,
        end=wire.end,
        quote=wire.quote,
        quote_hash=wire.quote_hash,
        heading_path=tuple(wire.heading_path),
        page=wire.page,
        score=wire.score,
        method=wire.method,
    )
