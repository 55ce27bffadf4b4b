"""The verifier follows control: keys, revocations, and control's absence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace.control.v1 import control_pb2
from lace_core.errors import LaceError, Reason
from lace_platform import trust
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key


class FakeControl:
    """Stands in for the stub: keys and revocations that the test lays down, and failures on demand."""

    def __init__(self) -> None:
        self.signer = IdentitySigner(generate_private_key())
        self.asked_for_keys = 0
        self.watched_from: list[int] = []
        self.failing = 0
        self.revocations: asyncio.Queue[Any] = asyncio.Queue()

    async def GetVerificationKeys(self, request: Any) -> Any:
        self.asked_for_keys += 1
        self._fail_sometimes()
        key = control_pb2.VerificationKey(key_id=self.signer.key_id, public_key_pem=self.signer.public_key_pem)
        return control_pb2.GetVerificationKeysResponse(keys=[key])

    async def WatchRevocations(self, request: Any) -> AsyncIterator[Any]:
        self.watched_from.append(request.after_epoch)
        while (revocation := await self.revocations.get()) is not None:
            if isinstance(revocation, Exception):
                raise revocation
            yield revocation

    def _fail_sometimes(self) -> None:
        if self.failing:
            self.failing -= 1
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)


class World:
    def __init__(self) -> None:
        self.control = FakeControl()
        self.verifier = IdentityVerifier()

    def token(self) -> str:
        now = datetime.now(UTC)
        rights = (frozenset[str](), frozenset[str](), frozenset[str]())
        return self.control.signer.sign(
            Identity("prn_a", "ten_a", *rights, "user", None, "tok_a", now, now + timedelta(minutes=5), 0)
        )

    async def verdict(self, wanted: Reason | None) -> None:
        """Waits until the token is judged so."""
        found: Reason | None
        for _ in range(200):
            try:
                self.verifier.verify(self.token())
                found = None
            except LaceError as error:
                found = error.reason
            if found is wanted:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{found} instead of {wanted}")


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World()
    monkeypatch.setattr("lace.control.v1.control_pb2_grpc.AuthServiceStub", lambda channel: world.control)
    monkeypatch.setattr(trust, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(trust, "_SHORT_PAUSE_S", 0.01)
    channel: Any = None
    follower = asyncio.create_task(trust.follow_control(channel, world.verifier))
    yield world
    follower.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await follower


async def test_keys_are_known_soon(world: World) -> None:
    await world.verdict(None)


async def test_control_that_is_away_is_asked_again(world: World) -> None:
    await world.verdict(None)
    world.control.failing = 3
    world.control.signer = IdentitySigner(generate_private_key())
    await world.verdict(None)
    assert world.control.asked_for_keys >= 5


async def test_new_key_is_fetched_when_an_identity_names_it(world: World) -> None:
    await world.verdict(None)
    world.control.signer = IdentitySigner(generate_private_key())
    await world.verdict(None)


async def test_revocations_take_effect_and_are_followed_from_where_they_ended(world: World) -> None:
    await world.verdict(None)
    world.control.revocations.put_nowait(control_pb2.WatchRevocationsResponse(epoch=7, token_id="tok_a"))
    await world.verdict(Reason.TOKEN_REVOKED)
    world.control.revocations.put_nowait(LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True))
    world.control.revocations.put_nowait(None)
    for _ in range(200):
        if len(world.control.watched_from) >= 3:
            break
        await asyncio.sleep(0.01)
    assert world.control.watched_from[:3] == [0, 7, 7]
    await world.verdict(Reason.TOKEN_REVOKED)
