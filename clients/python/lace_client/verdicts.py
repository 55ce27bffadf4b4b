"""What was found of the sentences of a document, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lace.runs.v1 import artifacts_pb2
from lace_client.transport import Transport, segment


class Verdicts:
    """Verdicts behind the API; see `LaceClient.verdicts`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        artifact_id: str,
        *,
        revision_id: str = "",
        verdict: str = "",
        node_id: str = "",
        in_document: bool | None = None,
    ) -> Iterator[artifacts_pb2.Verdict]:
        """Those of a revision, the head where none is named; those of kept-out sentences first."""
        path = f"/v1/artifacts/{segment(artifact_id)}/verdicts"
        asked: dict[str, Any] = {"revision_id": revision_id, "verdict": verdict, "node_id": node_id}
        if in_document is not None:
            asked["in_document"] = "true" if in_document else "false"
        for page in self._transport.pages(artifacts_pb2.ListVerdictsResponse, path, asked):
            yield from page.verdicts
