"""What sources state, one claim each, with the words that state it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

from lace.ingest.v1 import facts_pb2
from lace.runs.v1 import runs_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

M = TypeVar("M", bound=Message)


class Facts:
    """The facts behind the API; see `LaceClient.facts`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        source_id: str,
        *,
        state: str = "",
        origin: str = "",
        unit_id: str = "",
        min_confidence: int = 0,
        contains: str = "",
    ) -> Iterator[facts_pb2.Fact]:
        """Facts of a source in the order in which they stand there: active ones, where no state is named."""
        asked = {
            "state": state, "origin": origin, "unit_id": unit_id, "min_confidence": min_confidence,
            "contains": contains,
        }  # fmt: skip
        path = f"/v1/sources/{segment(source_id)}/facts"
        for page in self._transport.pages(facts_pb2.ListFactsResponse, path, asked):
            yield from page.facts

    def get(self, fact_id: str) -> facts_pb2.Fact:
        """A fact, retired ones too."""
        return self._transport.read(facts_pb2.Fact, f"/v1/facts/{segment(fact_id)}")

    def create(
        self,
        source_id: str,
        unit_id: str,
        statement: str,
        *,
        start: int,
        end: int,
        quote: str,
        confidence: int | None = None,
        key: str | None = None,
    ) -> facts_pb2.Fact:
        """State a fact: `quote` must stand at `start` to `end` (code points) of the unit, and support the statement."""
        body: dict[str, Any] = {
            "unit_id": unit_id, "statement": statement, "start": start, "end": end, "quote": quote,
        }  # fmt: skip
        if confidence is not None:
            body["confidence"] = confidence
        return self._change(facts_pb2.Fact, f"/v1/sources/{segment(source_id)}/facts", body, key)

    def retire(self, fact_id: str, *, key: str | None = None) -> facts_pb2.Fact:
        """Take a fact out of use; it stays readable by its id."""
        return self._change(facts_pb2.Fact, f"/v1/facts/{segment(fact_id)}:retire", {}, key)

    def extract(
        self, source_id: str, *, settings: Mapping[str, Any] | None = None, key: str | None = None
    ) -> runs_pb2.StartRunResponse:
        """Start the run that takes facts out of a source (`watch_run` it)."""
        path = f"/v1/sources/{segment(source_id)}/facts:extract"
        return self._change(runs_pb2.StartRunResponse, path, {"settings": dict(settings or {})}, key)

    def _change(self, kind: type[M], path: str, body: Mapping[str, Any], key: str | None) -> M:
        return from_json(kind, self._transport.change("POST", path, body, key=key), tolerant=True)
