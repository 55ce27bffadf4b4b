"""Paragraphs by specification, each sentence with the facts that hold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from lace.runs.v1 import paragraphs_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

M = TypeVar("M", bound=Message)


class Paragraphs:
    """The paragraphs behind the API; see `LaceClient.paragraphs`. Every method raises LaceApiError.

    A change may name the `etag` that the paragraph must have.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, spec: Mapping[str, Any], *, artifact_id: str = "", node_id: str = "", key: str | None = None
    ) -> paragraphs_pb2.Paragraph:
        """Make a draft of a specification (title, purpose, allowed_fact_ids, …), which may land in a document."""
        body = {"spec": dict(spec), "artifact_id": artifact_id, "node_id": node_id}
        return self._change(paragraphs_pb2.Paragraph, "POST", "/v1/paragraphs", body, key)

    def get(self, paragraph_id: str) -> paragraphs_pb2.Paragraph:
        """A paragraph with the sentences that stand."""
        return self._transport.read(paragraphs_pb2.Paragraph, _path(paragraph_id))

    def list(self, *, state: str = "", artifact_id: str = "") -> Iterator[paragraphs_pb2.Paragraph]:
        """Paragraphs without their sentences, newest first."""
        asked = {"state": state, "artifact_id": artifact_id}
        for page in self._transport.pages(paragraphs_pb2.ListParagraphsResponse, "/v1/paragraphs", asked):
            yield from page.paragraphs

    def change_spec(
        self, paragraph_id: str, spec: Mapping[str, Any], *, etag: str = "", key: str | None = None
    ) -> paragraphs_pb2.Paragraph:
        """Put another specification in the place of the one there is; the paragraph is a draft again."""
        path = f"{_path(paragraph_id)}/spec"
        return self._change(paragraphs_pb2.Paragraph, "PUT", path, {"spec": dict(spec)}, key, etag)

    def generate(
        self, paragraph_id: str, *, settings: Mapping[str, Any] | None = None, etag: str = "", key: str | None = None
    ) -> paragraphs_pb2.StartParagraphRunResponse:
        """Start the run that writes it (`watch_run` it)."""
        return self._start(paragraph_id, "generate", settings, etag, key)

    def verify(
        self, paragraph_id: str, *, settings: Mapping[str, Any] | None = None, etag: str = "", key: str | None = None
    ) -> paragraphs_pb2.StartParagraphRunResponse:
        """Start the run that verifies its text once more (`watch_run` it)."""
        return self._start(paragraph_id, "verify", settings, etag, key)

    def edit(
        self,
        paragraph_id: str,
        sentences: Sequence[tuple[str, Sequence[str]]],
        *,
        etag: str = "",
        key: str | None = None,
    ) -> paragraphs_pb2.Paragraph:
        """Put sentences of your own, each a text with the ids of its facts, in the place of the whole text."""
        body = {"sentences": [{"text": text, "fact_ids": list(fact_ids)} for text, fact_ids in sentences]}
        return self._change(paragraphs_pb2.Paragraph, "POST", f"{_path(paragraph_id)}:edit", body, key, etag)

    def land(self, paragraph_id: str, *, etag: str = "", key: str | None = None) -> paragraphs_pb2.Paragraph:
        """Put the sentences that stand into the document that it names."""
        return self._change(paragraphs_pb2.Paragraph, "POST", f"{_path(paragraph_id)}:land", {}, key, etag)

    def rebuild(self, paragraph_id: str, *, text_version: int = 0) -> paragraphs_pb2.RebuildParagraphResponse:
        """Make a text (the one that is shown where 0) once more out of what is stored, and compare it."""
        path = f"{_path(paragraph_id)}:rebuild"
        return self._transport.read(paragraphs_pb2.RebuildParagraphResponse, path, {"text_version": text_version or ""})

    def delete(self, paragraph_id: str, *, etag: str = "", key: str | None = None) -> None:
        """Show it no more."""
        path = f"{_path(paragraph_id)}:delete"
        self._change(paragraphs_pb2.DeleteParagraphResponse, "POST", path, {}, key, etag)

    def _start(
        self, paragraph_id: str, verb: str, settings: Mapping[str, Any] | None, etag: str, key: str | None
    ) -> paragraphs_pb2.StartParagraphRunResponse:
        path, body = f"{_path(paragraph_id)}:{verb}", {"settings": dict(settings or {}), "etag": etag}
        return self._change(paragraphs_pb2.StartParagraphRunResponse, "POST", path, body, key)

    def _change(
        self, kind: type[M], verb: str, path: str, body: Mapping[str, Any], key: str | None, etag: str = ""
    ) -> M:
        return from_json(kind, self._transport.change(verb, path, body, key=key, etag=etag), tolerant=True)


def _path(paragraph_id: str) -> str:
    return f"/v1/paragraphs/{segment(paragraph_id)}"
