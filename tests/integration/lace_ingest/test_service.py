"""The service through its own API: upload, reading as a run's job, units, outlines, search, and who may what."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import retrieval_pb2
from lace.provenance.v1 import provenance_pb2
from lace_core.errors import LaceError, Reason
from lace_proto import json as wire_json

MD = b"""# Bridge report

## Costs

The bridge cost 4.5 million pounds. It was cheap.

| Year | Cost |
|---|---|
| 2020 | 1.5 |
"""


async def refused(awaitable: Any) -> LaceError:
    with pytest.raises(LaceError) as found:
        await awaitable
    return found.value


async def test_the_life_of_a_source(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        source = await service.upload("Bridge report.md", MD, [])
        assert source.state == pb.SOURCE_STATE_PENDING
        assert await service.blobs.get(source.raw_uri, hashlib.sha256(MD).hexdigest()) == MD
        answer = await service.ingest(tenant_id, source.source_id)
        found = await service.sources.GetSource(pb.GetSourceRequest(source_id=source.source_id))
        assert answer.source == found
        assert (found.state, found.title, found.unit_count) == (pb.SOURCE_STATE_READY, "Bridge report", 2)

        first = await service.sources.ListUnits(pb.ListUnitsRequest(source_id=source.source_id, page_size=1))
        rest = await service.sources.ListUnits(
            pb.ListUnitsRequest(source_id=source.source_id, page_size=5, page_token=first.next_page_token)
        )
        units = [*first.units, *rest.units]
        assert rest.next_page_token == ""
        assert [unit.text for unit in units] == [
            "The bridge cost 4.5 million pounds. It was cheap.",
            "Year | Cost\n2020 | 1.5",
        ]
        assert [units[0].text[span.start : span.end] for span in units[0].spans] == [
            "The bridge cost 4.5 million pounds.", "It was cheap.",
        ]  # fmt: skip
        assert list(units[1].table.header) == ["Year", "Cost"]

        outlines = await service.sources.GetOutlines(pb.GetOutlinesRequest())
        assert [section.lead for section in outlines.outlines[0].sections] == ["The bridge cost 4.5 million pounds."]

        queries = [
            retrieval_pb2.Query(key="cost", text="What did the bridge cost?"),
            retrieval_pb2.Query(key="no", text="elephant"),
        ]
        answer = await service.retrieval.Search(retrieval_pb2.SearchRequest(queries=queries))
        assert [(result.key, len(result.hits)) for result in answer.results] == [("cost", 2), ("no", 0)]
        assert {unit.unit_id for unit in answer.units} == {unit.unit_id for unit in units}
        assert answer.results[0].hits[0].unit_id == units[0].unit_id
        assert answer.sources[0].extraction == found.extraction


async def test_provenance_hashes_are_those_of_the_stored_bytes(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        source = await service.upload("a.md", MD)
        await service.ingest(tenant_id, source.source_id)
    logs = [
        wire_json.from_json(provenance_pb2.TransformationLog, envelope.payload)
        for envelope in service.bus.messages("provenance.logged")
        if envelope.tenant_id == tenant_id
    ]
    assert len(logs) == 1
    for entity in (*logs[0].inputs, *logs[0].outputs):
        assert hashlib.sha256(await service.blobs.get(entity.uri)).hexdigest() == entity.content_hash
    units = orjson.loads(await service.blobs.get(logs[0].outputs[0].uri))["units"]
    assert [unit["kind"] for unit in units] == ["paragraph", "table"]


async def test_the_same_file_is_the_same_source_with_the_same_units(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        first = await service.upload("a.md", MD)
        await service.ingest(tenant_id, first.source_id)
        again = await service.upload("a.md", MD)
        await service.ingest(tenant_id, again.source_id)
        assert again.source_id == first.source_id
        assert again.state == pb.SOURCE_STATE_READY
        listed = await service.sources.ListUnits(pb.ListUnitsRequest(source_id=first.source_id))
        assert len(listed.units) == 2


async def test_ids_of_units_do_not_depend_on_the_tenant(service: Any, tenant_id: str) -> None:
    ids = []
    for tenant in (tenant_id, f"{tenant_id}b"):
        with service.calling(tenant):
            source = await service.upload("a.md", MD)
            await service.ingest(tenant, source.source_id)
            listed = await service.sources.ListUnits(pb.ListUnitsRequest(source_id=source.source_id))
            ids.append([unit.unit_id for unit in listed.units])
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("filename", "data", "code"),
    [
        ("broken.pdf", b"%PDF-1.7 and no more", "SOURCE_UNREADABLE"),
        ("deep.json", b"[" * 10_000 + b"]" * 10_000, "SOURCE_LIMIT_EXCEEDED"),
        ("blank.txt", b" \n", "SOURCE_EMPTY"),
        ("binary.txt", bytes(range(256)) * 9, "SOURCE_UNREADABLE"),
    ],
)
async def test_a_bad_document_fails_with_its_code_and_leaves_no_units(
    service: Any, tenant_id: str, filename: str, data: bytes, code: str
) -> None:
    with service.calling(tenant_id):
        source = await service.upload(filename, data)
        answer = await service.ingest(tenant_id, source.source_id)
        assert (answer.source.state, answer.source.error_code) == (pb.SOURCE_STATE_FAILED, code)
        assert filename in answer.source.error_message or answer.source.error_message.startswith("The ")
        assert not (await service.sources.ListUnits(pb.ListUnitsRequest(source_id=source.source_id))).units
        assert not (await service.sources.GetOutlines(pb.GetOutlinesRequest())).outlines


async def test_pinned_settings_bound_the_reading(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        source = await service.upload("a.md", MD)
        answer = await service.ingest(tenant_id, source.source_id, '{"ingest.max_characters": 20}')
        assert answer.source.error_code == "SOURCE_LIMIT_EXCEEDED"
        assert (await service.ingest(tenant_id, source.source_id)).source.state == pb.SOURCE_STATE_READY


@pytest.mark.parametrize(
    ("filename", "data", "reason"),
    [
        ("../a.md", b"x", Reason.SOURCE_NAME_INVALID),
        ("a/b.md", b"x", Reason.SOURCE_NAME_INVALID),
        ("a.xlsx", b"x", Reason.SOURCE_FORMAT_UNSUPPORTED),
        ("notes.docx", b"hello", Reason.SOURCE_UNREADABLE),
        ("picture.md", b"\x89PNG\r\n\x1a\n", Reason.SOURCE_FORMAT_UNSUPPORTED),
        ("empty.txt", b"", Reason.SOURCE_EMPTY),
        ("big.txt", b"x" * 1_000_001, Reason.SOURCE_TOO_LARGE),
    ],
)
async def test_a_bad_upload_is_refused_and_leaves_nothing(
    service: Any, tenant_id: str, filename: str, data: bytes, reason: Reason
) -> None:
    with service.calling(tenant_id):
        assert (await refused(service.upload(filename, data))).reason is reason
        assert not (await service.sources.ListSources(pb.ListSourcesRequest())).sources


async def test_a_refusal_reaches_a_caller_who_still_sends(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        refusals = await asyncio.gather(*(refused(service.upload("a.xlsx", b"x" * 3_000_000)) for _ in range(20)))
    assert {refusal.reason for refusal in refusals} == {Reason.SOURCE_FORMAT_UNSUPPORTED}


async def test_an_upload_that_is_not_whole_is_refused_and_leaves_nothing(service: Any, tenant_id: str) -> None:
    async def pieces(*requests: pb.UploadSourceRequest) -> Any:
        for request in requests:
            yield request

    head, chunk = pb.UploadSourceRequest(head=pb.UploadHead(filename="a.md")), pb.UploadSourceRequest(chunk=b"x")
    end, short = (pb.UploadSourceRequest(end=pb.UploadEnd(size_bytes=size)) for size in (1, 2))
    with service.calling(tenant_id):
        for requests in ((), (chunk, end), (head, head, end), (head, chunk), (head, chunk, short)):
            assert (await refused(service.sources.UploadSource(pieces(*requests)))).reason is Reason.INVALID_ARGUMENT
        assert not (await service.sources.ListSources(pb.ListSourcesRequest())).sources


async def test_a_key_with_another_body_is_a_conflict(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, key="key-1"):
        first = await service.upload("a.md", MD)
        assert await service.upload("a.md", MD) == first
        assert (await service.upload("b.md", MD)).filename == "b.md"
        assert (await refused(service.upload("a.md", b"# other"))).reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_scopes_tenants_and_labels_decide(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, labels=["secret"]):
        source = await service.upload("a.md", MD, ["secret"])
        await service.ingest(tenant_id, source.source_id)
    asked = pb.GetSourceRequest(source_id=source.source_id)
    search = retrieval_pb2.SearchRequest(queries=[retrieval_pb2.Query(text="bridge")])
    for tenant, labels in ((tenant_id, []), ("ten_other", ["secret"])):
        with service.calling(tenant, labels=labels):
            assert (await refused(service.sources.GetSource(asked))).reason is Reason.SOURCE_NOT_FOUND
            assert not (await service.sources.ListSources(pb.ListSourcesRequest())).sources
            assert not (await service.retrieval.Search(search)).units
    with service.calling(tenant_id, scopes=["sources:read"], labels=["secret"]):
        assert (await service.sources.GetSource(asked)).source_id == source.source_id
        assert (await refused(service.upload("b.md", MD))).reason is Reason.PERMISSION_DENIED
    with service.calling(tenant_id, scopes=["sources:write"]):
        assert (await refused(service.retrieval.Search(search))).reason is Reason.PERMISSION_DENIED
    assert (await refused(service.sources.GetSource(asked))).reason is Reason.TOKEN_MISSING


async def test_pages_of_sources_follow_on_and_tokens_are_theirs(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        for name in "abc":
            await service.upload(f"{name}.md", MD)
        first = await service.sources.ListSources(pb.ListSourcesRequest(page_size=2))
        assert [source.filename for source in first.sources] == ["c.md", "b.md"]
        rest = await service.sources.ListSources(pb.ListSourcesRequest(page_size=2, page_token=first.next_page_token))
        assert [source.filename for source in rest.sources] == ["a.md"]
        assert rest.next_page_token == ""
        other = pb.ListSourcesRequest(page_token=first.next_page_token, state=pb.SOURCE_STATE_READY)
        assert (await refused(service.sources.ListSources(other))).reason is Reason.PAGE_TOKEN_INVALID


async def test_the_whole_dossier_is_read_and_answers(
    service: Any, tenant_id: str, dossier: Callable[[str], Path]
) -> None:
    with service.calling(tenant_id):
        for path in sorted(dossier("01").parent.iterdir()):
            source = await service.upload(path.name, path.read_bytes())
            answer = await service.ingest(tenant_id, source.source_id)
            assert answer.source.state == pb.SOURCE_STATE_READY, answer.source.error_message
            assert not answer.source.warnings
        query = retrieval_pb2.Query(text="Where did the drilling fluid escape, and how much was lost?", limit=12)
        found = await service.retrieval.Search(retrieval_pb2.SearchRequest(queries=[query]))
        names = {source.source_id: source.filename for source in found.sources}
        texts = " ".join(unit.text for unit in found.units)
        assert "38 cubic metres" in texts
        assert len(set(names.values())) > 1
