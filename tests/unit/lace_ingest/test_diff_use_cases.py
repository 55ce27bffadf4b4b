"""Comparing sources and bundles on memory: who may see what, pages, previous and newest versions, and impact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.ir import Evidence
from lace_ingest.adapters.diffs.child_differ import ChildDiffer
from lace_ingest.adapters.diffs.kept_diffs import KeptDiffs
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.app.diffs import comparing, impact
from lace_ingest.app.diffs.impact import Asked
from lace_ingest.app.diffs.pages import MOST_CHARACTERS, page_of
from lace_ingest.app.diffs.ports import CitationPage, Diffs
from lace_ingest.app.diffs.versions import pair_of
from lace_ingest.app.ports import Caller
from lace_ingest.domain.diffs.bundles import diff_bundles
from lace_ingest.domain.diffs.changes import Change
from lace_ingest.domain.diffs.citations import Citation, CitingPart
from lace_ingest.domain.diffs.impact import Standing
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from tests.doubles.versions import numbered, unit

TENANT = "ten_1"
CALLER = Caller(TENANT, "prn_1")
NOW = datetime(2026, 5, 6, tzinfo=UTC)
OLD = [unit("The wall was raised by two metres", 0, "Works"), unit("It cost 1,200", 1, "Cost"), unit("Sea", 2, "Sea")]
NEW = [unit("The wall was raised by six metres", 0, "Works"), unit("It cost 1,200", 1, "Cost"), unit("Sky", 2, "Sky")]


def source(name: str, **more: object) -> Source:
    made = Source(
        source_id=f"src_{name}", filename=f"{name}.md", title=name, format=SourceFormat.MD,
        media_type="text/markdown", size_bytes=1, sha256="0" * 64, raw_uri="x", created_at=NOW, created_by="prn_1",
        state=SourceState.READY, extraction="x/1",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


@dataclass
class MemoryCitations:
    """Who cites, in memory; it can refuse."""

    citations: list[Citation] = field(default_factory=list)
    refuses: bool = False

    async def page(self, source_ids: Sequence[str], artifact_id: str, limit: int, token: str) -> CitationPage:
        if self.refuses:
            raise LaceError(Reason.PERMISSION_DENIED, "This needs the scope artifacts:read.")
        found = [
            citation
            for citation in self.citations
            if (not source_ids or citation.evidence.source_id in source_ids)
            and artifact_id in ("", citation.artifact_id)
        ]
        start = int(token or 0)
        end = start + limit
        return CitationPage(found[start:end], str(end) if end < len(found) else "")


class World:
    """Two versions of a document, one source besides, and who cites them."""

    def __init__(self) -> None:
        self.work = MemoryWork()
        self.citations = MemoryCitations()
        self.kept = KeptDiffs(1 << 20)
        self.diffs = Diffs(self.work, ChildDiffer(5, 1), self.kept, self.citations)

    async def keep(self, made: Source, units: Sequence[Unit]) -> Source:
        mine = numbered(units, made.source_id)
        async with self.work(TENANT) as work:
            await work.sources.add(TENANT, made)
            await work.units.add(TENANT, made, mine)
            await work.commit()
        return made

    async def unit_of(self, made: Source, place: int) -> Unit:
        async with self.work(TENANT) as work:
            return (await work.units.page(TENANT, made, 100, -1))[place]

    async def cite(self, made: Source, place: int, artifact_id: str = "art_1") -> None:
        cited = await self.unit_of(made, place)
        evidence = Evidence(
            evidence_id=f"evd_{len(self.citations.citations)}", source_id=made.source_id, source_version=made.sha256,
            unit_id=cited.unit_id, extraction=made.extraction, start=0, end=len(cited.text), quote=cited.text,
            quote_hash=sha256_hex(cited.text.encode()),
        )  # fmt: skip
        part = CitingPart("blk_1", "sen_1", "So it is.")
        self.citations.citations.append(Citation(artifact_id, "Title", "rev_1", "nod_1", "Node", evidence, (part,)))


@pytest.fixture
async def world() -> World:
    made = World()
    await made.keep(source("v1"), OLD)
    await made.keep(source("v2", series_id="src_v1", version=2, previous_source_id="src_v1"), NEW)
    return made


async def test_without_another_a_source_is_compared_with_the_version_before(world: World) -> None:
    pair = await pair_of(world.diffs, CALLER, "src_v2", "")
    assert (pair.before.source_id, pair.after.source_id) == ("src_v1", "src_v2")
    with pytest.raises(LaceError) as refused:
        await pair_of(world.diffs, CALLER, "src_v1", "")
    assert refused.value.reason is Reason.PREVIOUS_VERSION_NOT_FOUND


async def test_what_a_caller_may_not_see_is_not_there_to_compare(world: World) -> None:
    await world.keep(source("secret", labels=("secret",)), OLD)
    for asked in (("src_secret", "src_v1"), ("src_v1", "src_secret"), ("src_none", "src_v1")):
        with pytest.raises(LaceError) as refused:
            await pair_of(world.diffs, CALLER, *asked)
        assert refused.value.reason is Reason.SOURCE_NOT_FOUND
    holder = Caller(TENANT, "prn_1", frozenset({"secret"}))
    assert (await pair_of(world.diffs, holder, "src_secret", "src_v1")).after.source_id == "src_secret"
    with pytest.raises(LaceError):
        await pair_of(world.diffs, Caller("ten_2", "prn_1"), "src_v2", "")


async def test_a_source_that_was_not_read_cannot_be_compared(world: World) -> None:
    await world.keep(source("pending", state=SourceState.PENDING), [])
    with pytest.raises(LaceError) as refused:
        await pair_of(world.diffs, CALLER, "src_pending", "src_v1")
    assert refused.value.reason is Reason.SOURCE_NOT_READY


async def test_changes_are_counted_and_told_in_pages(world: World) -> None:
    pair = await pair_of(world.diffs, CALLER, "src_v2", "")
    paragraphs, units = await comparing.count_changes(world.diffs, pair)
    assert paragraphs == {Change.CHANGED: 1, Change.UNCHANGED: 3, Change.REMOVED: 2, Change.ADDED: 2}
    assert units == {Change.CHANGED: 1, Change.UNCHANGED: 1, Change.REMOVED: 1, Change.ADDED: 1}
    told: list[comparing.ShownUnit] = []
    start = 0
    while True:
        counts, page = await comparing.diff_units(world.diffs, pair, unchanged=False, start=start, size=2)
        assert counts == units
        told += page.entries
        if page.following is None:
            break
        start = page.following
    said = [(one.change.change.value, *(side and side.text for side in (one.before, one.after))) for one in told]
    assert said == [("changed", OLD[0].text, NEW[0].text), ("removed", "Sea", None), ("added", None, "Sky")]
    _, every = await comparing.diff_units(world.diffs, pair, unchanged=True, start=0, size=100)
    assert len(every.entries) == 4


async def test_a_diff_is_computed_once_for_all_its_pages(world: World) -> None:
    pair = await pair_of(world.diffs, CALLER, "src_v2", "")
    _, first = await comparing.diff_documents(world.diffs, pair, 1, 0, 2)
    assert first.following == 2
    computed = world.kept.get(("document", 1, *pair.key))
    assert computed is not None
    _, second = await comparing.diff_documents(world.diffs, pair, 1, 2, 100)
    assert world.kept.get(("document", 1, *pair.key)) is computed
    assert [*first.entries, *second.entries] == list(computed)


async def test_citations_of_the_old_version_are_judged_in_the_new(world: World) -> None:
    for place in range(3):
        await world.cite(source("v1"), place)
    pair = await pair_of(world.diffs, CALLER, "src_v2", "")
    every = await impact.assess_pair(world.diffs, pair, Asked(10, unchanged=True))
    assert [one.place.standing for one in every.impacts] == [Standing.CHANGED, Standing.STANDS, Standing.GONE]
    assert every.impacts[0].place.text == NEW[0].text
    touched = await impact.assess_source(world.diffs, CALLER, "src_v1", "", Asked(10))
    assert [one.place.standing for one in touched.impacts] == [Standing.CHANGED, Standing.GONE]
    assert [one.source_id for one in touched.sources] == ["src_v1", "src_v2"]
    counts = await impact.count_impact(world.diffs, pair)
    assert counts is not None
    assert (counts.by_standing, counts.artifacts, counts.incomplete) == (
        {Standing.STANDS: 1, Standing.MOVED: 0, Standing.CHANGED: 1, Standing.GONE: 1}, 1, False,
    )  # fmt: skip


async def test_pages_of_citations_go_on_though_one_of_them_has_nothing_to_tell(world: World) -> None:
    for place in (1, 1, 0):
        await world.cite(source("v1"), place)
    first = await impact.assess_source(world.diffs, CALLER, "src_v1", "src_v2", Asked(2))
    assert (list(first.impacts), first.next_token) == ([], "2")
    second = await impact.assess_source(world.diffs, CALLER, "src_v1", "src_v2", Asked(2, first.next_token))
    assert ([one.place.standing for one in second.impacts], second.next_token) == ([Standing.CHANGED], "")


async def test_a_document_hears_of_its_sources_that_have_newer_versions_alone(world: World) -> None:
    other = await world.keep(source("other"), OLD)
    await world.cite(source("v1"), 0)
    await world.cite(other, 0)
    await world.cite(source("v1"), 2, "art_2")
    stale = await impact.assess_artifact(world.diffs, CALLER, "art_1", Asked(10))
    assert [(one.citation.evidence.source_id, one.source_id) for one in stale.impacts] == [("src_v1", "src_v2")]
    assert [one.source_id for one in stale.sources] == ["src_v1", "src_v2"]


async def test_a_newer_version_that_the_caller_may_not_see_makes_nothing_stale(world: World) -> None:
    await world.cite(source("v1"), 0)
    await world.keep(source("v3", series_id="src_v1", version=3, labels=("secret",)), OLD)
    stale = await impact.assess_artifact(world.diffs, CALLER, "art_1", Asked(10))
    assert [one.source_id for one in stale.impacts] == ["src_v2"]
    holder = Caller(TENANT, "prn_1", frozenset({"secret"}))
    newest = await impact.assess_artifact(world.diffs, holder, "art_1", Asked(10, unchanged=True))
    assert [(one.source_id, one.place.standing) for one in newest.impacts] == [("src_v3", Standing.STANDS)]


async def test_the_newest_version_has_no_impact_to_tell_of(world: World) -> None:
    found = await impact.assess_source(world.diffs, CALLER, "src_v2", "", Asked(10))
    assert (list(found.impacts), [one.source_id for one in found.sources]) == ([], ["src_v2"])


async def test_who_may_not_read_documents_gets_the_other_counts(world: World) -> None:
    world.citations.refuses = True
    pair = await pair_of(world.diffs, CALLER, "src_v2", "")
    assert await impact.count_impact(world.diffs, pair) is None
    with pytest.raises(LaceError):
        await impact.assess_pair(world.diffs, pair, Asked(10))


def test_sources_of_bundles_are_paired_by_series_and_then_by_name() -> None:
    kept, gone, fresh = source("kept"), source("gone"), source("fresh")
    first, second = source("v1"), source("v2", series_id="src_v1", version=2, filename="renamed.md")
    named, again = source("named", filename="n.md"), source("again", filename="n.md")
    changes = diff_bundles([gone, first, kept, named], [fresh, again, kept, second])
    assert [(c.change.value, c.before and c.before.source_id, c.after and c.after.source_id) for c in changes] == [
        ("added", None, "src_fresh"), ("changed", "src_named", "src_again"), ("unchanged", "src_kept", "src_kept"),
        ("changed", "src_v1", "src_v2"), ("removed", "src_gone", None),
    ]  # fmt: skip
    assert {change.change for change in diff_bundles([kept, named], [named, kept])} == {Change.UNCHANGED}


def test_a_page_of_long_texts_holds_fewer() -> None:
    entries = ["x" * (MOST_CHARACTERS - 1), "xx", "x" * (2 * MOST_CHARACTERS)]
    found, start = [], 0
    while True:
        page = page_of(entries, start, 10, len)
        found.append(list(page.entries))
        if page.following is None:
            break
        start = page.following
    assert found == [[entries[0]], [entries[1]], [entries[2]]]


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    kept = KeptDiffs(10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.put("d", 4, 11)
    assert (kept.get("d"), kept.get("a")) == (None, 1)
    kept.put("a", 5, 10)
    assert [kept.get(key) for key in "abc"] == [5, None, None]
