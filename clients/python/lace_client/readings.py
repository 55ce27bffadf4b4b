"""What became of a source: its versions, how it was read, its units, and the exact words of a citation."""

from __future__ import annotations

from collections.abc import Iterator

from lace.ingest.v1 import ingest_pb2
from lace_client.transport import Transport, segment


class Readings:
    """Versions, extractions and units behind the API; see `LaceClient.readings`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def versions(self, source_id: str) -> Iterator[ingest_pb2.Source]:
        """The versions of the document that a source belongs to, newest first."""
        path = f"/v1/sources/{segment(source_id)}/versions"
        for page in self._transport.pages(ingest_pb2.ListSourceVersionsResponse, path, {}):
            yield from page.sources

    def extractions(self, source_id: str) -> Iterator[ingest_pb2.Extraction]:
        """How a source was read so far, newest first."""
        path = f"/v1/sources/{segment(source_id)}/extractions"
        for page in self._transport.pages(ingest_pb2.ListExtractionsResponse, path, {}):
            yield from page.extractions

    def units(self, source_id: str, *, extraction: str = "") -> Iterator[ingest_pb2.Unit]:
        """The units of a source in reading order: of its present extraction, or of another."""
        path, parameters = f"/v1/sources/{segment(source_id)}/units", {"extraction": extraction}
        for page in self._transport.pages(ingest_pb2.ListUnitsResponse, path, parameters):
            yield from page.units

    def unit(self, unit_id: str) -> ingest_pb2.LocatedUnit:
        """A unit of any extraction, with its source."""
        return self._transport.read(ingest_pb2.LocatedUnit, f"/v1/units/{segment(unit_id)}")

    def quote(self, unit_id: str, *, start: int = 0, end: int = 0, quote_hash: str = "") -> ingest_pb2.Quote:
        """The exact words of a span of a unit, to its end where `end` is 0; whether they have that hash."""
        parameters = {"start": start, "end": end, "quote_hash": quote_hash}
        return self._transport.read(ingest_pb2.Quote, f"/v1/units/{segment(unit_id)}/quote", parameters)
