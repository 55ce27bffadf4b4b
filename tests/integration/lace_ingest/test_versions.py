"""Versions, extractions, citations, bundles and privacy through the service's own API."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from lace.ingest.v1 import bundles_pb2, retrieval_pb2
from lace.ingest.v1 import ingest_pb2 as pb
from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_label
from lace_platform.db.database import Database
from lace_platform.ids import new_id

SENTENCES = " ".join(f"Pier {n} of the bridge was built in the year {1900 + n} by its owner." for n in range(12))
TEXT = f"# Bridge\n\n{SENTENCES}\n".encode()
SHORTER = orjson.dumps({"ingest.unit_characters": 200}).decode()
TABLES = ("sources", "source_units", "extractions", "lexical_blocks", "lexical_postings", "lexical_trigrams")


async def refused(awaitable: Any) -> Reason:
    with pytest.raises(LaceError) as found:
        await awaitable
    return found.value.reason


async def given(service: Any, tenant_id: str, data: bytes = TEXT, filename: str = "a.md", **more: Any) -> pb.Source:
    source = await service.upload(filename, data, **more)
    read: pb.Source = (await service.ingest(tenant_id, source.source_id)).source
    return read


async def units_of(service: Any, source_id: str, extraction: str = "") -> list[pb.Unit]:
    asked = pb.ListUnitsRequest(source_id=source_id, extraction=extraction, page_size=1000)
    return list((await service.sources.ListUnits(asked)).units)


async def found_in(service: Any, text: str, *source_ids: str) -> set[str]:
    asked = retrieval_pb2.SearchRequest(queries=[retrieval_pb2.Query(text=text)])
    asked.filters.source_ids.extend(source_ids)
    return {source.source_id for source in (await service.retrieval.Search(asked)).sources}


async def counts(database: Callable[[str], Database], tenant_id: str) -> dict[str, int]:
    found = {}
    async with database("ingest").transaction(tenant_id) as tx:
        for table in TABLES:
            row = await tx.fetch_one(f"SELECT count(*) AS rows FROM ingest.{table}")  # of the tenant: row security
            assert row is not None
            found[table] = row.rows
    return found


async def test_a_citation_resolves_whatever_is_read_after_it(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        source = await given(service, tenant_id)
        [unit] = await units_of(service, source.source_id)
        span = unit.spans[7]
        cited = unit.text[span.start : span.end]
        digest = hashlib.sha256(cited.encode()).hexdigest()

        again = (await service.ingest(tenant_id, source.source_id, SHORTER)).source
        assert again.extraction != source.extraction
        present = await units_of(service, source.source_id)
        assert len(present) > 1
        assert unit.unit_id not in {one.unit_id for one in present}

        asked = pb.GetQuoteRequest(unit_id=unit.unit_id, start=span.start, end=span.end, quote_hash=digest)
        quote = await service.sources.GetQuote(asked)
        assert (quote.quote, quote.quote_hash, quote.matches) == (cited, digest, True)
        assert (quote.source_id, quote.source_version) == (source.source_id, source.sha256)
        assert (quote.extraction, quote.present) == (source.extraction, False)
        located = await service.sources.GetUnit(pb.GetUnitRequest(unit_id=unit.unit_id))
        assert (located.unit, located.extraction, located.present) == (unit, source.extraction, False)
        assert located.source == again
        assert await units_of(service, source.source_id, source.extraction) == [unit]
        newer = await service.sources.GetUnit(pb.GetUnitRequest(unit_id=present[0].unit_id))
        assert newer.present

        listed = await service.sources.ListExtractions(pb.ListExtractionsRequest(source_id=source.source_id))
        assert [(one.extraction, one.present, one.unit_count) for one in listed.extractions] == [
            (again.extraction, True, len(present)), (source.extraction, False, 1),
        ]  # fmt: skip
        back = (await service.ingest(tenant_id, source.source_id)).source
        assert (back.extraction, await units_of(service, source.source_id)) == (source.extraction, [unit])


async def test_a_quote_that_is_none_is_told_apart(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        [unit] = await units_of(service, (await given(service, tenant_id)).source_id)
        whole = await service.sources.GetQuote(pb.GetQuoteRequest(unit_id=unit.unit_id))
        assert (whole.quote, whole.quote_hash, whole.HasField("matches")) == (unit.text, unit.text_hash, False)
        other = pb.GetQuoteRequest(unit_id=unit.unit_id, start=0, end=4, quote_hash=unit.text_hash)
        assert not (await service.sources.GetQuote(other)).matches
        for start, end in ((0, len(unit.text) + 1), (5, 5), (len(unit.text), 0)):
            beyond = pb.GetQuoteRequest(unit_id=unit.unit_id, start=start, end=end)
            assert await refused(service.sources.GetQuote(beyond)) is Reason.INVALID_ARGUMENT
        unknown = pb.ListUnitsRequest(source_id=unit.source_id, extraction="pdf/none-1")
        assert await refused(service.sources.ListUnits(unknown)) is Reason.EXTRACTION_NOT_FOUND
        assert await refused(service.sources.GetUnit(pb.GetUnitRequest(unit_id="unt_x"))) is Reason.UNIT_NOT_FOUND
    with service.calling(new_id("ten")):
        assert await refused(service.sources.GetUnit(pb.GetUnitRequest(unit_id=unit.unit_id))) is Reason.UNIT_NOT_FOUND


async def test_ingesting_again_adds_nothing(service: Any, tenant_id: str, database: Callable[[str], Database]) -> None:
    with service.calling(tenant_id):
        first = await given(service, tenant_id)
        units = await units_of(service, first.source_id)
        before = await counts(database, tenant_id)
        assert before["source_units"] == 1
        assert before["lexical_postings"] > 0
        for version_of in ("", first.source_id):
            again = await given(service, tenant_id, version_of=version_of)
            assert again == first
            assert await units_of(service, first.source_id) == units
            assert await counts(database, tenant_id) == before


async def test_a_next_version_takes_the_place_of_the_one_before(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        first = await given(service, tenant_id)
        second = await given(service, tenant_id, TEXT + b"\nA thirteenth pier.\n", version_of=first.source_id)
        assert (second.series_id, second.version, second.previous_source_id) == (first.source_id, 2, first.source_id)
        listed = await service.sources.ListSourceVersions(
            pb.ListSourceVersionsRequest(source_id=first.source_id, page_size=1)
        )
        assert list(listed.sources) == [second]
        rest = await service.sources.ListSourceVersions(
            pb.ListSourceVersionsRequest(source_id=first.source_id, page_size=1, page_token=listed.next_page_token)
        )
        assert (list(rest.sources), rest.next_page_token) == ([first], "")
        assert await found_in(service, "pier") == {second.source_id}
        assert await found_in(service, "pier", first.source_id) == {first.source_id}
        outlines = await service.sources.GetOutlines(pb.GetOutlinesRequest())
        assert [outline.source for outline in outlines.outlines] == [second]
        unseen = service.upload("b.md", b"x", version_of="src_none")
        assert await refused(unseen) is Reason.SOURCE_NOT_FOUND


async def test_next_versions_uploaded_at_once_have_two_numbers(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id):
        first = await given(service, tenant_id)
        both = await asyncio.gather(
            *(service.upload("a.md", TEXT + str(n).encode(), version_of=first.source_id) for n in range(2))
        )
    assert sorted(source.version for source in both) == [2, 3]


async def test_a_version_without_labels_has_those_of_the_newest(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, labels=["x"]):
        first = await given(service, tenant_id, labels=["x"])
        second = await given(service, tenant_id, TEXT + b"2", version_of=first.source_id)
        assert list(second.labels) == ["x"]
    with service.calling(tenant_id):
        assert await refused(service.upload("a.md", b"3", version_of=first.source_id)) is Reason.SOURCE_NOT_FOUND


async def test_what_is_private_exists_for_its_owner_alone(service: Any, tenant_id: str) -> None:
    with service.calling(tenant_id, principal="prn_owner"):
        source = await given(service, tenant_id, private=True)
        assert list(source.labels) == [owner_label("prn_owner")]
        [unit] = await units_of(service, source.source_id)
        assert await found_in(service, "pier") == {source.source_id}
        second = await given(service, tenant_id, TEXT + b"2", version_of=source.source_id)
        assert list(second.labels) == [owner_label("prn_owner")]  # nobody makes it open by mistake
    with service.calling(tenant_id, principal="prn_owner", key="k1"):
        mine = await service.bundles.CreateBundle(
            bundles_pb2.CreateBundleRequest(name="mine", source_ids=[source.source_id])
        )
    claimed = [owner_label("prn_owner")]
    with service.calling(tenant_id, principal="prn_other", labels=claimed):
        sources, source_id = service.sources, source.source_id
        for asked in (
            sources.GetSource(pb.GetSourceRequest(source_id=source_id)),
            sources.ListUnits(pb.ListUnitsRequest(source_id=source_id)),
            sources.ListSourceVersions(pb.ListSourceVersionsRequest(source_id=source_id)),
            sources.ListExtractions(pb.ListExtractionsRequest(source_id=source_id)),
            service.upload("b.md", b"x", version_of=source_id),
        ):
            assert await refused(asked) is Reason.SOURCE_NOT_FOUND
        assert await refused(sources.GetUnit(pb.GetUnitRequest(unit_id=unit.unit_id))) is Reason.UNIT_NOT_FOUND
        assert await refused(sources.GetQuote(pb.GetQuoteRequest(unit_id=unit.unit_id))) is Reason.UNIT_NOT_FOUND
        assert not (await sources.ListSources(pb.ListSourcesRequest())).sources
        assert not (await sources.GetOutlines(pb.GetOutlinesRequest(source_ids=[source_id]))).outlines
        assert await found_in(service, "pier") == set()
        assert await found_in(service, "pier", source_id) == set()
        assert not (await service.bundles.ListBundles(bundles_pb2.ListBundlesRequest())).bundles
        bundle = service.bundles.GetBundle(bundles_pb2.GetBundleRequest(bundle_id=mine.bundle_id))
        assert await refused(bundle) is Reason.BUNDLE_NOT_FOUND
        assert await refused(service.upload("c.md", b"x", labels=claimed)) is Reason.PERMISSION_DENIED


async def test_the_same_file_is_each_owners_own(service: Any, tenant_id: str) -> None:
    kept = []
    for principal, private in (("prn_1", False), ("prn_1", True), ("prn_2", True)):
        with service.calling(tenant_id, principal=principal):
            source = await given(service, tenant_id, private=private)
            kept.append((source.source_id, (await units_of(service, source.source_id))[0].unit_id))
    assert len({source_id for source_id, _ in kept}) == len({unit_id for _, unit_id in kept}) == 3
    with service.calling(tenant_id, principal="prn_2"):
        listed = (await service.sources.ListSources(pb.ListSourcesRequest())).sources
        assert {source.source_id for source in listed} == {kept[0][0], kept[2][0]}


async def test_the_life_of_a_bundle(service: Any, tenant_id: str) -> None:
    bundles = service.bundles
    with service.calling(tenant_id):
        a, b = await given(service, tenant_id), await given(service, tenant_id, filename="b.md")
    with service.calling(tenant_id, key="k1"):
        asked = bundles_pb2.CreateBundleRequest(name="one", description="d", source_ids=[a.source_id], note="n")
        made = await bundles.CreateBundle(asked)
        assert await bundles.CreateBundle(asked) == made
        assert (made.version, list(made.latest.source_ids), made.latest.note) == (1, [a.source_id], "n")
    with service.calling(tenant_id, key="k2"):
        again = bundles.CreateBundle(bundles_pb2.CreateBundleRequest(name="one"))
        assert await refused(again) is Reason.BUNDLE_EXISTS
    with service.calling(tenant_id, key="k3"):
        added = await bundles.CreateBundleVersion(
            bundles_pb2.CreateBundleVersionRequest(bundle_id="one", add=[b.source_id], expected_version=1)
        )
        assert (added.version, list(added.source_ids)) == (2, [a.source_id, b.source_id])
    with service.calling(tenant_id, key="k4"):
        late = bundles_pb2.CreateBundleVersionRequest(bundle_id="one", remove=[b.source_id], expected_version=1)
        assert await refused(bundles.CreateBundleVersion(late)) is Reason.BUNDLE_CONFLICT
    with service.calling(tenant_id):
        newer = await given(service, tenant_id, TEXT + b"2", version_of=a.source_id)
    with service.calling(tenant_id, key="k5"):
        refreshed = await bundles.RefreshBundle(bundles_pb2.RefreshBundleRequest(bundle_id=made.bundle_id))
        assert (refreshed.version, list(refreshed.source_ids)) == (3, [newer.source_id, b.source_id])
    with service.calling(tenant_id, key="k6"):
        assert await bundles.RefreshBundle(bundles_pb2.RefreshBundleRequest(bundle_id="one")) == refreshed
    with service.calling(tenant_id):
        first = await bundles.ListBundleVersions(bundles_pb2.ListBundleVersionsRequest(bundle_id="one", page_size=2))
        rest = await bundles.ListBundleVersions(
            bundles_pb2.ListBundleVersionsRequest(bundle_id="one", page_size=2, page_token=first.next_page_token)
        )
        assert [one.version for one in (*first.versions, *rest.versions)] == [3, 2, 1]
        asked_version = bundles_pb2.GetBundleVersionRequest(bundle_id="one", version=2)
        assert await bundles.GetBundleVersion(asked_version) == added
        assert (await bundles.GetBundle(bundles_pb2.GetBundleRequest(bundle_id="one"))).latest == refreshed
        [listed] = (await bundles.ListBundles(bundles_pb2.ListBundlesRequest())).bundles
        assert (listed.name, listed.version, listed.HasField("latest")) == ("one", 3, False)
    with service.calling(new_id("ten")):
        other = bundles.GetBundle(bundles_pb2.GetBundleRequest(bundle_id=made.bundle_id))
        assert await refused(other) is Reason.BUNDLE_NOT_FOUND
