"""The versions of providers: one cache port on memory and Postgres, and one request for all who ask at one time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider
from lace_llm_gateway.adapters.memory_versions import MemoryVersionCache
from lace_llm_gateway.adapters.postgres_versions import PostgresVersionCache
from lace_llm_gateway.app.ports import VersionCache
from lace_llm_gateway.app.providers.list_versions import Versions
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions, ProviderVersions, VersionsFrom

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
TTL_S = 300


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Source:
    """A provider that counts how often it is asked, answers when it is let, and honours the tag that it gave."""

    name: str = "openai"
    default_model: str = "gpt-4o"
    offered: tuple[str, ...] = ("gpt-4o-2024-08-06", "gpt-4o")
    etag: str = '"v1"'
    asked: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    failure: LaceError | None = None

    def __post_init__(self) -> None:
        self.open.set()

    def configured(self) -> bool:
        return True

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        self.asked.append(etag)
        await self.open.wait()
        if self.failure:
            raise self.failure
        if etag and etag == self.etag:
            return None
        return OfferedVersions(self.offered, self.offered[0], self.etag)

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        return ProviderAnswer("", FinishReason.STOP, request.model, request.model)

    async def stream(self, request: ProviderRequest) -> Any:
        yield await self.complete(request)

    async def close(self) -> None:
        return


@dataclass
class Counts:
    locks: list[str] = field(default_factory=list)

    def single_flight(self, provider: str) -> None:
        self.locks.append(provider)

    def version_mismatch(self, provider: str) -> None:
        raise AssertionError

    def batch_drift_pause(self, provider: str) -> None:
        raise AssertionError

    def als_over_limit(self) -> None:
        raise AssertionError

    def grounding_required_failure(self, provider: str, reason: str) -> None:
        raise AssertionError


@pytest.fixture(autouse=True)
async def nothing_kept(system_database: Callable[[str], Any]) -> None:
    async with system_database("llm_gateway").transaction() as tx:
        await tx.execute("DELETE FROM provider_version_cache")
        await tx.commit()


@pytest.fixture(params=["memory", "postgres"])
def cache(request: pytest.FixtureRequest, system_database: Callable[[str], Any]) -> VersionCache:
    if request.param == "memory":
        return MemoryVersionCache()
    return PostgresVersionCache(system_database("llm_gateway"))


@dataclass
class World:
    cache: VersionCache
    source: Source = field(default_factory=Source)
    clock: Clock = field(default_factory=Clock)
    counts: Counts = field(default_factory=Counts)

    def process(self, timeout_s: float = 10.0, **more: Any) -> Versions:
        """The use case as one more process has it: the cache is shared, the flights are not."""
        providers = {"openai": self.source, "extractive": ExtractiveProvider(), **more}
        return Versions(providers, self.cache, self.clock, self.counts, ttl_s=TTL_S, timeout_s=timeout_s)


@pytest.fixture
def world(cache: VersionCache) -> World:
    return World(cache)


def kept(**changes: Any) -> ProviderVersions:
    versions = ProviderVersions(
        "openai", ("a", "b"), "a", START, START + timedelta(seconds=TTL_S), '"v1"', VersionsFrom.LIVE
    )
    return replace(versions, **changes)


async def test_what_is_kept_comes_back(cache: VersionCache) -> None:
    assert await cache.read("openai") is None
    await cache.write(kept())
    assert await cache.read("openai") == kept()
    assert await cache.read("anthropic") is None


async def test_who_was_asked_later_wins(cache: VersionCache) -> None:
    later = kept(last_checked_utc=START + timedelta(seconds=9), versions=("c",))
    await cache.write(later)
    await cache.write(kept())
    assert await cache.read("openai") == later


async def test_one_at_a_time_refreshes_a_provider(cache: VersionCache) -> None:
    async with cache.refreshing("openai") as first, cache.refreshing("openai") as second:
        assert (first, second) == (True, False)
        async with cache.refreshing("anthropic") as other:
            assert other
    async with cache.refreshing("openai") as again:
        assert again


async def test_an_answer_holds_for_its_time(world: World) -> None:
    first = await world.process().list("openai")
    world.clock.passes(TTL_S - 1)
    second = await world.process().list("openai")
    world.clock.passes(1)
    third = await world.process().list("openai")
    assert [first.source, second.source, third.source] == [VersionsFrom.LIVE, VersionsFrom.CACHE, VersionsFrom.LIVE]
    assert first.versions == second.versions == third.versions == ("gpt-4o", "gpt-4o-2024-08-06")
    assert first.current == "gpt-4o-2024-08-06"
    assert second.expires_at_utc == START + timedelta(seconds=TTL_S)
    assert third.last_checked_utc == START + timedelta(seconds=TTL_S)


async def test_the_provider_s_tag_makes_the_next_request_conditional(world: World) -> None:
    await world.process().list("openai")
    world.clock.passes(TTL_S)
    unchanged = await world.process().list("openai")
    world.source.etag, world.source.offered = '"v2"', ("gpt-5",)
    changed = await world.process().list("openai", force_refresh=True)
    assert world.source.asked == ["", '"v1"', '"v1"']
    assert (unchanged.etag, unchanged.source, unchanged.expires_at_utc) == (
        '"v1"',
        VersionsFrom.LIVE,
        START + timedelta(seconds=2 * TTL_S),
    )
    assert (changed.etag, changed.versions) == ('"v2"', ("gpt-5",))


async def test_a_provider_without_a_tag_gets_one_that_is_never_sent_to_it(world: World) -> None:
    world.source.etag = ""
    first = await world.process().list("openai")
    again = await world.process().list("openai", force_refresh=True)
    world.source.offered = ("gpt-5",)
    changed = await world.process().list("openai", force_refresh=True)
    assert world.source.asked == ["", "", ""]
    assert first.etag == again.etag != changed.etag
    assert first.etag.startswith('W/"')


async def test_a_hundred_questions_in_two_processes_cost_one_request(world: World) -> None:
    world.source.open.clear()
    one, other = world.process(), world.process()
    asking = [asyncio.create_task(each.list("openai")) for each in (one, other) for _ in range(50)]
    while not world.source.asked:
        await asyncio.sleep(0.005)
    world.source.open.set()
    answers = await asyncio.gather(*asking)
    assert len(world.source.asked) == 1
    assert world.counts.locks == ["openai"]
    assert {answer.versions for answer in answers} == {("gpt-4o", "gpt-4o-2024-08-06")}
    assert [answer.source for answer in answers].count(VersionsFrom.LIVE) == 1


async def test_who_leaves_does_not_take_the_answer_from_the_others(world: World) -> None:
    world.source.open.clear()
    process = world.process()
    first = asyncio.create_task(process.list("openai"))
    while not world.source.asked:
        await asyncio.sleep(0.005)
    second = asyncio.create_task(process.list("openai"))
    await asyncio.sleep(0)
    first.cancel()
    world.source.open.set()
    assert (await second).versions
    assert len(world.source.asked) == 1


async def test_an_expired_answer_is_not_given_when_the_provider_fails(world: World) -> None:
    process = world.process()
    await process.list("openai")
    world.clock.passes(TTL_S)
    world.source.failure = LaceError(Reason.PROVIDER_UNAVAILABLE, "gone", retryable=True)
    with pytest.raises(LaceError) as failed:
        await process.list("openai")
    assert failed.value.reason is Reason.PROVIDER_UNAVAILABLE
    world.source.failure = None
    assert (await process.list("openai")).source is VersionsFrom.LIVE


async def test_a_provider_that_does_not_answer_is_not_waited_for_longer_than_set(world: World) -> None:
    world.source.open.clear()
    with pytest.raises(LaceError) as failed:
        await world.process(timeout_s=0.05).list("openai")
    assert failed.value.reason is Reason.DEADLINE_EXCEEDED
    world.source.open.set()
    assert (await world.process().list("openai")).source is VersionsFrom.LIVE


async def test_the_offline_provider_says_its_one_version(world: World) -> None:
    found = await world.process().list("extractive")
    assert (found.versions, found.current) == (("extractive-1",), "extractive-1")


async def test_an_unknown_provider_is_refused(world: World) -> None:
    with pytest.raises(LaceError) as unknown:
        await world.process().list("acme")
    assert unknown.value.reason is Reason.PROVIDER_UNKNOWN
