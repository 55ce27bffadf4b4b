"""Between review items and their wire messages."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lace.common.v1 import ir_pb2
from lace.runs.v1 import reviews_pb2 as wire
from lace.runs.v1 import verdicts_pb2
from lace_core.ir import Evidence
from lace_proto import json as wire_json
from lace_proto.times import to_timestamp
from lace_runs.app.reviews.deciding import Asked
from lace_runs.app.reviews.reading import ShownItem, Surroundings
from lace_runs.domain.reviews import ReviewEvent, ReviewItem, ReviewState, Wanted


def wanted_of(request: wire.ListReviewItemsRequest, labels: frozenset[str]) -> Wanted:
    """What a ListReviewItemsRequest asks, for who holds these labels."""
    return Wanted(
        labels=labels,
        artifact_id=request.artifact_id,
        state="" if request.all_states else state_of(request.state),
        run_id=request.run_id,
        verdict=request.verdict,
        assignee=request.assignee,
        paragraph_id=request.paragraph_id,
    )


def state_of(value: wire.ReviewState.ValueType) -> str:
    """The state's name; open where it is not set."""
    if value == wire.REVIEW_STATE_UNSPECIFIED:
        return ReviewState.OPEN.value
    return wire.ReviewState.Name(value).removeprefix("REVIEW_STATE_").lower()


def accept_of(request: wire.AcceptReviewItemRequest) -> Asked:
    """What an AcceptReviewItemRequest asks."""
    return Asked(
        review_item_id=request.review_item_id,
        reason=request.reason,
        etag=request.etag,
        base_revision_id=request.base_revision_id,
    )


def reject_of(request: wire.RejectReviewItemRequest) -> Asked:
    """What a RejectReviewItemRequest asks."""
    return Asked(review_item_id=request.review_item_id, reason=request.reason, etag=request.etag)


def rewrite_of(request: wire.RewriteReviewItemRequest) -> Asked:
    """What a RewriteReviewItemRequest asks."""
    return Asked(
        review_item_id=request.review_item_id,
        reason=request.reason,
        etag=request.etag,
        base_revision_id=request.base_revision_id,
        text=request.text,
        evidence=tuple(msgspec.convert(wire_json.to_python(piece), Evidence) for piece in request.evidence),
    )


def assign_of(request: wire.AssignReviewItemRequest) -> Asked:
    """What an AssignReviewItemRequest asks."""
    return Asked(
        review_item_id=request.review_item_id, reason=request.reason, etag=request.etag, assignee=request.assignee
    )


def shown_message(shown: ShownItem) -> wire.ReviewItem:
    """An item on the wire with its history and the text around its quotes."""
    message = item_message(shown.item, shown.surroundings)
    message.history.extend(_event_message(event) for event in shown.history)
    return message


def item_message(item: ReviewItem, surroundings: Mapping[str, Surroundings] | None = None) -> wire.ReviewItem:
    """An item on the wire as lists have it."""
    verdict, place = item.verdict, item.place
    message = wire.ReviewItem(
        review_item_id=item.review_item_id,
        artifact_id=item.artifact_id,
        artifact_title=item.artifact_title,
        paragraph_id=item.paragraph_id,
        run_id=item.run_id,
        state=wire.ReviewState.Value(f"REVIEW_STATE_{item.state.name}"),
        text=verdict.text,
        verdict=verdict.verdict,
        reasons=verdict.reasons,
        layers=[verdicts_pb2.LayerVerdict(**msgspec.structs.asdict(layer)) for layer in verdict.layers],
        place=wire.ReviewPlace(
            node_id=place.node_id,
            node_title=item.node_title,
            block_id=place.block_id,
            form=place.form,
            preceding=place.preceding,
        ),
        evidence=_evidence_messages(item, surroundings or {}),
        assignee=item.assignee,
        etag=item.etag,
        settled_by=item.settled_by,
        reason=item.reason,
        new_text=item.new_text,
        revision_id=item.revision_id,
    )
    message.created_at.CopyFrom(to_timestamp(item.created_at))
    if item.settled_at is not None:
        message.settled_at.CopyFrom(to_timestamp(item.settled_at))
    return message


def _evidence_messages(item: ReviewItem, surroundings: Mapping[str, Surroundings]) -> list[wire.ReviewEvidence]:
    sources = {source.source_id: source for source in item.sources}
    found = []
    for piece in item.evidence:
        around = surroundings.get(piece.evidence_id, Surroundings())
        source = sources.get(piece.source_id)
        found.append(
            wire.ReviewEvidence(
                evidence=ir_pb2.Evidence(**{name: getattr(piece, name) for name in piece.__struct_fields__}),
                filename=source.filename if source else "",
                title=source.title if source else "",
                text_before=around.before,
                text_after=around.after,
                stands=around.stands,
            )
        )
    return found


def _event_message(event: ReviewEvent) -> wire.ReviewEvent:
    message = wire.ReviewEvent(action=event.action, actor=event.actor, reason=event.reason, detail=event.detail)
    message.at.CopyFrom(to_timestamp(event.at))
    return message
