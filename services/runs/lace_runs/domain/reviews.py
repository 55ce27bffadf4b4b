"""The life of a review item as one table, and the values that describe one.

An item is open from the commit of the run that kept its sentence out until a person decides, or until a later change
of its place makes the question moot. A settled item never changes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Evidence, Source
from lace_core.paragraphs.support import verdict_of
from lace_core.reviewing import Place, Withheld
from lace_core.verification.verdicts import Verdict
from lace_core.writing import SentenceVerdict
from lace_runs.domain.paragraphs.records import Paragraph, Text


class ReviewState(StrEnum):
    """Where a review item is in its life."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REWRITTEN = "rewritten"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    """What moves a review item; all but the last are a person's."""

    ASSIGN = "assign"
    ACCEPT = "accept"
    REJECT = "reject"
    REWRITE = "rewrite"
    SUPERSEDE = "supersede"


# Every transition there is; a pair that is not here is refused.
TRANSITIONS: Mapping[tuple[ReviewState, Decision], ReviewState] = {
    (ReviewState.OPEN, Decision.ASSIGN): ReviewState.OPEN,
    (ReviewState.OPEN, Decision.ACCEPT): ReviewState.ACCEPTED,
    (ReviewState.OPEN, Decision.REJECT): ReviewState.REJECTED,
    (ReviewState.OPEN, Decision.REWRITE): ReviewState.REWRITTEN,
    (ReviewState.OPEN, Decision.SUPERSEDE): ReviewState.SUPERSEDED,
}

# What the history says was done.
DONE: Mapping[Decision, str] = {
    Decision.ASSIGN: "assigned",
    Decision.ACCEPT: "accepted",
    Decision.REJECT: "rejected",
    Decision.REWRITE: "rewritten",
    Decision.SUPERSEDE: "superseded",
}
CREATED = "created"

# Worse verdicts say that the evidence speaks against the sentence, or of something else: nobody can vouch for that.
_ACCEPTABLE = frozenset({Verdict.PARTIALLY, Verdict.SUPPORTED})


@dataclass(frozen=True, kw_only=True)
class ReviewItem:
    """A sentence that could not be decided; `version` counts what was done about it, `labels` are its sources'.

    It is of a document, or where `paragraph_id` is set of a paragraph, which need not be of a document. `revision_id`
    is the revision that the decision made, or that superseded the item.
    """

    tenant_id: str
    review_item_id: str
    artifact_id: str
    run_id: str
    node_title: str
    verdict: SentenceVerdict
    place: Place
    evidence: tuple[Evidence, ...]
    sources: tuple[Source, ...]
    created_by: str
    created_at: datetime
    labels: tuple[str, ...] = ()
    state: ReviewState = ReviewState.OPEN
    version: int = 1
    assignee: str = ""
    settled_by: str = ""
    settled_at: datetime | None = None
    reason: str = ""
    new_text: str = ""
    revision_id: str = ""
    artifact_title: str = ""
    paragraph_id: str = ""

    @property
    def etag(self) -> str:
        """Names the item's state."""
        return f"{self.state.value}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class ReviewEvent:
    """Something that was done about an item."""

    action: str
    actor: str
    at: datetime
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which items a list holds; an empty filter holds for all. `labels` are the caller's."""

    labels: frozenset[str]
    artifact_id: str = ""
    state: str = ""
    run_id: str = ""
    verdict: str = ""
    assignee: str = ""
    paragraph_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the sentences of a run come from: run, document, who asked, when, the sections' titles, the sources."""

    tenant_id: str
    artifact_id: str
    run_id: str
    principal_id: str
    at: datetime
    titles: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)


def item_of(withheld: Withheld, origin: Origin) -> ReviewItem:
    """The item of a sentence; one for each sentence and place of a run, however often the run makes it."""
    place, verdict = withheld.place, withheld.verdict
    at = sha256_hex("\n".join(place.preceding).encode())
    cited = dict.fromkeys(piece.source_id for piece in withheld.evidence)
    sources = tuple(origin.sources[source_id] for source_id in cited if source_id in origin.sources)
    return ReviewItem(
        tenant_id=origin.tenant_id,
        review_item_id=derive("rvi", origin.artifact_id, origin.run_id, place.key, at, verdict.text),
        artifact_id=origin.artifact_id,
        run_id=origin.run_id,
        node_title=origin.titles.get(place.node_id, ""),
        verdict=verdict,
        place=place,
        evidence=withheld.evidence,
        sources=sources,
        labels=tuple(sorted({label for source in sources for label in source.labels})),
        created_by=origin.principal_id,
        created_at=origin.at,
    )


def item_of_paragraph(
    paragraph: Paragraph, text: Text, at: int, sources: Sequence[Source], actor: str, now: datetime
) -> ReviewItem:
    """The item of the sentence at that place of a paragraph's text; one for the same words of the same sentence."""
    sentence = text.sentences[at]
    cited = {link.evidence.source_id for link in sentence.links}
    evidence = {link.evidence.evidence_id: link.evidence for link in sentence.links}
    own = tuple(source for source in sources if source.source_id in cited)
    before = tuple(earlier.text for earlier in text.sentences[:at])
    return ReviewItem(
        tenant_id=paragraph.tenant_id,
        review_item_id=derive("rvi", paragraph.paragraph_id, sentence.sentence_id, sentence.text),
        artifact_id=paragraph.artifact_id,
        paragraph_id=paragraph.paragraph_id,
        run_id=text.making.run_id,
        node_title=paragraph.spec.section or paragraph.spec.title,
        verdict=verdict_of(sentence),
        place=Place(node_id="", block_id="", form="paragraph", key="", blocks=(), preceding=before),
        evidence=tuple(evidence.values()),
        sources=own,
        labels=paragraph.labels,
        created_by=actor,
        created_at=now,
    )


def decided(item: ReviewItem, decision: Decision, actor: str, at: datetime, reason: str) -> ReviewItem:
    """The item after a decision; raises LaceError REVIEW_SETTLED, which says what happened, for a settled one."""
    state = TRANSITIONS.get((item.state, decision))
    if state is None:
        raise LaceError(Reason.REVIEW_SETTLED, _settled(item))
    moved = replace(item, state=state, version=item.version + 1)
    if state is ReviewState.OPEN:
        return moved
    return replace(moved, settled_by=actor, settled_at=at, reason=reason)


def require_etag(item: ReviewItem, etag: str) -> None:
    """Raises LaceError REVIEW_SETTLED where it was decided since it was read, ETAG_MISMATCH for another change."""
    if etag in ("", item.etag):
        return
    if item.state is not ReviewState.OPEN:
        raise LaceError(Reason.REVIEW_SETTLED, _settled(item))
    raise LaceError(Reason.ETAG_MISMATCH, f"{item.review_item_id} changed since you read it; read it again.")


def require_acceptable(verdict: str) -> None:
    """Raises LaceError REVIEW_NOT_ACCEPTABLE for what nobody can vouch for."""
    if Verdict.of(verdict) in _ACCEPTABLE:
        return
    why = "contradicts it" if verdict == Verdict.CONTRADICTED.word else "does not support it"
    raise LaceError(Reason.REVIEW_NOT_ACCEPTABLE, f"The evidence {why}; rewrite or reject it.")


def _settled(item: ReviewItem) -> str:
    by = f" by {item.settled_by}" if item.settled_by else " by a later change"
    at = f" at {item.settled_at:%Y-%m-%d %H:%M} UTC" if item.settled_at else ""
    why = f": {item.reason!r}" if item.reason else ""
    return f"{item.review_item_id} was {item.state.value}{by}{at}{why}."
