"""The diffs of a running ingest: over gRPC, out of Postgres, in pages, and only for who may see both sides."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lace.ingest.v1 import diffs_pb2 as pb
from lace_core.errors import LaceError, Reason
from lace_platform.ids import new_id
from tests.integration.lace_ingest.conftest import Service

TEXT = "# Bridge\n\n## Cost\n\n" + "\n\n".join(
    f"Item {place} of the bridge cost {place}00 pounds." for place in range(30)
)
NEWER = (
    TEXT.replace("# Bridge", "# Bridge today")
    .replace("cost 700", "cost 750")
    .replace("Item 9 of the bridge cost 900 pounds.\n\n", "")
)


@dataclass(frozen=True)
class Both:
    """Two versions of a document in a tenant."""

    tenant_id: str
    before: str
    after: str


async def _version(service: Service, tenant_id: str, name: str, text: str, **more: object) -> str:
    with service.calling(tenant_id):
        source = await service.upload(name, text.encode(), **more)  # type: ignore[arg-type]
    await service.ingest(tenant_id, source.source_id)
    return source.source_id


@pytest.fixture
async def both(service: Service) -> Both:
    tenant_id = new_id("ten")
    before = await _version(service, tenant_id, "bridge.md", TEXT)
    return Both(tenant_id, before, await _version(service, tenant_id, "bridge-2.md", NEWER, version_of=before))


async def _refused(service: Service, request: pb.DiffSourcesRequest, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        await service.diffs.DiffSources(request)
    assert refused.value.reason is reason


async def test_the_text_is_told_in_pages_that_make_the_whole(service: Service, both: Both) -> None:
    asked = pb.DiffSourcesRequest(source_id=both.after, level=pb.DIFF_LEVEL_DOCUMENT, context=1)
    with service.calling(both.tenant_id):
        whole = await service.diffs.DiffSources(asked)
        assert (whole.before.source_id, whole.after.version, whole.next_page_token) == (both.before, 2, "")
        told, token = [], ""
        while True:
            asked.page_size, asked.page_token = 2, token
            page = await service.diffs.DiffSources(asked)
            assert len(page.passages) <= 2
            assert page.summary == whole.summary
            told.extend(page.passages)
            token = page.next_page_token
            if not token:
                break
        assert told == list(whole.passages)
        changed = [passage for passage in told if passage.change == pb.DIFF_CHANGE_CHANGED]
        assert [[word.text for word in passage.words] for passage in changed] == [
            ["Bridge", " today"],
            ["Item 7 of the bridge cost ", "700", "750", " pounds."],
        ]
        counts = whole.summary.paragraphs
        assert (counts.changed, counts.removed, counts.unchanged) == (2, 1, 29)
        asked.against, asked.page_token = both.after, page_token_of(await _first_page(service, both))
        await _refused(service, asked, Reason.PAGE_TOKEN_INVALID)


async def _first_page(service: Service, both: Both) -> pb.DiffSourcesResponse:
    asked = pb.DiffSourcesRequest(source_id=both.after, level=pb.DIFF_LEVEL_DOCUMENT, context=1, page_size=2)
    found: pb.DiffSourcesResponse = await service.diffs.DiffSources(asked)
    return found


def page_token_of(page: pb.DiffSourcesResponse) -> str:
    """The token, which there must be."""
    assert page.next_page_token
    return page.next_page_token


async def test_units_come_with_their_content(service: Service, both: Both) -> None:
    with service.calling(both.tenant_id):
        found = await service.diffs.DiffSources(
            pb.DiffSourcesRequest(source_id=both.after, level=pb.DIFF_LEVEL_EXTRACTION)
        )
    changed, removed = found.units
    assert (changed.before.text, changed.after.text, list(changed.fields)) == (
        "Item 7 of the bridge cost 700 pounds.", "Item 7 of the bridge cost 750 pounds.", ["text"],
    )  # fmt: skip
    assert (changed.before.source_id, changed.after.source_id, changed.similarity) == (both.before, both.after, 888)
    assert (removed.change, removed.before.order, removed.HasField("after")) == (pb.DIFF_CHANGE_REMOVED, 9, False)


async def test_what_is_private_or_labelled_or_anothers_is_not_there(service: Service, both: Both) -> None:
    private = await _version(service, both.tenant_id, "mine.md", NEWER, private=True)
    asked = pb.DiffSourcesRequest(source_id=private, against=both.before, level=pb.DIFF_LEVEL_EXTRACTION)
    back = pb.DiffSourcesRequest(source_id=both.before, against=private, level=pb.DIFF_LEVEL_DOCUMENT)
    with service.calling(both.tenant_id):
        assert len((await service.diffs.DiffSources(asked)).units) == 2
    for nobody in (service.calling(both.tenant_id, principal="prn_other"), service.calling(new_id("ten"))):
        with nobody:
            await _refused(service, asked, Reason.SOURCE_NOT_FOUND)
            await _refused(service, back, Reason.SOURCE_NOT_FOUND)
            with pytest.raises(LaceError) as refused:
                await service.diffs.AssessImpact(pb.AssessImpactRequest(**{"from": private}))  # type: ignore[arg-type]
            assert refused.value.reason is Reason.SOURCE_NOT_FOUND


async def test_versions_of_a_bundle_are_paired_by_document(service: Service, both: Both) -> None:
    from lace.ingest.v1 import bundles_pb2

    other = await _version(service, both.tenant_id, "other.md", "# Other\n\nOf no account.\n")
    with service.calling(both.tenant_id, key=new_id("key")):
        made = await service.bundles.CreateBundle(
            bundles_pb2.CreateBundleRequest(name=f"b-{both.before[-8:]}", source_ids=[both.before, other])
        )
    with service.calling(both.tenant_id, key=new_id("key")):
        await service.bundles.RefreshBundle(bundles_pb2.RefreshBundleRequest(bundle_id=made.bundle_id))
    with service.calling(both.tenant_id):
        found = await service.diffs.DiffBundles(pb.DiffBundlesRequest(bundle_id=made.bundle_id))
        every = await service.diffs.DiffBundles(pb.DiffBundlesRequest(bundle_id=made.bundle_id, unchanged=True))
    assert (getattr(found, "from"), found.to, found.counts.changed, found.counts.unchanged) == (1, 2, 1, 1)
    [change] = found.sources
    assert (change.before.source_id, change.after.source_id) == (both.before, both.after)
    assert (change.summary.paragraphs.changed, change.summary.units.removed) == (2, 1)
    assert [one.change for one in every.sources] == [pb.DIFF_CHANGE_CHANGED, pb.DIFF_CHANGE_UNCHANGED]
