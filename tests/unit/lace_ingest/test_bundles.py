"""Bundles and versions of documents: the rules one by one, then any order of changes against a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Names
from hypothesis.stateful import RuleBasedStateMachine, consumes, initialize, invariant, rule

from lace_core.errors import LaceError, Reason
from lace_core.labels import held_by, owner_label
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.app import bundles
from lace_ingest.app.bundles import NewBundle
from lace_ingest.app.ports import Caller, Mutation
from lace_ingest.app.versions import add_version
from lace_ingest.domain.bundles import Bundle, Edit, Shown, bundle_id_of, hash_of, refreshed
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState

T = TypeVar("T")
TENANT = "ten_1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = count(1)


@dataclass
class World:
    """What the use cases of bundles need: a store, and a clock that ticks at each look."""

    units_of_work: MemoryWork = field(default_factory=MemoryWork)
    ticks: int = 0

    def now(self) -> datetime:
        self.ticks += 1
        return NOW + timedelta(seconds=self.ticks)

    async def give(self, *labels: str, version_of: str = "", ready: bool = True) -> Source:
        made = Source(
            source_id=f"src_{next(_numbers)}", filename="a.md", title="a", format=SourceFormat.MD,
            media_type="text/markdown", size_bytes=1, sha256="0" * 64, raw_uri="x", created_at=NOW,
            created_by="prn_1", state=SourceState.READY if ready else SourceState.PENDING, labels=labels,
        )  # fmt: skip
        async with self.units_of_work(TENANT) as work:
            if version_of:
                made = await add_version(work, person("prn_1", *labels), made, version_of)
            else:
                await work.sources.add(TENANT, made)
            await work.commit()
        return made

    async def make(self, name: str, *source_ids: str, caller: Caller | None = None, **more: Any) -> Bundle:
        wanted = NewBundle(name, source_ids=source_ids, **more)
        made, _ = await bundles.create_bundle(self.ingest, caller or person("prn_1"), wanted, mutation())
        return made

    async def edit(self, name: str, caller: Caller | None = None, **more: Any) -> tuple[Shown, bool]:
        return await bundles.edit_bundle(self.ingest, caller or person("prn_1"), name, Edit(**more), mutation())

    async def refresh(self, name: str, caller: Caller | None = None, expected: int | None = None) -> tuple[Shown, bool]:
        return await bundles.refresh_bundle(self.ingest, caller or person("prn_1"), name, expected, "", mutation())

    @property
    def ingest(self) -> Any:
        """Bundles need no more of app.ports.Ingest than this has."""
        return self


def person(name: str, *labels: str) -> Caller:
    return Caller(TENANT, name, held_by(name, labels))


def mutation() -> Mutation:
    return Mutation(f"r{next(_numbers)}", b"")


async def refused(awaitable: Awaitable[object]) -> Reason:
    with pytest.raises(LaceError) as found:
        await awaitable
    return found.value.reason


async def test_each_change_is_a_version_and_no_change_is_none() -> None:
    world = World()
    a, b = (await world.give()).source_id, (await world.give()).source_id
    made = await world.make("one", a, a, note="first")
    assert (made.bundle_id, made.version) == (bundle_id_of(TENANT, "one"), 1)
    shown, changed = await world.edit("one", add=(b, a), note="more")
    assert (changed, shown.version.version, shown.source_ids) == (True, 2, (a, b))
    for again in (Edit(add=(a, b)), Edit(source_ids=(a, b))):
        same, changed = await world.edit(made.bundle_id, source_ids=again.source_ids, add=again.add)
        assert (changed, same) == (False, shown)
    ordered, changed = await world.edit("one", source_ids=(b, a))
    assert (changed, ordered.version.sha256) == (True, hash_of((b, a)))
    assert ordered.version.sha256 != shown.version.sha256
    emptied, _ = await world.edit("one", remove=(a, b))
    assert (emptied.version.version, emptied.source_ids) == (4, ())
    kept = await bundles.list_versions(world.ingest, person("prn_1"), "one", 9, None)
    assert [(one.version.version, one.source_ids) for one in kept] == [(4, ()), (3, (b, a)), (2, (a, b)), (1, (a,))]
    assert await bundles.get_version(world.ingest, person("prn_1"), "one", 2) == shown


async def test_a_stale_editor_is_told_and_changes_nothing() -> None:
    world = World()
    a, b = (await world.give()).source_id, (await world.give()).source_id
    await world.make("one", a)
    await world.edit("one", add=(b,), expected=1)
    assert await refused(world.edit("one", remove=(a,), expected=1)) is Reason.BUNDLE_CONFLICT
    assert await refused(world.refresh("one", expected=1)) is Reason.BUNDLE_CONFLICT
    _, latest = await bundles.get_bundle(world.ingest, person("prn_1"), "one")
    assert latest is not None
    assert latest.source_ids == (a, b)


async def test_what_cannot_be_is_refused() -> None:
    world = World()
    a = (await world.give()).source_id
    await world.make("one")
    assert await refused(world.make("one")) is Reason.BUNDLE_EXISTS
    assert await refused(world.make("bnd_x")) is Reason.INVALID_ARGUMENT
    assert await refused(world.make("two", "src_none")) is Reason.SOURCE_NOT_FOUND
    assert await refused(world.edit("one", add=("src_none",))) is Reason.SOURCE_NOT_FOUND
    assert await refused(world.edit("one", remove=(a,))) is Reason.SOURCE_NOT_FOUND
    assert await refused(world.edit("none", add=(a,))) is Reason.BUNDLE_NOT_FOUND
    assert await refused(world.edit("one")) is Reason.INVALID_ARGUMENT
    assert await refused(world.edit("one", source_ids=(a,), add=(a,))) is Reason.INVALID_ARGUMENT
    assert await refused(world.make("two", labels=("x",))) is Reason.PERMISSION_DENIED
    assert await refused(world.refresh("one")) is Reason.BUNDLE_EMPTY
    assert await refused(bundles.get_version(world.ingest, person("prn_1"), "one", 0)) is Reason.BUNDLE_EMPTY
    await world.edit("one", add=(a,))
    assert await refused(bundles.get_version(world.ingest, person("prn_1"), "one", 2)) is Reason.BUNDLE_NOT_FOUND


async def test_a_bundle_holds_a_thousand_sources_and_no_more() -> None:
    world = World()
    made = [await world.give() for _ in range(3)]
    await world.make("one", *(source.source_id for source in made))
    many = tuple(f"src_x{n}" for n in range(998))
    assert await refused(world.edit("one", add=many)) is Reason.INVALID_ARGUMENT


async def test_a_bundle_carries_the_labels_of_its_sources() -> None:
    world = World()
    cleared = person("prn_1", "x", "y")
    plain, labelled = await world.give(), await world.give("x")
    made = await world.make("open", plain.source_id, caller=cleared)
    assert await refused(world.edit("open", cleared, add=(labelled.source_id,))) is Reason.PERMISSION_DENIED
    closed = await world.make("closed", plain.source_id, labelled.source_id, caller=cleared, labels=("y",))
    assert (made.labels, closed.labels) == ((), ("x", "y"))
    assert await refused(world.edit("closed", add=(plain.source_id,))) is Reason.BUNDLE_NOT_FOUND
    assert [one.name for one in await bundles.list_bundles(world.ingest, person("prn_2"), 9, "")] == ["open"]
    assert await refused(world.make("mine", labelled.source_id)) is Reason.SOURCE_NOT_FOUND


async def test_what_is_private_is_its_owners_alone() -> None:
    world = World()
    owner, other = person("prn_1"), person("prn_2", owner_label("prn_1"))
    assert owner_label("prn_1") not in other.labels  # nobody can claim it
    private, plain = await world.give(owner_label("prn_1")), await world.give()
    await world.make("open", plain.source_id, caller=owner)
    assert await refused(world.edit("open", owner, add=(private.source_id,))) is Reason.PERMISSION_DENIED
    assert await refused(world.edit("open", other, add=(private.source_id,))) is Reason.SOURCE_NOT_FOUND
    mine = await world.make("mine", plain.source_id, caller=owner, private=True)
    assert mine.labels == (owner_label("prn_1"),)
    await world.edit("mine", owner, add=(private.source_id,))
    assert await refused(bundles.get_bundle(world.ingest, other, "mine")) is Reason.BUNDLE_NOT_FOUND
    assert [one.name for one in await bundles.list_bundles(world.ingest, other, 9, "")] == ["open"]


async def test_a_source_that_gathered_labels_is_withheld_and_counted() -> None:
    world = World()
    plain, later = await world.give(), await world.give()
    await world.make("open", plain.source_id, later.source_id)
    async with world.units_of_work(TENANT) as work:
        await work.sources.settle(TENANT, _labelled(later, "x"))
        await work.commit()
    _, shown = await bundles.get_bundle(world.ingest, person("prn_2"), "open")
    assert shown is not None
    assert (shown.source_ids, shown.withheld) == ((plain.source_id,), 1)
    assert shown.version.sha256 == hash_of((plain.source_id, later.source_id))
    _, whole = await bundles.get_bundle(world.ingest, person("prn_2", "x"), "open")
    assert whole is not None
    assert whole.withheld == 0
    edited, _ = await world.edit("open", person("prn_2"), remove=(plain.source_id,))
    assert (edited.version.source_ids, edited.withheld) == ((later.source_id,), 1)


async def test_a_refresh_follows_what_its_readers_may_see_and_never_goes_back() -> None:
    world = World()
    cleared = person("prn_1", "x")
    a, b = await world.give(), await world.give()
    await world.make("open", a.source_id, b.source_id, caller=cleared)
    a2 = await world.give(version_of=a.source_id)
    await world.give("x", version_of=a.source_id)  # the bundle's readers may lack this label
    b2 = await world.give(version_of=b.source_id, ready=False)
    shown, changed = await world.refresh("open", cleared)
    assert (changed, shown.source_ids) == (True, (a2.source_id, b.source_id))
    assert (await world.refresh("open", cleared)) == (shown, False)
    newer, _ = await world.edit("open", add=(b2.source_id,), remove=(b.source_id,))
    assert await world.refresh("open") == (newer, False)  # what is there is newer than what is ready


def test_two_versions_of_a_document_become_one() -> None:
    first = Source("src_1", "a.md", "a", SourceFormat.MD, "", 1, "0" * 64, "x", NOW, "prn_1")
    second = _version(first, "src_2", 2)
    third = _version(first, "src_3", 3)
    known = {"src_1": first, "src_2": second}
    assert refreshed(["src_1", "src_9", "src_2"], known, {"src_1": third}) == ("src_3", "src_9")


def _labelled(source: Source, label: str) -> Source:
    return Source(**{**vars(source), "labels": (label,)})


def _version(first: Source, source_id: str, number: int) -> Source:
    return Source(**{**vars(first), "source_id": source_id, "version": number})


class BundlesAgainstAModel(RuleBasedStateMachine):
    """Documents gain versions and bundles follow them, beside plain lists that say what should come of it."""

    known = Names("known")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.loop = asyncio.new_event_loop()
        self.documents: dict[str, list[Source]] = {}
        self.series: dict[str, str] = {}
        self.versions: list[tuple[str, ...]] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.world.make("one"))

    @property
    def present(self) -> tuple[str, ...]:
        return self.versions[-1] if self.versions else ()

    def expect(self, result: tuple[Shown, bool], wanted: tuple[str, ...]) -> None:
        shown, changed = result
        assert changed == (wanted != self.present)
        if changed:
            self.versions.append(wanted)
        assert (shown.source_ids, shown.version.version) == (wanted, len(self.versions))

    @rule(target=known, ready=st.booleans())
    def new_document(self, ready: bool) -> str:
        made = self.run(self.world.give(ready=ready))
        self.documents[made.source_id] = [made]
        self.series[made.source_id] = made.source_id
        return made.source_id

    @rule(target=known, of=known, ready=st.booleans())
    def next_version(self, of: str, ready: bool) -> str:
        made = self.run(self.world.give(version_of=of, ready=ready))
        document = self.documents[self.series[of]]
        assert (made.version, made.previous_source_id) == (len(document) + 1, document[-1].source_id)
        document.append(made)
        self.series[made.source_id] = self.series[of]
        return made.source_id

    @rule(source_ids=st.lists(known, min_size=1, max_size=4))
    def add(self, source_ids: list[str]) -> None:
        wanted = tuple(dict.fromkeys((*self.present, *source_ids)))
        self.expect(self.run(self.world.edit("one", add=tuple(source_ids), expected=len(self.versions))), wanted)

    @rule(source_ids=st.lists(known, min_size=1, max_size=4))
    def replace(self, source_ids: list[str]) -> None:
        self.expect(self.run(self.world.edit("one", source_ids=tuple(source_ids))), tuple(dict.fromkeys(source_ids)))

    @rule(source_id=consumes(known))
    def remove(self, source_id: str) -> None:
        if source_id not in self.present:
            assert self.run(refused(self.world.edit("one", remove=(source_id,)))) is Reason.SOURCE_NOT_FOUND
            return
        wanted = tuple(one for one in self.present if one != source_id)
        self.expect(self.run(self.world.edit("one", remove=(source_id,))), wanted)

    @rule()
    def refresh(self) -> None:
        if not self.versions:
            assert self.run(refused(self.world.refresh("one"))) is Reason.BUNDLE_EMPTY
            return
        self.expect(self.run(self.world.refresh("one")), tuple(dict.fromkeys(map(self._newest, self.present))))

    def _newest(self, source_id: str) -> str:
        document = self.documents[self.series[source_id]]
        at = next(n for n, one in enumerate(document) if one.source_id == source_id)
        ready = [one.source_id for one in document[at:] if one.state is SourceState.READY]
        return ready[-1] if ready else source_id

    @rule(behind=st.integers(1, 3))
    def stale(self, behind: int) -> None:
        late = self.world.edit("one", add=("src_none",), expected=len(self.versions) + behind)
        assert self.run(refused(late)) is Reason.BUNDLE_CONFLICT

    @invariant()
    def nothing_that_was_is_changed(self) -> None:
        kept = self.run(bundles.list_versions(self.world.ingest, person("prn_1"), "one", 1000, None))
        assert [one.source_ids for one in reversed(kept)] == self.versions
        assert all(one.version.sha256 == hash_of(one.source_ids) for one in kept)


TestBundlesAgainstAModel = BundlesAgainstAModel.TestCase
TestBundlesAgainstAModel.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
