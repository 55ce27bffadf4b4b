"""Between citations and their wire messages."""

from __future__ import annotations

from lace.common.v1 import ir_pb2
from lace.runs.v1 import citations_pb2 as wire
from lace_platform.paging import Cursor as PageCursor
from lace_runs.domain.citations import Citation, Cursor, Wanted


def wanted_of(request: wire.ListCitationsRequest, labels: frozenset[str]) -> Wanted:
    """What a ListCitationsRequest asks, for who holds these labels."""
    return Wanted(
        source_ids=tuple(dict.fromkeys(request.source_id)),
        unit_ids=tuple(dict.fromkeys(request.unit_id)),
        artifact_id=request.artifact_id,
        all_revisions=request.all_revisions,
        labels=labels,
    )


def cursor_of(cursor: PageCursor | None) -> Cursor | None:
    """Where a page begins; None for the first."""
    return None if cursor is None else (str(cursor[0]), str(cursor[1]), int(cursor[2] or 0), str(cursor[3]))


def citation_message(citation: Citation) -> wire.Citation:
    """A citation on the wire."""
    evidence = citation.evidence
    return wire.Citation(
        artifact_id=citation.artifact_id,
        artifact_title=citation.artifact_title,
        revision_id=citation.revision_id,
        node_id=citation.node_id,
        node_title=citation.node_title,
        evidence=ir_pb2.Evidence(**{name: getattr(evidence, name) for name in evidence.__struct_fields__}),
        parts=[
            wire.CitingPart(block_id=part.block_id, part_id=part.part_id, text=part.text) for part in citation.parts
        ],
    )
