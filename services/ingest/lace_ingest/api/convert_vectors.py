"""The one mapping between the progress of vectors and its wire message."""

from __future__ import annotations

from lace.ingest.v1 import ingest_pb2 as pb
from lace_ingest.app.vector_ports import Progress


def progress_to_wire(progress: Progress) -> pb.VectorProgress:
    """How far the vectors of one model are."""
    return pb.VectorProgress(
        model=progress.model,
        dimensions=progress.dimensions,
        units=progress.units,
        embedded=progress.embedded,
        error_code=progress.error_code,
    )
