"""Facts over gRPC: who may keep them, pages of them, and what row level security lets through."""

from __future__ import annotations

from typing import Any

import pytest

from lace.ingest.v1 import facts_pb2 as pb
from lace.ingest.v1 import ingest_pb2
from lace_core.errors import LaceError, Reason

SCOPES = frozenset(("sources:read", "sources:write", "runs:write"))
TEXT = b"# Bridge\n\nThe bridge cost 4.5 million pounds. The council paid 3.0 million pounds of the cost.\n"
QUOTES = ("The bridge cost 4.5 million pounds.", "The council paid 3.0 million pounds of the cost.")


async def refused(awaitable: Any) -> Reason:
    with pytest.raises(LaceError) as found:
        await awaitable
    return found.value.reason


async def read(service: Any, tenant_id: str, **more: Any) -> str:
    """A source of the tenant, read."""
    source = await service.upload("bridge.md", TEXT, **more)
    await service.ingest(tenant_id, source.source_id)
    return str(source.source_id)


async def stated(service: Any, source_id: str) -> pb.KeepFactsRequest:
    """What a run keeps of it: each sentence, and one that is not there."""
    planned = await service.facts.PlanFacts(pb.PlanFactsRequest(source_id=source_id, max_characters=500))
    (batch,) = planned.batches
    asked = pb.ReadFactBatchRequest(source_id=source_id, extraction=planned.source.extraction, batch=batch)
    (piece,) = (await service.facts.ReadFactBatch(asked)).pieces
    assert tuple(span.text for span in piece.spans) == QUOTES
    facts = [
        pb.StatedFact(
            unit_id=piece.unit_id, statement=span.text, quote=span.text, confidence=900,
            span=ingest_pb2.Span(start=span.start, end=span.end),
            qualifiers=[pb.Qualifier(kind=pb.QUALIFIER_KIND_NUMBER, text="million")],
        )
        for span in piece.spans
    ]  # fmt: skip
    facts.append(pb.StatedFact(unit_id=piece.unit_id, statement="x", quote="x", span=ingest_pb2.Span(start=0, end=1)))
    return pb.KeepFactsRequest(source_id=source_id, step_id="facts:1", call_id="cal_1", contract="c", facts=facts)


async def test_a_run_keeps_facts_and_nobody_else_does(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, scopes=SCOPES):
        source_id = await read(service, tenant_id)
        asked = await stated(service, source_id)
        assert await refused(service.facts.KeepFacts(asked)) is Reason.PERMISSION_DENIED
    with service.calling(tenant_id, scopes=SCOPES, run_id="run_1"):
        kept = await service.facts.KeepFacts(asked)
        assert (kept.added, kept.known, [each.code for each in kept.refused]) == (2, 0, ["QUOTE_MISMATCH"])
        again = await service.facts.KeepFacts(asked)
        assert (again.added, again.known) == (0, 2)
        found = (await service.facts.ListFacts(pb.ListFactsRequest(source_id=source_id))).facts
    assert [(fact.quote, fact.run_id, fact.call_id) for fact in found] == [(q, "run_1", "cal_1") for q in QUOTES]
    assert [each.text for each in found[0].qualifiers] == ["million"]


async def test_a_page_token_belongs_to_its_filter(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, scopes=SCOPES, run_id="run_1"):
        source_id = await read(service, tenant_id)
        await service.facts.KeepFacts(await stated(service, source_id))
        first = await service.facts.ListFacts(pb.ListFactsRequest(source_id=source_id, page_size=1))
        token = first.next_page_token
        rest = await service.facts.ListFacts(pb.ListFactsRequest(source_id=source_id, page_size=1, page_token=token))
        assert [fact.quote for page in (first, rest) for fact in page.facts] == list(QUOTES)
        assert rest.next_page_token == ""
        other = pb.ListFactsRequest(source_id=source_id, page_token=token, contains="bridge")
        assert await refused(service.facts.ListFacts(other)) is Reason.PAGE_TOKEN_INVALID


async def test_facts_of_a_private_source_exist_for_its_owner_alone(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, scopes=SCOPES, run_id="run_1"):
        source_id = await read(service, tenant_id, private=True)
        await service.facts.KeepFacts(await stated(service, source_id))
        (fact, _) = (await service.facts.ListFacts(pb.ListFactsRequest(source_id=source_id))).facts
    with service.calling(tenant_id, scopes=SCOPES, principal="prn_other"):
        listing = service.facts.ListFacts(pb.ListFactsRequest(source_id=source_id))
        assert await refused(listing) is Reason.SOURCE_NOT_FOUND
        assert await refused(service.facts.GetFact(pb.GetFactRequest(fact_id=fact.fact_id))) is Reason.FACT_NOT_FOUND
