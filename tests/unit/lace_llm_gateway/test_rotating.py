"""A key that changes is used with the next call, and the calls under way end as they began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from lace_llm_gateway.adapters.rotating import RotatingProvider
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions

ASKED = ProviderRequest("", (Message("user", "x"),), None, "m", 0, 10, 5.0)


@dataclass
class Keyed:
    """Answers with its key when it may; not any more once it is closed."""

    key: str
    may: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False
    name: str = "openai"
    default_model: str = "m"

    def configured(self) -> bool:
        return bool(self.key)

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        await self.may.wait()
        assert not self.closed
        return ProviderAnswer(self.key, FinishReason.STOP, "m", "m")

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        yield Delta(self.key)
        yield await self.complete(request)

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        return OfferedVersions((self.key,), self.key, "")

    async def close(self) -> None:
        self.closed = True


@dataclass
class Vault:
    """The key as it is now, and all providers that were made with one."""

    key: str = "first"
    version: int = 1
    made: list[Keyed] = field(default_factory=list)

    def make(self) -> Keyed:
        self.made.append(Keyed(self.key))
        return self.made[-1]

    def rotate(self, key: str) -> None:
        self.key, self.version = key, self.version + 1


async def test_calls_under_way_end_with_the_old_key_and_later_ones_have_the_new() -> None:
    vault = Vault()
    provider = RotatingProvider(vault.make, lambda: vault.version)
    under_way = asyncio.create_task(provider.complete(ASKED))
    await asyncio.sleep(0)
    stream = provider.stream(ASKED)
    assert await anext(stream) == Delta("first")
    vault.rotate("second")
    later = asyncio.create_task(provider.complete(ASKED))
    await asyncio.sleep(0)
    assert [each.key for each in vault.made] == ["first", "second"]
    vault.made[1].may.set()
    assert (await later).text == "second"
    assert not vault.made[0].closed
    vault.made[0].may.set()
    assert (await under_way).text == "first"
    assert not vault.made[0].closed  # the stream is still open
    assert [piece.text async for piece in stream] == ["first"]
    await provider.close()
    assert [each.closed for each in vault.made] == [True, True]


async def test_a_key_that_comes_later_makes_it_configured() -> None:
    vault = Vault(key="")
    provider = RotatingProvider(vault.make, lambda: vault.version)
    assert not provider.configured()
    vault.rotate("now")
    assert provider.configured()
    assert (provider.name, provider.default_model) == ("openai", "m")
    found = await provider.versions("", 1.0)
    assert found is not None
    assert found.current == "now"
    assert len(vault.made) == 2
    await provider.close()


def test_a_rotation_seen_outside_of_the_loop_needs_none() -> None:
    vault = Vault()
    provider = RotatingProvider(vault.make, lambda: vault.version)
    vault.rotate("second")
    assert provider.configured()
