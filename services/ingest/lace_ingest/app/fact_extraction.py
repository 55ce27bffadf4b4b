"""What runs ask for while they take facts out of a source: its parts, the units of one, and keeping what was found."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.errors import LaceError, Reason
from lace_core.librarian import Piece, Refusal, Stated, check
from lace_ingest.app.extractions import list_units
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.sources import get_source
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.fact_batches import FactBatch, batches_of, pieces_of
from lace_ingest.domain.facts import Fact, FactState, Keeping, Making, new_fact
from lace_ingest.domain.sources import Source, SourceState

_PAGE = 1000


async def plan_facts(
    ingest: Ingest, caller: Caller, source_id: str, max_characters: int
) -> tuple[Source, Sequence[FactBatch]]:
    """The source and the parts of its present extraction. Raises SOURCE_NOT_FOUND, SOURCE_NOT_READY."""
    source = await get_source(ingest, caller, source_id)
    if source.state is not SourceState.READY:
        raise LaceError(Reason.SOURCE_NOT_READY, f"{source.filename} is not read yet.")
    units: list[Unit] = []
    while True:
        after = units[-1].order if units else -1
        page = await list_units(ingest, caller, source_id, source.extraction, _PAGE, after)
        units.extend(page)
        if len(page) < _PAGE:
            return source, batches_of(units, max_characters)


async def read_batch(
    ingest: Ingest, caller: Caller, source_id: str, extraction: str, batch: FactBatch
) -> Sequence[Piece]:
    """The units of a part. Raises SOURCE_NOT_FOUND, EXTRACTION_NOT_FOUND."""
    most = batch.to_order - batch.from_order + 1
    units = await list_units(ingest, caller, source_id, extraction, most, batch.from_order - 1)
    return pieces_of([unit for unit in units if unit.order <= batch.to_order], batch)


async def keep_facts(
    ingest: Ingest, caller: Caller, source_id: str, stated: Sequence[Stated], making: Making
) -> Keeping:
    """Those facts that hold, checked against the units as they are stored; who repeats it changes nothing.

    Raises SOURCE_NOT_FOUND.
    """
    source = await get_source(ingest, caller, source_id)
    tenant_id = caller.tenant_id
    async with ingest.units_of_work(tenant_id) as work:
        unit_ids = list(dict.fromkeys(each.unit_id for each in stated))
        found = await work.units.get(tenant_id, unit_ids)
        units = {unit.unit_id: unit for owner, unit in found if owner == source.source_id}
        extractions = {unit_id: await work.extractions.of_unit(tenant_id, unit_id) for unit_id in units}
        facts: dict[str, Fact] = {}
        refused: list[Refusal] = []
        for each in stated:
            unit = units.get(each.unit_id)
            if unit is None:
                refused.append(_unknown_unit(each))
                continue
            checked = check(each, unit.text)
            if checked.refusal is not None:
                refused.append(checked.refusal)
                continue
            made_of = extractions[unit.unit_id] or source.extraction
            fact = new_fact(source_id, made_of, unit, each, checked, making, caller.principal_id, ingest.now())
            facts.setdefault(fact.fact_id, fact)
        added = await work.facts.add(tenant_id, list(facts.values()))
        await work.commit()
    review = sum(fact.state is FactState.REVIEW for fact in facts.values())
    return Keeping(added, len(facts) - added, review, tuple(refused))


def _unknown_unit(stated: Stated) -> Refusal:
    message = f"The source has no unit {stated.unit_id}."
    return Refusal(code="UNIT_UNKNOWN", message=message, unit_id=stated.unit_id, statement=stated.statement[:200])
