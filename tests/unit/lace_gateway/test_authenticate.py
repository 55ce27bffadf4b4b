"""Bearer tokens to identities: asked once, remembered while good, never longer."""

from __future__ import annotations

import asyncio

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.domain.identity import SignedIdentity


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class MemoryIdentities:
    """Knows tokens that begin with `good`; identities live 300 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[str] = []
        self.revoked: set[str] = set()
        self.failure: LaceError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def issue(self, bearer: str) -> SignedIdentity:
        self.asked.append(bearer)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if not bearer.startswith("good"):
            raise LaceError(Reason.TOKEN_INVALID, "This token is not known.")
        return SignedIdentity(f"jwt-{len(self.asked)}", "prn_a", "ten_a", self._clock.time + 300)

    def check(self, identity: SignedIdentity) -> None:
        if identity.signed in self.revoked:
            raise LaceError(Reason.TOKEN_REVOKED, "This token was revoked.")
        if identity.expires_at <= self._clock.time:
            raise LaceError(Reason.TOKEN_EXPIRED, "This identity expired.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identities(clock: Clock) -> MemoryIdentities:
    return MemoryIdentities(clock)


@pytest.fixture
def authenticator(clock: Clock, identities: MemoryIdentities) -> Authenticator:
    return Authenticator(identities, now=clock)


async def refusal(authenticator: Authenticator, bearer: str) -> Reason:
    with pytest.raises(LaceError) as refused:
        await authenticator.identify(bearer)
    return refused.value.reason


async def test_a_token_is_asked_for_once(authenticator: Authenticator, identities: MemoryIdentities) -> None:
    first = await authenticator.identify("good")
    assert await authenticator.identify("good") is first
    await authenticator.identify("good too")
    assert identities.asked == ["good", "good too"]


async def test_many_who_ask_at_once_share_one_answer(
    authenticator: Authenticator, identities: MemoryIdentities
) -> None:
    identities.gate.clear()
    asking = [asyncio.create_task(authenticator.identify("good")) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    identities.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {answer.signed for answer in answers[1:] if isinstance(answer, SignedIdentity)} == {"jwt-1"}
    assert identities.asked == ["good"]


async def test_it_is_renewed_before_it_ends(
    authenticator: Authenticator, identities: MemoryIdentities, clock: Clock
) -> None:
    await authenticator.identify("good")
    clock.time += 269
    assert (await authenticator.identify("good")).signed == "jwt-1"
    clock.time += 2
    assert (await authenticator.identify("good")).signed == "jwt-2"


async def test_control_being_away_turns_nobody_away_whose_identity_holds(
    authenticator: Authenticator, identities: MemoryIdentities, clock: Clock
) -> None:
    await authenticator.identify("good")
    identities.failure = LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)
    clock.time += 280
    assert (await authenticator.identify("good")).signed == "jwt-1"
    clock.time += 30
    assert await refusal(authenticator, "good") is Reason.SERVICE_UNAVAILABLE
    identities.failure = None
    assert (await authenticator.identify("good")).signed.startswith("jwt-")


async def test_a_revocation_counts_at_once_and_control_says_why(
    authenticator: Authenticator, identities: MemoryIdentities
) -> None:
    await authenticator.identify("good")
    identities.revoked.add("jwt-1")
    identities.failure = LaceError(Reason.TOKEN_REVOKED, "This token was revoked.")
    assert await refusal(authenticator, "good") is Reason.TOKEN_REVOKED


async def test_an_identity_that_was_voided_is_replaced_where_the_token_is_still_good(
    authenticator: Authenticator, identities: MemoryIdentities
) -> None:
    await authenticator.identify("good")
    identities.revoked.add("jwt-1")
    assert (await authenticator.identify("good")).signed == "jwt-2"


async def test_a_bad_token_is_not_asked_for_each_time(
    authenticator: Authenticator, identities: MemoryIdentities, clock: Clock
) -> None:
    assert await refusal(authenticator, "bad") is Reason.TOKEN_INVALID
    assert await refusal(authenticator, "bad") is Reason.TOKEN_INVALID
    assert identities.asked == ["bad"]
    clock.time += 1.1
    assert await refusal(authenticator, "bad") is Reason.TOKEN_INVALID
    assert identities.asked == ["bad", "bad"]


async def test_a_failure_of_control_is_not_remembered(
    authenticator: Authenticator, identities: MemoryIdentities
) -> None:
    identities.failure = LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)
    assert await refusal(authenticator, "good") is Reason.SERVICE_UNAVAILABLE
    identities.failure = None
    assert (await authenticator.identify("good")).tenant_id == "ten_a"
