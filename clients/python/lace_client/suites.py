"""Tests of documents, and publishing what passes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from lace.runs.v1 import publications_pb2, suites_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

M = TypeVar("M", bound=Message)


class Suites:
    """Suites, tests and publications behind the API; see `LaceClient.suites`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, text: str, *, key: str | None = None) -> suites_pb2.Suite:
        """Keep a suite (YAML) as the next version of its name; the same text again is the same version."""
        return self._change(suites_pb2.Suite, "/v1/suites", {"text": text}, key)

    def list(self) -> Iterator[suites_pb2.Suite]:
        """The newest version of each suite by name, without texts."""
        for page in self._transport.pages(suites_pb2.ListSuitesResponse, "/v1/suites"):
            yield from page.suites

    def get(self, name: str, version: int = 0) -> suites_pb2.Suite:
        """A version of a suite with its text, the newest where 0."""
        return self._transport.read(suites_pb2.Suite, f"/v1/suites/{segment(name)}", {"version": version})

    def test(
        self,
        artifact_id: str,
        *,
        suite: str = "",
        suite_version: int = 0,
        text: str = "",
        revision_id: str = "",
        key: str | None = None,
    ) -> suites_pb2.DocumentTest:
        """Test a revision (the head where empty) by a suite that is kept, or by the text of one."""
        body = {"suite": suite, "suite_version": suite_version, "text": text, "revision_id": revision_id}
        return self._change(suites_pb2.DocumentTest, f"{_artifact(artifact_id)}/tests", body, key)

    def tests(self, artifact_id: str, *, revision_id: str = "", suite: str = "") -> Iterator[suites_pb2.DocumentTest]:
        """Tests of a document, newest first, without their checks."""
        asked = {"revision_id": revision_id, "suite": suite}
        path = f"{_artifact(artifact_id)}/tests"
        for page in self._transport.pages(suites_pb2.ListDocumentTestsResponse, path, asked):
            yield from page.tests

    def result(self, artifact_id: str, test_id: str) -> suites_pb2.DocumentTest:
        """A test with what came of each check."""
        return self._transport.read(suites_pb2.DocumentTest, f"{_artifact(artifact_id)}/tests/{segment(test_id)}")

    def junit(self, artifact_id: str, test_id: str) -> bytes:
        """The same as JUnit XML."""
        return self._transport.get(f"{_artifact(artifact_id)}/tests/{segment(test_id)}/junit.xml")

    def publish(
        self,
        artifact_id: str,
        *,
        revision_id: str = "",
        suites: Sequence[str] = (),
        refuse_stale: bool = False,
        note: str = "",
        key: str | None = None,
    ) -> publications_pb2.Publication:
        """Publish a revision (the head where empty) that passes these suites and what the policy asks for."""
        body = {
            "revision_id": revision_id, "suites": list(suites), "refuse_stale": refuse_stale, "note": note,
        }  # fmt: skip
        return self._change(publications_pb2.Publication, f"{_artifact(artifact_id)}:publish", body, key)

    def publications(self, artifact_id: str) -> Iterator[publications_pb2.Publication]:
        """Publications of a document, newest first, withdrawn ones too."""
        path = f"{_artifact(artifact_id)}/publications"
        for page in self._transport.pages(publications_pb2.ListPublicationsResponse, path):
            yield from page.publications

    def publication(self, artifact_id: str, publication_id: str) -> publications_pb2.Publication:
        """A publication."""
        path = f"{_artifact(artifact_id)}/publications/{segment(publication_id)}"
        return self._transport.read(publications_pb2.Publication, path)

    def withdraw(
        self, artifact_id: str, publication_id: str, reason: str, *, key: str | None = None
    ) -> publications_pb2.Publication:
        """Withdraw a publication."""
        path = f"{_artifact(artifact_id)}/publications/{segment(publication_id)}:withdraw"
        return self._change(publications_pb2.Publication, path, {"reason": reason}, key)

    def _change(self, kind: type[M], path: str, body: Mapping[str, Any], key: str | None) -> M:
        return from_json(kind, self._transport.change("POST", path, body, key=key), tolerant=True)


def _artifact(artifact_id: str) -> str:
    return f"/v1/artifacts/{segment(artifact_id)}"
