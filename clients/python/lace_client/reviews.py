"""What could not be decided, and deciding it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lace.common.v1 import ir_pb2
from lace.runs.v1 import reviews_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json, to_python


class Reviews:
    """The review queue behind the API; see `LaceClient.reviews`. Every method raises LaceApiError.

    `etag` decides about just the state of an item that was read; another's decision meanwhile is REVIEW_SETTLED.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        artifact_id: str = "",
        state: str = "",
        run_id: str = "",
        verdict: str = "",
        assignee: str = "",
        all_states: bool = False,
        paragraph_id: str = "",
    ) -> Iterator[reviews_pb2.ReviewItem]:
        """Items, newest first: open ones, where no state is named."""
        asked: dict[str, Any] = {
            "artifact_id": artifact_id, "state": state, "run_id": run_id, "verdict": verdict, "assignee": assignee,
            "paragraph_id": paragraph_id,
        }  # fmt: skip
        if all_states:
            asked["all_states"] = "true"
        for page in self._transport.pages(reviews_pb2.ListReviewItemsResponse, "/v1/reviews", asked):
            yield from page.items

    def get(self, review_item_id: str) -> reviews_pb2.ReviewItem:
        """An item with its evidence in the text around it, and all that was done about it."""
        return self._transport.read(reviews_pb2.ReviewItem, f"/v1/reviews/{segment(review_item_id)}")

    def accept(
        self, review_item_id: str, reason: str, *, base_revision_id: str = "", etag: str = "", key: str | None = None
    ) -> reviews_pb2.ReviewItem:
        """Put the sentence into the document on your word."""
        body = {"reason": reason, "base_revision_id": base_revision_id}
        return self._decide(review_item_id, "accept", body, etag, key)

    def reject(
        self, review_item_id: str, reason: str, *, etag: str = "", key: str | None = None
    ) -> reviews_pb2.ReviewItem:
        """Leave the sentence out for good."""
        return self._decide(review_item_id, "reject", {"reason": reason}, etag, key)

    def rewrite(
        self,
        review_item_id: str,
        text: str,
        reason: str,
        *,
        evidence: Sequence[ir_pb2.Evidence] = (),
        base_revision_id: str = "",
        etag: str = "",
        key: str | None = None,
    ) -> reviews_pb2.ReviewItem:
        """Put another wording in, which its evidence must support; the item's own evidence where none is given."""
        body = {
            "text": text, "reason": reason, "evidence": [to_python(piece) for piece in evidence],
            "base_revision_id": base_revision_id,
        }  # fmt: skip
        return self._decide(review_item_id, "rewrite", body, etag, key)

    def assign(
        self, review_item_id: str, assignee: str, *, reason: str = "", etag: str = "", key: str | None = None
    ) -> reviews_pb2.ReviewItem:
        """Say who is to decide; an empty id takes it back."""
        return self._decide(review_item_id, "assign", {"assignee": assignee, "reason": reason}, etag, key)

    def _decide(
        self, review_item_id: str, verb: str, body: Mapping[str, Any], etag: str, key: str | None
    ) -> reviews_pb2.ReviewItem:
        path = f"/v1/reviews/{segment(review_item_id)}:{verb}"
        given = {name: value for name, value in body.items() if value}
        answer = self._transport.change("POST", path, given, key=key, etag=etag)
        return from_json(reviews_pb2.ReviewItem, answer, tolerant=True)
