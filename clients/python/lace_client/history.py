"""The history of documents: differences, logs, who wrote which sentence, branches, merges and tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lace.runs.v1 import history_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json


class History:
    """Git for documents behind the API; see `LaceClient.history`. Every method raises LaceApiError.

    A `ref` is the id of a committed revision, a branch or a tag; main where it is empty.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def diff(
        self, artifact_id: str, *, before: str = "", after: str = "", node_id: str = "", level: str = ""
    ) -> Iterator[history_pb2.DiffArtifactResponse]:
        """The difference of two refs in pages: of `after` and the revision before it where `before` is empty.

        `level` is how close to look: node, block or sentence.
        """
        asked = {"from": before, "to": after, "node_id": node_id, "level": level}
        return self._transport.pages(history_pb2.DiffArtifactResponse, _path(artifact_id, "/diff"), asked)

    def diff_page(
        self, artifact_id: str, form: str, *, before: str = "", after: str = "", node_id: str = "", level: str = ""
    ) -> str:
        """The same as one page to read: form html or markdown, at most a thousand differences."""
        asked = {"from": before, "to": after, "node_id": node_id, "level": level, "format": form, "page_size": 1000}
        return self._transport.get(_path(artifact_id, "/diff"), asked).decode()

    def log(self, artifact_id: str, *, ref: str = "", subject_id: str = "") -> Iterator[history_pb2.LogEntry]:
        """The revisions that led to a ref, newest first; of a section or block, those that changed it."""
        asked = {"ref": ref, "subject_id": subject_id}
        for page in self._transport.pages(history_pb2.LogArtifactResponse, _path(artifact_id, "/log"), asked):
            yield from page.entries

    def blame(self, artifact_id: str, *, ref: str = "", node_id: str = "") -> Iterator[history_pb2.BlameLine]:
        """Of every sentence the revision, run or person behind it, its evidence and its verdict."""
        asked = {"ref": ref, "node_id": node_id}
        for page in self._transport.pages(history_pb2.BlameArtifactResponse, _path(artifact_id, "/blame"), asked):
            yield from page.lines

    def branches(self, artifact_id: str) -> Iterator[history_pb2.Branch]:
        """The branches by name, main first."""
        for page in self._transport.pages(history_pb2.ListBranchesResponse, _path(artifact_id, "/branches")):
            yield from page.branches

    def branch(self, artifact_id: str, name: str) -> history_pb2.Branch:
        """A branch."""
        return self._transport.read(history_pb2.Branch, _path(artifact_id, f"/branches/{segment(name)}"))

    def create_branch(
        self, artifact_id: str, name: str, *, ref: str = "", key: str | None = None
    ) -> history_pb2.Branch:
        """Begin a branch at a ref."""
        body = {"name": name, **({"from": ref} if ref else {})}
        answer = self._transport.change("POST", _path(artifact_id, "/branches"), body, key=key)
        return from_json(history_pb2.Branch, answer, tolerant=True)

    def delete_branch(
        self, artifact_id: str, name: str, *, force: bool = False, key: str | None = None
    ) -> history_pb2.Branch:
        """Delete a branch; its revisions stay. `force` where main does not have all of them."""
        path = _path(artifact_id, f"/branches/{segment(name)}") + ("?force=true" if force else "")
        return from_json(history_pb2.Branch, self._transport.change("DELETE", path, {}, key=key), tolerant=True)

    def merge(
        self,
        artifact_id: str,
        ref: str,
        *,
        into: str = "",
        message: str = "",
        resolutions: Sequence[Mapping[str, Any]] = (),
        dry_run: bool = False,
        etag: str = "",
        key: str | None = None,
    ) -> history_pb2.MergeArtifactResponse:
        """Merge a ref into a branch. With conflicts nothing is changed: send it again with a resolution for each.

        A resolution is {"conflict_id", "choice": "ours", "theirs" or "value", "value"}.
        """
        body: dict[str, Any] = {"from": ref}
        given = {"into": into, "message": message, "resolutions": [dict(one) for one in resolutions]}
        body.update({name: value for name, value in given.items() if value})
        if dry_run:
            body["dry_run"] = True
        answer = self._transport.change("POST", _path(artifact_id, ":merge"), body, key=key, etag=etag)
        return from_json(history_pb2.MergeArtifactResponse, answer, tolerant=True)

    def tags(self, artifact_id: str) -> Iterator[history_pb2.Tag]:
        """The tags by name."""
        for page in self._transport.pages(history_pb2.ListTagsResponse, _path(artifact_id, "/tags")):
            yield from page.tags

    def create_tag(
        self, artifact_id: str, name: str, *, ref: str = "", message: str = "", key: str | None = None
    ) -> history_pb2.Tag:
        """Give a revision a name that stays with it."""
        given = {"name": name, "ref": ref, "message": message}
        body = {name: value for name, value in given.items() if value}
        answer = self._transport.change("POST", _path(artifact_id, "/tags"), body, key=key)
        return from_json(history_pb2.Tag, answer, tolerant=True)

    def delete_tag(self, artifact_id: str, name: str, *, key: str | None = None) -> history_pb2.Tag:
        """Delete a tag; the revision stays."""
        path = _path(artifact_id, f"/tags/{segment(name)}")
        return from_json(history_pb2.Tag, self._transport.change("DELETE", path, {}, key=key), tolerant=True)


def _path(artifact_id: str, rest: str) -> str:
    return f"/v1/artifacts/{segment(artifact_id)}{rest}"
