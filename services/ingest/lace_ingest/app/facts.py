"""Listing, stating and retiring facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as replaced

from lace_core.librarian import Stated, check
from lace_core.verification.qualifiers import qualifiers_of
from lace_ingest.app.extractions import get_unit
from lace_ingest.app.ports import Caller, Ingest, Mutation, UnitOfWork
from lace_ingest.app.sources import get_source
from lace_ingest.domain.extractions import unit_not_found
from lace_ingest.domain.facts import (
    BY_HAND,
    Fact,
    FactFilter,
    FactPlace,
    FactState,
    StandingFact,
    as_retired,
    fact_not_found,
    new_fact,
    refused_fact,
)
from lace_ingest.domain.sources import may_see


async def list_facts(
    ingest: Ingest, caller: Caller, source_id: str, wanted: FactFilter, limit: int, after: FactPlace | None
) -> Sequence[Fact]:
    """Facts of a source in the order in which they stand there, of its present extraction. Raises SOURCE_NOT_FOUND."""
    source = await get_source(ingest, caller, source_id)
    asked = replace(wanted, extraction=source.extraction)
    async with ingest.units_of_work(caller.tenant_id) as work:
        return await work.facts.page(caller.tenant_id, source_id, asked, limit, after)


async def get_fact(ingest: Ingest, caller: Caller, fact_id: str) -> Fact:
    """A fact. Raises FACT_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        return await _visible(work, caller, fact_id)


async def get_facts(ingest: Ingest, caller: Caller, fact_ids: Sequence[str]) -> Sequence[StandingFact]:
    """These facts with what they stand in, as far as they are there and the caller may see them, each once."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        facts = await work.facts.many(caller.tenant_id, list(dict.fromkeys(fact_ids)))
        source_ids = list(dict.fromkeys(fact.source_id for fact in facts))
        seen = await work.intake.many(caller.tenant_id, caller.labels, source_ids) if facts else ()
        sources = {source.source_id: source for source in seen}
        unit_ids = list(dict.fromkeys(fact.unit_id for fact in facts if fact.source_id in sources))
        found = await work.units.get(caller.tenant_id, unit_ids) if unit_ids else ()
    units = {unit.unit_id: unit for _, unit in found}
    return [
        StandingFact(fact, sources[fact.source_id], units[fact.unit_id])
        for fact in facts
        if fact.source_id in sources and fact.unit_id in units
    ]


async def create_fact(ingest: Ingest, caller: Caller, source_id: str, stated: Stated, mutation: Mutation) -> Fact:
    """A person's fact, checked as a model's would be. One that was retired and is stated again comes back.

    Raises SOURCE_NOT_FOUND, UNIT_NOT_FOUND for no unit of this source, FACT_SPAN_INVALID, FACT_QUOTE_MISMATCH,
    FACT_NOT_SUPPORTED, INVALID_ARGUMENT, IDEMPOTENCY_*.
    """
    stated = replaced(stated, statement=stated.statement.strip())
    await get_source(ingest, caller, source_id)
    located = await get_unit(ingest, caller, stated.unit_id)
    if located.source.source_id != source_id:
        raise unit_not_found(stated.unit_id)
    checked = check(stated, located.unit.text)
    if checked.refusal is not None:
        raise refused_fact(checked.refusal)
    stated = _qualified(stated)
    fact = new_fact(
        source_id, located.extraction, located.unit, stated, checked, BY_HAND, caller.principal_id, ingest.now()
    )
    async with ingest.units_of_work(caller.tenant_id) as work:
        kept = await work.once(mutation, lambda: _stated(work, caller.tenant_id, fact), Fact)
        await work.commit()
    return kept


async def retire_fact(ingest: Ingest, caller: Caller, fact_id: str, mutation: Mutation) -> Fact:
    """The fact, retired; retiring it again changes nothing. Raises FACT_NOT_FOUND, IDEMPOTENCY_*."""
    async with ingest.units_of_work(caller.tenant_id) as work:

        async def retire() -> Fact:
            retired = as_retired(await _visible(work, caller, fact_id), caller.principal_id, ingest.now())
            await work.facts.settle(caller.tenant_id, retired)
            return retired

        kept = await work.once(mutation, retire, Fact)
        await work.commit()
    return kept


async def _visible(work: UnitOfWork, caller: Caller, fact_id: str) -> Fact:
    fact = await work.facts.get(caller.tenant_id, fact_id)
    source = await work.sources.get(caller.tenant_id, fact.source_id) if fact else None
    if fact is None or source is None or not may_see(source.labels, caller.labels):
        raise fact_not_found(fact_id)
    return fact


async def _stated(work: UnitOfWork, tenant_id: str, fact: Fact) -> Fact:
    if await work.facts.add(tenant_id, [fact]):
        return fact
    kept = await work.facts.get(tenant_id, fact.fact_id)
    assert kept is not None
    if kept.state is not FactState.RETIRED:
        return kept
    back = replace(kept, state=fact.state, retired_by="", retired_at=None)
    await work.facts.settle(tenant_id, back)
    return back


def _qualified(stated: Stated) -> Stated:
    """With the qualifiers that were given and stand in the quote; with those found in it where none was given."""
    given = stated.qualifiers or qualifiers_of(stated.quote)
    return replaced(stated, qualifiers=tuple(each for each in given if each.text in stated.quote))
