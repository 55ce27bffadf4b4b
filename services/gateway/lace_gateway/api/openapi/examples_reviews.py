"""The values that the API document shows of reviews; see examples."""

from __future__ import annotations

from typing import Any

_SENTENCE = "Buildings with new radiators reached a seasonal performance of 3.6 throughout."
_REWRITTEN = "Buildings with new radiators reached a seasonal performance of 3.6."
_REVIEWER = "prn_01kahx2v6d1f4h7k0m3p6s9v2x"
_WHY = "The survey's table says so for every building; I have it before me."

REVIEWS: dict[str, Any] = {
    "review_item_id": "rvi_5h8k1n4q7t0w3z6c9f2j5m8p1s",
    "artifact_title": "Heat pumps in old buildings",
    "ReviewItem.state": "open",
    "ReviewItem.text": _SENTENCE,
    "ReviewItem.verdict": "partially",
    "ReviewItem.reasons": "coverage: 86 of 100 content words, not in one statement",
    "ReviewItem.etag": "open-1",
    "ReviewItem.settled_by": "",
    "ReviewItem.reason": "",
    "ReviewItem.new_text": "",
    "ReviewItem.revision_id": "",
    "ReviewItem.assignee": _REVIEWER,
    "ReviewPlace.form": "paragraph",
    "preceding": "Eighteen buildings were measured over a year.",
    "ReviewEvidence.title": "Survey of heat pumps",
    "text_before": "Eighteen buildings were measured over a year. ",
    "text_after": " The others stayed below 3.",
    "ReviewEvidence.stands": True,
    "ReviewEvent.action": "assigned",
    "ReviewEvent.actor": "prn_01kahx2v7a3c6f9j2m5p8s1v4y",
    "ReviewEvent.reason": "Knows the buildings.",
    "ReviewEvent.detail": _REVIEWER,
    "ListReviewItemsRequest.state": "open",
    "ListReviewItemsRequest.verdict": "partially",
    "assignee": _REVIEWER,
    "RewriteReviewItemRequest.text": _REWRITTEN,
    "verifier": "rules/3",
    "LayerVerdict.layer": "coverage",
    "LayerVerdict.verdict": "partially",
    "LayerVerdict.finding": "86 of 100 content words, not in one statement",
    "review_items": 2,
}
REQUESTS: dict[str, Any] = {
    "AcceptReviewItem": {"reason": _WHY},
    "RejectReviewItem": {"reason": "Nothing in the survey says throughout."},
    "RewriteReviewItem": {"text": _REWRITTEN, "reason": "Throughout goes too far."},
    "AssignReviewItem": {"assignee": _REVIEWER, "reason": "Knows the buildings."},
}
