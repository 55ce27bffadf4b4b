"""Searching through the service's own API: what a hit says, which filters hold, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from lace.ingest.v1 import ingest_pb2, retrieval_pb2
from lace_core.errors import LaceError, Reason

TEXT = b"""# The study

## Costs

The bridge is old. It cost 4.5 million pounds in 1903. Nobody remembers why.

| Part | Cost |
| --- | --- |
| Deck | 2.5 million |
"""


def asked(*texts: str, **more: Any) -> retrieval_pb2.SearchRequest:
    queries = [retrieval_pb2.Query(key=f"q{at}", text=text) for at, text in enumerate(texts)]
    return retrieval_pb2.SearchRequest(queries=queries, **{"mode": retrieval_pb2.SEARCH_MODE_LEXICAL, **more})


async def given(service: Any, tenant_id: str, name: str, data: bytes, *labels: str) -> str:
    source = await service.upload(name, data, labels)
    completed = await service.ingest(tenant_id, source.source_id)
    assert completed.source.state == ingest_pb2.SOURCE_STATE_READY
    return str(source.source_id)


async def test_a_hit_quotes_the_sentence_that_answers(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        await given(service, tenant_id, "a.md", TEXT)
        answer = await service.retrieval.Search(asked("how many pounds did it cost", "brigde", "elephants"))
    cost, misspelt, nothing = answer.results
    hit, units = cost.hits[0], {unit.unit_id: unit for unit in answer.units}
    text = units[hit.unit_id].text
    assert hit.quote == text[hit.span.start : hit.span.end] == "It cost 4.5 million pounds in 1903."
    assert [hit.quote[match.start : match.end] for match in hit.matches] == ["cost", "pounds"]
    assert (hit.method, hit.score, hit.scores.dense) == ("bm25", hit.scores.lexical, "")
    assert [(one.word, one.taken_for) for one in misspelt.hits[0].corrections] == [("brigde", "bridg")]
    assert "The bridge is old." in misspelt.hits[0].quote
    assert not nothing.hits
    assert (answer.mode, answer.mode_reason, answer.vectors) == (retrieval_pb2.SEARCH_MODE_LEXICAL, "", 0)
    assert {unit.source_id for unit in answer.units} == {source.source_id for source in answer.sources}


async def test_filters_hold_by_request(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, labels=("x",)):
        first = await given(service, tenant_id, "a.md", TEXT)
        await given(service, tenant_id, "b.md", b"The bridge of b cost nothing.\n", "x")

        async def files(**filters: Any) -> set[str]:
            found = await service.retrieval.Search(asked("bridge cost", filters=retrieval_pb2.Filters(**filters)))
            return {source.filename for source in found.sources}

        assert await files() == {"a.md", "b.md"}
        assert await files(labels=["x"]) == {"b.md"}
        assert await files(filenames=["a.md"]) == {"a.md"}
        assert await files(source_ids=[first]) == {"a.md"}
        assert await files(source_ids=[first], labels=["x"]) == set()
        tables = retrieval_pb2.Filters(kinds=[ingest_pb2.UNIT_KIND_TABLE])
        found = await service.retrieval.Search(asked("cost deck", filters=tables))
        assert [unit.kind for unit in found.units] == [ingest_pb2.UNIT_KIND_TABLE]
    with service.calling(tenant_id):
        found = await service.retrieval.Search(asked("bridge cost"))
        assert {source.filename for source in found.sources} == {"a.md"}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (asked("x", filters=retrieval_pb2.Filters(bundle="none such")), Reason.BUNDLE_NOT_FOUND),
        (asked("x", settings_json="[]"), Reason.INVALID_ARGUMENT),
        (asked(), Reason.INVALID_ARGUMENT),
        (asked("x", filters=retrieval_pb2.Filters(kinds=[ingest_pb2.UNIT_KIND_UNSPECIFIED])), Reason.INVALID_ARGUMENT),
        (asked("x", filters=retrieval_pb2.Filters(languages=[""])), Reason.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_its_reason(
    service: Any, tenant_id: str, request_: retrieval_pb2.SearchRequest, reason: Reason
) -> None:
    with service.calling(tenant_id), pytest.raises(LaceError) as refused:
        await service.retrieval.Search(request_)
    assert refused.value.reason is reason
