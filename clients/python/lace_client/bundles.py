"""Named sets of sources, each change of which is a version that stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lace.ingest.v1 import bundles_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

_PATH = "/v1/bundles"


class Bundles:
    """The bundles behind the API, by id or name; see `LaceClient.bundles`. Every method raises LaceApiError.

    `expected_version` is the newest version that you know of: where the bundle has another by now, the change is
    refused with BUNDLE_CONFLICT.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        name: str,
        source_ids: Sequence[str] = (),
        *,
        description: str = "",
        labels: Sequence[str] = (),
        private: bool = False,
        note: str = "",
        key: str | None = None,
    ) -> bundles_pb2.Bundle:
        """Make a bundle, with a first version where sources are named."""
        body = {
            "name": name, "description": description, "labels": list(labels), "private": private,
            "source_ids": list(source_ids), "note": note,
        }  # fmt: skip
        answer = self._transport.change("POST", _PATH, body, key=key)
        return from_json(bundles_pb2.Bundle, answer, tolerant=True)

    def get(self, bundle: str) -> bundles_pb2.Bundle:
        """A bundle with its newest version."""
        return self._transport.read(bundles_pb2.Bundle, f"{_PATH}/{segment(bundle)}")

    def list(self) -> Iterator[bundles_pb2.Bundle]:
        """All bundles that you may see, by name."""
        for page in self._transport.pages(bundles_pb2.ListBundlesResponse, _PATH):
            yield from page.bundles

    def set(self, bundle: str, source_ids: Sequence[str], **more: Any) -> bundles_pb2.BundleVersion:
        """The version whose sources are just these; `more` is expected_version, note, key."""
        return self._change(bundle, "/versions", {"source_ids": list(source_ids)}, **more)

    def add(self, bundle: str, source_ids: Sequence[str], **more: Any) -> bundles_pb2.BundleVersion:
        """The version with these sources too, the newest where it has them; `more` is expected_version, note, key."""
        return self._change(bundle, "/versions", {"add": list(source_ids)}, **more)

    def remove(self, bundle: str, source_ids: Sequence[str], **more: Any) -> bundles_pb2.BundleVersion:
        """The version without these sources; `more` is expected_version, note, key."""
        return self._change(bundle, "/versions", {"remove": list(source_ids)}, **more)

    def refresh(self, bundle: str, **more: Any) -> bundles_pb2.BundleVersion:
        """The version with the newest of each document; `more` is expected_version, note, key."""
        return self._change(bundle, ":refresh", {}, **more)

    def get_version(self, bundle: str, version: int) -> bundles_pb2.BundleVersion:
        """A version of a bundle; 0 is the newest."""
        return self._transport.read(bundles_pb2.BundleVersion, f"{_PATH}/{segment(bundle)}/versions/{version}")

    def list_versions(self, bundle: str) -> Iterator[bundles_pb2.BundleVersion]:
        """The versions of a bundle, newest first."""
        path = f"{_PATH}/{segment(bundle)}/versions"
        for page in self._transport.pages(bundles_pb2.ListBundleVersionsResponse, path):
            yield from page.versions

    def _change(
        self,
        bundle: str,
        verb: str,
        body: Mapping[str, Any],
        *,
        expected_version: int | None = None,
        note: str = "",
        key: str | None = None,
    ) -> bundles_pb2.BundleVersion:
        more: dict[str, Any] = {"note": note}
        if expected_version is not None:
            more["expected_version"] = expected_version
        answer = self._transport.change("POST", f"{_PATH}/{segment(bundle)}{verb}", {**body, **more}, key=key)
        return from_json(bundles_pb2.BundleVersion, answer, tolerant=True)
