"""What is different between sources and between versions of bundles, and what that touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lace.ingest.v1 import diffs_pb2
from lace.provenance.v1 import provenance_pb2
from lace.runs.v1 import citations_pb2
from lace_client.transport import Transport, segment


class Diffs:
    """Diffs behind the API; see `LaceClient.diffs`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def summary(self, source_id: str, *, against: str = "") -> diffs_pb2.DiffSourcesResponse:
        """How many paragraphs, units and citations are different from another source: the version before where empty.

        The counts of citations are unset for who may not read documents.
        """
        return next(self.sources(source_id, against=against))

    def sources(
        self, source_id: str, *, against: str = "", level: str = "", context: int = 0, unchanged: bool = False
    ) -> Iterator[diffs_pb2.DiffSourcesResponse]:
        """The difference of a source from another, in pages; each names both sources and has the counts.

        At level document with so many unchanged paragraphs around each change; at extraction and impact with what did
        not change, if `unchanged`.
        """
        asked = {"against": against, "level": level, "context": context, "unchanged": _said(unchanged)}
        return self._transport.pages(diffs_pb2.DiffSourcesResponse, f"/v1/sources/{segment(source_id)}/diff", asked)

    def bundles(
        self, bundle_id: str, *, from_version: int = 0, to_version: int = 0, unchanged: bool = False
    ) -> Iterator[diffs_pb2.DiffBundlesResponse]:
        """The difference of two versions of a bundle in pages; 0 is the newest, and the one before it."""
        asked = {"from": from_version, "to": to_version, "unchanged": _said(unchanged)}
        return self._transport.pages(diffs_pb2.DiffBundlesResponse, f"/v1/bundles/{segment(bundle_id)}/diff", asked)

    def impact(
        self, source_id: str = "", *, to: str = "", artifact_id: str = "", unchanged: bool = False
    ) -> Iterator[provenance_pb2.GetImpactResponse]:
        """How citations stand, in pages: those of a source in another (its newest version where empty), or those of a
        document whose source has a newer version.
        """
        asked = {"from": source_id, "to": to, "artifact_id": artifact_id, "unchanged": _said(unchanged)}
        return self._transport.pages(provenance_pb2.GetImpactResponse, "/v1/provenance/impact", asked)

    def citations(
        self,
        source_ids: Sequence[str] = (),
        *,
        unit_ids: Sequence[str] = (),
        artifact_id: str = "",
        all_revisions: bool = False,
    ) -> Iterator[citations_pb2.Citation]:
        """Who cites these sources or units, or what a document cites; in the newest revision of each document."""
        asked = {"source_id": list(source_ids), "unit_id": list(unit_ids), "artifact_id": artifact_id}
        asked["all_revisions"] = _said(all_revisions)
        for page in self._transport.pages(citations_pb2.ListCitationsResponse, "/v1/citations", asked):
            yield from page.citations


def _said(value: bool) -> str:
    return "true" if value else ""
