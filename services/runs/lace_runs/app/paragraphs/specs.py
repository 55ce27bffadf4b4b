"""Making paragraphs, reading them, and changing what they are to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lace_core.constraints import resolve
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Artifact
from lace_core.paragraphs.facts import StatedFact
from lace_core.paragraphs.spec import ParagraphSpec, problems
from lace_runs.app.artifacts import require_visible as require_artifact
from lace_runs.app.paragraphs.ports import FactReader, ParagraphFilter
from lace_runs.app.paragraphs.usable_facts import out_of_use
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.paragraphs.records import Paragraph, Text
from lace_runs.domain.paragraphs.states import ParagraphState, ParagraphTrigger

_REVIEWS = "artifacts:write"


@dataclass(frozen=True)
class Shown:
    """A paragraph with the text that it has now, None where it has none; `may_review` says whether what is withheld of
    it may be told."""

    paragraph: Paragraph
    text: Text | None
    may_review: bool


@dataclass(frozen=True)
class Place:
    """Where a paragraph may land; both empty for nowhere, the node empty for the root."""

    artifact_id: str = ""
    node_id: str = ""


async def sound_facts(facts: FactReader, spec: ParagraphSpec) -> Mapping[str, StatedFact]:
    """The facts of a sound specification, all of them there, visible and in use.

    Raises LaceError INVALID_ARGUMENT, FACT_NOT_FOUND, FACT_RETIRED, FACT_QUOTE_MISMATCH, by pointer.
    """
    wrong = problems(spec)
    if wrong:
        first = wrong[0]
        message = f"{first.field} {first.description}"
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=wrong[:50])
    return await known_facts(facts, spec.allowed_fact_ids, "/spec/allowed_fact_ids/{}")


async def known_facts(facts: FactReader, fact_ids: Sequence[str], pointer: str) -> Mapping[str, StatedFact]:
    """These facts, all of them in use; `pointer` takes the place of one. Raises LaceError FACT_*."""
    stated = await facts.stated(fact_ids)
    for at, fact_id in enumerate(fact_ids):
        why = out_of_use(fact_id, stated.get(fact_id))
        if why is not None:
            raise LaceError(why.reason, why.message, details=[Detail(pointer.format(at), why.message)])
    return stated


async def create(
    work: UnitOfWork, caller: Caller, spec: ParagraphSpec, place: Place, facts: Mapping[str, StatedFact], now: datetime
) -> Shown:
    """A draft; the caller commits. Raises LaceError ARTIFACT_NOT_FOUND, ARTIFACT_EMPTY, NODE_NOT_FOUND,
    INVALID_ARGUMENT where the node allows fewer facts.
    """
    settled = await _placed(work, caller, place, spec)
    paragraph = Paragraph(
        tenant_id=caller.tenant_id,
        paragraph_id=derive("par", caller.tenant_id, caller.principal_id, caller.idempotency_key),
        spec=spec,
        labels=labels_of(facts),
        artifact_id=settled.artifact_id,
        node_id=settled.node_id,
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )
    await work.paragraphs.insert(caller.tenant_id, paragraph)
    return await show(work, caller, paragraph.paragraph_id)


async def _placed(work: UnitOfWork, caller: Caller, place: Place, spec: ParagraphSpec) -> Place:
    if not place.artifact_id:
        if place.node_id:
            raise _invalid("/node_id", "is a node of a document; name the artifact_id too.")
        return place
    await require_artifact(work, caller, place.artifact_id)
    record = await work.artifacts.get(caller.tenant_id, place.artifact_id)
    document = await work.artifacts.document(caller.tenant_id, place.artifact_id, record.head_revision_id)
    if not document.nodes:
        raise LaceError(Reason.ARTIFACT_EMPTY, f"{place.artifact_id} has no section yet to put a paragraph into.")
    node_id = place.node_id or document.root.node_id
    require_allowed(document, node_id, spec.allowed_fact_ids)
    return Place(place.artifact_id, node_id)


def require_allowed(document: Artifact, node_id: str, fact_ids: Sequence[str]) -> None:
    """Raises LaceError NODE_NOT_FOUND, and INVALID_ARGUMENT by pointer for a fact that the node does not allow."""
    try:
        allowed = resolve(document, node_id)[0].allowed_fact_ids
    except LookupError:
        raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {document.artifact_id} has no node {node_id}.") from None
    for at, fact_id in enumerate(fact_ids if allowed is not None else ()):
        if fact_id not in (allowed or ()):
            message = f"{fact_id} is not allowed in {node_id}; leave it out."
            raise _invalid(f"/spec/allowed_fact_ids/{at}", message)


async def show(work: UnitOfWork, caller: Caller, paragraph_id: str) -> Shown:
    """A paragraph with its text. Raises LaceError PARAGRAPH_NOT_FOUND, also for who may not see its sources."""
    paragraph = await work.paragraphs.get(caller.tenant_id, paragraph_id)
    require_visible(paragraph, caller)
    text = await work.paragraphs.text(caller.tenant_id, paragraph_id, paragraph.text_version)
    return Shown(paragraph, text.require_intact() if text else None, _REVIEWS in caller.scopes)


async def list_paragraphs(
    work: UnitOfWork, caller: Caller, state: str, artifact_id: str, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Paragraph]:
    """Those whose sources the caller may see, newest first."""
    wanted = ParagraphFilter(caller.labels, state, artifact_id)
    return await work.paragraphs.list(caller.tenant_id, wanted, before, limit)


async def change_spec(
    work: UnitOfWork,
    caller: Caller,
    paragraph_id: str,
    spec: ParagraphSpec,
    facts: Mapping[str, StatedFact],
    etag: str,
    now: datetime,
) -> Shown:
    """The paragraph as a draft to another specification; the caller commits.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH, PARAGRAPH_TRANSITION_ILLEGAL, INVALID_ARGUMENT.
    """
    paragraph = await locked(work, caller, paragraph_id, etag)
    await _placed(work, caller, Place(paragraph.artifact_id, paragraph.node_id), spec)
    changed = replace(
        paragraph.moved(ParagraphTrigger.CHANGE_SPEC, now),
        spec=spec,
        spec_version=paragraph.spec_version + 1,
        # Earlier texts are kept, and they rest on earlier facts: who may see those goes on deciding.
        labels=tuple(sorted({*paragraph.labels, *labels_of(facts)})),
        text_version=0,
        error_code="",
        error_message="",
    )
    await work.paragraphs.save(caller.tenant_id, changed)
    await work.reviews.supersede_paragraph(caller.tenant_id, paragraph_id, (), caller.principal_id, now)
    return await show(work, caller, paragraph_id)


async def delete(work: UnitOfWork, caller: Caller, paragraph_id: str, etag: str, now: datetime) -> None:
    """Show the paragraph no more; the caller commits.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH, PARAGRAPH_TRANSITION_ILLEGAL.
    """
    paragraph = await locked(work, caller, paragraph_id, etag)
    gone = replace(paragraph.moved(ParagraphTrigger.DELETE, now), error_code="", error_message="")
    await work.paragraphs.save(caller.tenant_id, gone)
    await work.reviews.supersede_paragraph(caller.tenant_id, paragraph_id, (), caller.principal_id, now)


async def locked(work: UnitOfWork, caller: Caller, paragraph_id: str, etag: str) -> Paragraph:
    """A paragraph that nobody else changes until the transaction ends.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH.
    """
    paragraph = await work.paragraphs.lock(caller.tenant_id, paragraph_id)
    require_visible(paragraph, caller)
    paragraph.require_etag(etag)
    return paragraph


def require_visible(paragraph: Paragraph, caller: Caller) -> None:
    """Raises PARAGRAPH_NOT_FOUND for who does not hold all labels of its sources, and where it is deleted."""
    if paragraph.state is ParagraphState.DELETED or not caller.labels.issuperset(paragraph.labels):
        raise LaceError(Reason.PARAGRAPH_NOT_FOUND, f"No paragraph {paragraph.paragraph_id}.")


def labels_of(facts: Mapping[str, StatedFact]) -> tuple[str, ...]:
    """The labels of the facts' sources."""
    return tuple(sorted({label for fact in facts.values() for label in fact.source.labels}))


def _invalid(pointer: str, message: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, f"{pointer} {message}", details=[Detail(pointer, message)])
