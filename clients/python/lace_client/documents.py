"""Documents: finding them, and changing them by actions or by a JSON Merge Patch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from lace.runs.v1 import artifacts_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json


class Documents:
    """Documents behind the API; see `LaceClient.documents`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, title: str = "", created_by: str = "", source_id: str = "") -> Iterator[artifacts_pb2.Artifact]:
        """Documents, newest first: those with these words in the title, made by a principal, citing a source."""
        asked = {"title": title, "created_by": created_by, "source_id": source_id}
        for page in self._transport.pages(artifacts_pb2.ListArtifactsResponse, "/v1/artifacts", asked):
            yield from page.artifacts

    def create(self, title: str, *, language: str = "", key: str | None = None) -> artifacts_pb2.Artifact:
        """Make an empty document."""
        body = {"title": title, **({"language": language} if language else {})}
        answer = self._transport.change("POST", "/v1/artifacts", body, key=key)
        return from_json(artifacts_pb2.Artifact, answer, tolerant=True)

    def patch(
        self,
        artifact_id: str,
        actions: Sequence[Mapping[str, Any]],
        *,
        branch: str = "",
        message: str = "",
        etag: str = "",
        base: str = "",
        on_conflict: Literal["reject", "rebase", "overwrite"] = "reject",
        key: str | None = None,
    ) -> artifacts_pb2.PatchArtifactResponse:
        """Apply actions, each in its JSON form, to a branch (main where empty); `etag` names the head it is about.

        `base` is the revision that they were made for: where the head is another one by now, `on_conflict` decides.
        """
        body: dict[str, Any] = {"actions": [dict(action) for action in actions]}
        given = {"branch": branch, "message": message, "base_revision_id": base}
        body.update({name: text for name, text in given.items() if text})
        if on_conflict != "reject":
            body["conflict_policy"] = on_conflict
        path = f"/v1/artifacts/{segment(artifact_id)}"
        answer = self._transport.change("PATCH", path, body, key=key, etag=etag)
        return from_json(artifacts_pb2.PatchArtifactResponse, answer, tolerant=True)

    def merge_patch(
        self,
        artifact_id: str,
        patch: Mapping[str, Any],
        *,
        branch: str = "",
        message: str = "",
        etag: str = "",
        key: str | None = None,
    ) -> artifacts_pb2.PatchArtifactResponse:
        """Change a document's title, language, and its nodes' own fields by a JSON Merge Patch; None takes out."""
        query = urlencode({name: text for name, text in (("branch", branch), ("message", message)) if text})
        path = f"/v1/artifacts/{segment(artifact_id)}" + (f"?{query}" if query else "")
        answer = self._transport.change(
            "PATCH", path, patch, key=key, etag=etag, media_type="application/merge-patch+json"
        )
        return from_json(artifacts_pb2.PatchArtifactResponse, answer, tolerant=True)
