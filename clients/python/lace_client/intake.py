"""Taking in documents by the hundred: what is there already, what lies in the inbox, what became of each file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lace.ingest.v1 import ingest_pb2, intake_pb2
from lace.runs.v1 import runs_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

_MANY = 1000


class Intake:
    """See `LaceClient.intake`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, files: Sequence[tuple[str, str]]) -> Iterator[ingest_pb2.Source]:
        """The sources that these files are, given by file name and SHA-256; what is not there is left out."""
        for start in range(0, len(files), _MANY):
            some = [{"filename": name, "sha256": sha256} for name, sha256 in files[start : start + _MANY]]
            answer = self._transport.ask("/v1/sources:find", {"files": some})
            yield from from_json(intake_pb2.FindSourcesResponse, answer, tolerant=True).sources

    def inbox(self, prefix: str = "") -> Iterator[intake_pb2.InboxObject]:
        """What somebody put into the store for you to take in, sorted by name."""
        for page in self._transport.pages(intake_pb2.ListInboxResponse, "/v1/sources:inbox", {"prefix": prefix}):
            yield from page.objects

    def start_import(
        self,
        prefix: str = "",
        *,
        labels: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> runs_pb2.StartRunResponse:
        """Start the run that takes in and reads the objects of the inbox whose names begin with the prefix."""
        body = {"prefix": prefix, "labels": list(labels), "settings": dict(settings or {})}
        answer = self._transport.change("POST", "/v1/sources:import", body, key=key)
        return from_json(runs_pb2.StartRunResponse, answer, tolerant=True)

    def files(self, run_id: str, *, state: str = "") -> Iterator[runs_pb2.RunFile]:
        """The files that a run reads, with what became of each so far; of one state where it is named."""
        path = f"/v1/runs/{segment(run_id)}/files"
        for page in self._transport.pages(runs_pb2.ListRunFilesResponse, path, {"state": state, "page_size": _MANY}):
            yield from page.files
