"""Deciding what the verification could not: by a person, once, recorded, and through deterministic apply alone."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from lace_core.actions import Proposal
from lace_core.apply import Applied, Policy, Rejection, apply
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Artifact, Evidence
from lace_core.merkle import ir_hash
from lace_core.policies.holding import broken
from lace_core.policies.in_force import PolicyInForce
from lace_core.reviewing import restored, with_sources
from lace_core.validate import Finding
from lace_core.verification.grounding import verify
from lace_core.verification.standing import quotes_of
from lace_core.verification.verdicts import Acceptance, Judged, Verdict
from lace_core.writing import SentenceVerdict
from lace_runs.app import audit
from lace_runs.app.artifacts import misquoted, revision_of
from lace_runs.app.artifacts import show as show_document
from lace_runs.app.paragraphs import reviewing
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.app.reviews.reading import unit_texts, visible
from lace_runs.app.source_ports import Sources
from lace_runs.domain.artifacts import Staging
from lace_runs.domain.reviews import DONE, Decision, ReviewEvent, ReviewItem, decided, require_acceptable, require_etag

_LOCK_S = 30


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A decision that a person asks for; etag and base revision are empty where any will do.

    `text` and `evidence` are of a rewrite, `assignee` of an assignment.
    """

    review_item_id: str
    reason: str = ""
    etag: str = ""
    base_revision_id: str = ""
    text: str = ""
    evidence: tuple[Evidence, ...] = ()
    assignee: str = ""


async def accept(work: UnitOfWork, sources: Sources, caller: Caller, asked: Asked, now: datetime) -> ReviewItem:
    """Put the sentence in on the caller's word; the caller commits.

    Raises LaceError REVIEW_ITEM_NOT_FOUND, REVIEW_SETTLED, REVIEW_NOT_ACCEPTABLE, REVIEW_EVIDENCE_GONE, REVIEW_PLACE_*,
    ETAG_MISMATCH, REVISION_CONFLICT, ARTIFACT_LOCKED, IR_INVALID.
    """
    item, moved = await _held(work, caller, asked, Decision.ACCEPT, now, writes=True)
    require_acceptable(item.verdict.verdict)
    # What the rules of today refute nobody vouches for, whatever they said when the run kept it out.
    judged = await _verified(item.verdict.text, item.evidence)
    require_acceptable(judged.verdict.word)
    await _require_quotes(sources, item.evidence)
    if item.paragraph_id:
        await reviewing.accept(work, caller, await reviewing.held(work, caller, item), item, asked.reason, now)
        return await _keep(work, caller, Decision.ACCEPT, moved, asked, now)
    vouched = Acceptance(accepted_by=caller.principal_id, accepted_at=now.isoformat(), reason=asked.reason)
    verdict = msgspec.structs.replace(item.verdict, acceptance=vouched)
    revision_id = await _put_in(work, caller, asked, item, verdict, item.evidence, now)
    return await _keep(work, caller, Decision.ACCEPT, replace(moved, revision_id=revision_id), asked, now)


async def rewrite(work: UnitOfWork, sources: Sources, caller: Caller, asked: Asked, now: datetime) -> ReviewItem:
    """Put another wording in, which its evidence supports; the caller commits.

    Raises LaceError REVIEW_NOT_SUPPORTED with what each layer found, and the others that `accept` raises.
    """
    item, moved = await _held(work, caller, asked, Decision.REWRITE, now, writes=True)
    text = unicodedata.normalize("NFC", " ".join(asked.text.split()))
    if item.paragraph_id:
        return await _reworded(work, sources, caller, asked, item, replace(moved, new_text=text), now)
    evidence = asked.evidence or item.evidence
    if asked.evidence:
        await _require_exact(sources, evidence)
    else:
        await _require_quotes(sources, evidence)
    judged = await _verified(text, evidence)
    if judged.verdict is not Verdict.SUPPORTED:
        raise _not_supported(judged)
    verdict = SentenceVerdict(
        sentence_id=item.verdict.sentence_id,
        text=text,
        fact_ids=(),
        verdict=judged.verdict.word,
        reasons=judged.reasons,
        layers=judged.layers,
    )
    revision_id = await _put_in(work, caller, asked, item, verdict, evidence, now)
    return await _keep(
        work, caller, Decision.REWRITE, replace(moved, new_text=text, revision_id=revision_id), asked, now
    )


async def _reworded(
    work: UnitOfWork,
    sources: Sources,
    caller: Caller,
    asked: Asked,
    item: ReviewItem,
    moved: ReviewItem,
    now: datetime,
) -> ReviewItem:
    """The same for a sentence of a paragraph, which rests on the facts that it cites and no others."""
    if asked.evidence:
        problem = "a sentence of a paragraph rests on its facts; leave it out"
        raise LaceError(Reason.INVALID_ARGUMENT, f"/evidence: {problem}.", details=[Detail("/evidence", problem)])
    await _require_quotes(sources, item.evidence)
    paragraph = await reviewing.held(work, caller, item)
    refused = await reviewing.rewrite(work, caller, paragraph, item, moved.new_text, now)
    if refused is not None:
        raise _not_supported(refused)
    return await _keep(work, caller, Decision.REWRITE, moved, asked, now)


async def reject(work: UnitOfWork, caller: Caller, asked: Asked, now: datetime) -> ReviewItem:
    """Leave the sentence out for good; the caller commits. Raises LaceError REVIEW_*, ETAG_MISMATCH."""
    _, moved = await _held(work, caller, asked, Decision.REJECT, now)
    return await _keep(work, caller, Decision.REJECT, moved, asked, now)


async def assign(work: UnitOfWork, caller: Caller, asked: Asked, now: datetime) -> ReviewItem:
    """Say who is to decide; the caller commits. Raises LaceError REVIEW_*, ETAG_MISMATCH."""
    _, moved = await _held(work, caller, asked, Decision.ASSIGN, now)
    return await _keep(work, caller, Decision.ASSIGN, replace(moved, assignee=asked.assignee), asked, now)


async def _held(
    work: UnitOfWork, caller: Caller, asked: Asked, decision: Decision, now: datetime, *, writes: bool = False
) -> tuple[ReviewItem, ReviewItem]:
    """The item, which nobody else decides about meanwhile, as it is and as the decision leaves it."""
    seen = await visible(work, caller, asked.review_item_id)
    require_etag(seen, asked.etag)
    decided(seen, decision, caller.principal_id, now, asked.reason)
    if writes and seen.paragraph_id:
        await reviewing.held(work, caller, seen)  # before the item, as whoever writes a paragraph has them
    elif writes:
        # Before the item, as whoever commits a document has them in this order; else two could wait for each other.
        await work.artifacts.lock(caller.tenant_id, seen.artifact_id, _owner(caller), _LOCK_S)
    item = await work.reviews.hold(caller.tenant_id, asked.review_item_id)
    require_etag(item, asked.etag)
    return item, decided(item, decision, caller.principal_id, now, asked.reason)


def _owner(caller: Caller) -> str:
    return derive("rvw", caller.principal_id, caller.idempotency_key)


async def _keep(
    work: UnitOfWork, caller: Caller, decision: Decision, item: ReviewItem, asked: Asked, now: datetime
) -> ReviewItem:
    """Keep the item with its event, and tell the audit log."""
    detail = item.new_text or item.revision_id or (item.assignee if decision is Decision.ASSIGN else "")
    event = ReviewEvent(action=DONE[decision], actor=caller.principal_id, at=now, reason=asked.reason, detail=detail)
    await work.reviews.save(caller.tenant_id, item, event)
    details = {"artifact_id": item.artifact_id, "revision_id": item.revision_id, "reason": asked.reason}
    if item.paragraph_id:
        details["paragraph_id"] = item.paragraph_id
    work.send(audit.entry(caller, f"review.{decision.value}", item.review_item_id, details, now))
    return item


async def _verified(text: str, evidence: Sequence[Evidence]) -> Judged:
    return await asyncio.to_thread(verify, text, quotes_of(evidence))


async def _require_quotes(sources: Sources, evidence: Sequence[Evidence]) -> None:
    units = await unit_texts(sources, evidence)
    for piece in evidence:
        if units.get(piece.unit_id, "")[piece.start : piece.end] != piece.quote:
            raise _evidence_gone(piece)


async def _require_exact(sources: Sources, evidence: Sequence[Evidence]) -> None:
    """Raises IR_INVALID for quotes that a person gives and that do not stand, or not whole, at their spans."""
    units = await unit_texts(sources, evidence)
    found = [finding for piece in evidence for finding in misquoted(piece, units.get(piece.unit_id, ""))]
    if found:
        raise _invalid(found)


async def _put_in(
    work: UnitOfWork,
    caller: Caller,
    asked: Asked,
    item: ReviewItem,
    verdict: SentenceVerdict,
    evidence: Sequence[Evidence],
    now: datetime,
) -> str:
    """Commit the revision that has the sentence at its place; its id."""
    tenant_id, artifact_id = caller.tenant_id, item.artifact_id
    shown = await show_document(work, tenant_id, artifact_id)
    head = shown.record.head_revision_id
    if asked.base_revision_id not in ("", head):
        raise LaceError(Reason.REVISION_CONFLICT, f"The head is {head}, not {asked.base_revision_id}.")
    policy = await in_force(work.policies, tenant_id, "", frozenset(), now)
    applied = await asyncio.to_thread(_applied, shown.document, item, verdict.text, evidence, policy)
    revision = revision_of(caller, shown, applied.artifact, now)
    staging = Staging(
        revision=revision,
        document=applied.artifact,
        changes=applied.changes,
        verdicts=((item.place.node_id, verdict),),
        verdicts_of=head,
        let_in=(item.verdict.sentence_id,),
    )
    await work.artifacts.stage(tenant_id, staging)
    await work.artifacts.mark_validated(tenant_id, artifact_id, revision.revision_id)
    await work.artifacts.commit(tenant_id, artifact_id, revision.revision_id, applied.artifact.title)
    await work.artifacts.unlock(tenant_id, artifact_id, _owner(caller))
    return revision.revision_id


def _applied(
    head: Artifact, item: ReviewItem, text: str, evidence: Sequence[Evidence], policy: PolicyInForce | None
) -> Applied:
    document = with_sources(head, evidence, item.sources)
    try:
        action = restored(document, item.place, text, evidence, f"review/{item.review_item_id}")
    except LookupError:
        raise _place_gone(item) from None
    applied = apply(document, Proposal(base_hash=ir_hash(document), actions=(action,)), Policy())
    if applied.rejections:
        raise _rejected(item, applied.rejections[0])
    findings = broken(applied.artifact, (head,), policy)
    for finding in findings:
        if finding.code in ("SOURCE_MISSING", "SOURCE_VERSION"):
            message = f"The document cites another version of the source: {finding.message}"
            raise LaceError(Reason.REVIEW_EVIDENCE_GONE, message)
    if findings:
        raise _invalid(findings)
    return applied


def _rejected(item: ReviewItem, rejection: Rejection) -> LaceError:
    match rejection.code:
        case "NODE_FINAL":
            return LaceError(Reason.REVIEW_PLACE_FINAL, rejection.message)
        case "NODE_NOT_FOUND" | "BLOCK_NOT_FOUND" | "SIBLING_NOT_FOUND":
            return _place_gone(item)
    details = [Detail(rejection.pointer, f"{rejection.code}: {rejection.message}")]
    return LaceError(Reason.PROPOSAL_REJECTED, rejection.message, details=details)


def _place_gone(item: ReviewItem) -> LaceError:
    where = f"The section {item.node_title}" if item.node_title else "The section"
    return LaceError(Reason.REVIEW_PLACE_GONE, f"{where} has no place for the sentence any more; reject it.")


def _evidence_gone(piece: Evidence) -> LaceError:
    message = f"The quote {piece.evidence_id} does not stand in {piece.source_id} any more; rewrite or reject it."
    return LaceError(Reason.REVIEW_EVIDENCE_GONE, message)


def _not_supported(judged: Judged) -> LaceError:
    found = [f"{layer.layer} ({layer.verdict}): {layer.finding}" for layer in judged.layers] or list(judged.reasons)
    return LaceError(
        Reason.REVIEW_NOT_SUPPORTED,
        f"The evidence does not support the new text ({judged.verdict.word}): {judged.reasons[-1]}.",
        details=[Detail("/text", finding) for finding in found],
    )


def _invalid(findings: Sequence[Finding]) -> LaceError:
    first = findings[0]
    details = [Detail(finding.pointer, f"{finding.code}: {finding.message}") for finding in findings[:50]]
    return LaceError(Reason.IR_INVALID, f"{first.pointer}: {first.message}", details=details)
