"""Putting the sentences that stand into a document: a block of a node, in a revision of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from lace_core import ir as model
from lace_core.actions import Action, InsertBlock, ReplaceBlock
from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.support import SupportedSentence, verdict_of
from lace_runs.app import artifacts
from lace_runs.app.paragraphs.ports import FactReader
from lace_runs.app.paragraphs.specs import Shown, locked, require_allowed, show
from lace_runs.app.paragraphs.writing import no_text
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.app.source_ports import Sources
from lace_runs.domain.paragraphs.records import Landing, Paragraph, Text
from lace_runs.domain.paragraphs.states import ParagraphTrigger


async def land(
    work: UnitOfWork, sources: Sources, facts: FactReader, caller: Caller, paragraph_id: str, etag: str, now: datetime
) -> Shown:
    """The paragraph after its standing sentences went into its document; the caller commits.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH, PARAGRAPH_TRANSITION_ILLEGAL, PARAGRAPH_EMPTY,
    INVALID_ARGUMENT where it names no document, and what changing the document raises.
    """
    paragraph = await locked(work, caller, paragraph_id, etag)
    landed = paragraph.moved(ParagraphTrigger.LAND, now)
    text = await work.paragraphs.text(caller.tenant_id, paragraph_id, paragraph.text_version)
    if not paragraph.artifact_id:
        message = f"{paragraph_id} names no document; make it with an artifact_id to land it."
        raise LaceError(Reason.INVALID_ARGUMENT, message)
    if text is None or not text.standing:
        raise no_text(paragraph)
    text.require_intact()
    await artifacts.require_visible(work, caller, paragraph.artifact_id)
    cited = await _sources(facts, text)
    before = await artifacts.show(work, caller.tenant_id, paragraph.artifact_id)
    require_allowed(before.document, paragraph.node_id, paragraph.spec.allowed_fact_ids)
    action = _action(before, paragraph, text)
    vouched = tuple((paragraph.node_id, verdict_of(own)) for own in text.standing if own.acceptance is not None)
    patch = artifacts.Patch(paragraph.artifact_id, (action,), sources=cited, vouched=vouched)
    shown, changes = await artifacts.patch(work, sources, caller, patch, now)
    block_id = changes[0].subject_id if changes else paragraph.landing.block_id if paragraph.landing else ""
    landing = Landing(
        artifact_id=paragraph.artifact_id,
        revision_id=shown.revision.revision_id if shown.revision else "",
        node_id=paragraph.node_id,
        block_id=block_id,
        text_version=text.text_version,
    )
    await work.paragraphs.save(caller.tenant_id, replace(landed, landing=landing))
    return await show(work, caller, paragraph_id)


async def _sources(facts: FactReader, text: Text) -> tuple[model.Source, ...]:
    """The sources that the standing sentences cite, as documents name them."""
    fact_ids = list(dict.fromkeys(link.fact_id for sentence in text.standing for link in sentence.links))
    stated = await facts.stated(fact_ids)
    found = {fact.source.source_id: fact.source for fact in stated.values()}
    return tuple(found[source_id] for source_id in sorted(found))


def _action(before: artifacts.Shown, paragraph: Paragraph, text: Text) -> Action:
    """In place of what was landed before, where that is still there; else as the last block of the node.

    The key names the head: landing the same text on another head is another action, not the first one sent again.
    """
    block, evidence = _block(text.standing)
    key = f"{paragraph.paragraph_id}/{text.text_version}/{before.record.head_revision_id}"
    there = {b.block_id for node in before.document.nodes if node.node_id == paragraph.node_id for b in node.blocks}
    if paragraph.landing is not None and paragraph.landing.block_id in there:
        return ReplaceBlock(key=key, block_id=paragraph.landing.block_id, block=block, evidence=evidence)
    return InsertBlock(key=key, node_id=paragraph.node_id, block=block, evidence=evidence)


def _block(standing: tuple[SupportedSentence, ...]) -> tuple[model.Paragraph, tuple[model.Evidence, ...]]:
    evidence = {link.evidence.evidence_id: link.evidence for sentence in standing for link in sentence.links}
    sentences = tuple(
        model.Sentence(
            sentence_id="",
            text=sentence.text,
            evidence_ids=tuple(dict.fromkeys(link.evidence.evidence_id for link in sentence.links)),
        )
        for sentence in standing
    )
    return model.Paragraph(block_id="", sentences=sentences), tuple(evidence.values())
