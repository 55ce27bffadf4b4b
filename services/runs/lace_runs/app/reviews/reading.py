"""Reading the review queue: only what the caller may see, evidence in the text around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_core.ir import Evidence
from lace_runs.app.artifacts import require_visible
from lace_runs.app.ports import Caller, OpenUnitOfWork, UnitOfWork
from lace_runs.app.source_ports import Sources
from lace_runs.domain.reviews import ReviewEvent, ReviewItem

_AROUND = 400  # characters on either side of a quote


@dataclass(frozen=True)
class Surroundings:
    """What stands before and after a quote in its unit, and whether the quote still stands there."""

    before: str = ""
    after: str = ""
    stands: bool = False


@dataclass(frozen=True)
class ShownItem:
    """An item with all that was done about it and, by evidence id, the text around its quotes."""

    item: ReviewItem
    history: Sequence[ReviewEvent]
    surroundings: Mapping[str, Surroundings]


async def visible(work: UnitOfWork, caller: Caller, review_item_id: str) -> ReviewItem:
    """An item of a document that the caller may see; raises LaceError REVIEW_ITEM_NOT_FOUND for all others.

    Its own evidence may have labels that the document has not: it is not in there.
    """
    item = await work.reviews.get(caller.tenant_id, review_item_id)
    missing = LaceError(Reason.REVIEW_ITEM_NOT_FOUND, f"No review item {review_item_id}.")
    if not caller.labels.issuperset(item.labels):
        raise missing
    try:
        if item.paragraph_id:
            return await _with_paragraph(work, caller, item)
        await require_visible(work, caller, item.artifact_id)
    except LaceError:
        raise missing from None
    return item


async def _with_paragraph(work: UnitOfWork, caller: Caller, item: ReviewItem) -> ReviewItem:
    """The item of a paragraph whose sources the caller may see; what was decided outlives the paragraph."""
    paragraph = await work.paragraphs.get(caller.tenant_id, item.paragraph_id)
    if not caller.labels.issuperset(paragraph.labels):
        raise LaceError(Reason.PARAGRAPH_NOT_FOUND, f"No paragraph {item.paragraph_id}.")
    return item


async def show(open_work: OpenUnitOfWork, sources: Sources, caller: Caller, review_item_id: str) -> ShownItem:
    """An item as a reviewer needs it; raises LaceError REVIEW_ITEM_NOT_FOUND."""
    async with open_work(caller.tenant_id) as work:
        item = await visible(work, caller, review_item_id)
        history = await work.reviews.history(caller.tenant_id, review_item_id)
    units = await unit_texts(sources, item.evidence)
    around = {piece.evidence_id: surroundings(piece, units.get(piece.unit_id, "")) for piece in item.evidence}
    return ShownItem(item, history, around)


async def unit_texts(sources: Sources, evidence: Sequence[Evidence]) -> Mapping[str, str]:
    """The text of every unit that is quoted; a source that is gone gives nothing."""
    texts: dict[str, str] = {}
    for read_as in {(piece.source_id, piece.extraction) for piece in evidence}:
        try:
            texts.update(await sources.unit_texts([read_as]))
        except LaceError as error:
            if error.reason is not Reason.SOURCE_NOT_FOUND:
                raise
    return texts


def surroundings(evidence: Evidence, unit: str) -> Surroundings:
    """The text around a quote in its unit."""
    if unit[evidence.start : evidence.end] != evidence.quote:
        return Surroundings()
    before = unit[max(0, evidence.start - _AROUND) : evidence.start]
    return Surroundings(before, unit[evidence.end : evidence.end + _AROUND], True)
