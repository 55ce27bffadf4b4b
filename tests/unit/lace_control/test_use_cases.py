"""Use cases over the ports in memory, where what they do not do matters."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_control.adapters.memory import MemoryUnits
from lace_control.adapters.revocation_feed import RevocationFeed
from lace_control.app.identities import authenticate, issue_service_identity
from lace_control.app.ports import Control, SystemUnitOfWork, UnitOfWork
from lace_control.app.settings import resolve_settings
from lace_control.app.tenants import bootstrap
from lace_control.domain.access import Caller
from lace_control.domain.identities import Claims, VerificationKey
from lace_control.domain.tokens import compose_secret
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.settings import Layer
from lace_platform.ids import new_id

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_SERVICE = Caller("service:cli", "", frozenset({"service"}), frozenset(), "service", "req_1")


class CountingUnits:
    """Units in memory that count how often they are opened."""

    def __init__(self) -> None:
        self._units = MemoryUnits()
        self.opened = 0

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        self.opened += 1
        return self._units.of_tenant(tenant_id)

    def of_system(self) -> AbstractAsyncContextManager[SystemUnitOfWork]:
        self.opened += 1
        return self._units.of_system()


class PlainSigner:
    """Signs by saying who it is."""

    def sign(self, claims: Claims) -> str:
        return claims.principal_id

    def verification_keys(self) -> Sequence[VerificationKey]:
        return ()


@dataclass
class KeptSnapshots:
    """Snapshots by address."""

    kept: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0

    async def put(self, tenant_id: str, settings_hash: str, canonical: bytes) -> str:
        self.puts += 1
        uri = f"{tenant_id}/{settings_hash}"
        self.kept[uri] = canonical
        return uri


def _control(now: Callable[[], datetime] = lambda: _NOON, **changes: Any) -> Control:
    control = Control(CountingUnits(), PlainSigner(), KeptSnapshots(), (), "the secret", now, new_id, os.urandom)
    return replace(control, **changes)


def _units(control: Control) -> CountingUnits:
    assert isinstance(control.units, CountingUnits)
    return control.units


@pytest.mark.parametrize("secret", ["", "x", "lace_" + "a" * 48])
async def test_a_malformed_secret_is_refused_without_a_look_up(secret: str) -> None:
    control = _control()
    with pytest.raises(LaceError) as refused:
        await authenticate(control, secret)
    assert refused.value.reason is Reason.TOKEN_INVALID
    assert _units(control).opened == 0


async def test_an_unknown_secret_is_refused_in_the_same_words() -> None:
    control = _control()
    with pytest.raises(LaceError) as malformed:
        await authenticate(control, "x")
    with pytest.raises(LaceError) as unknown:
        await authenticate(control, compose_secret(os.urandom(25)))
    assert str(malformed.value) == str(unknown.value)


async def test_the_last_use_is_written_once_a_minute() -> None:
    moment = _NOON

    def now() -> datetime:
        return moment

    control = _control(now)
    begun = await bootstrap(control, _SERVICE, "default", "owner")
    uses = []
    for seconds in (0, 20, 59, 60):
        moment = _NOON + timedelta(seconds=seconds)
        await authenticate(control, begun.secret)
        async with control.units.of_tenant(begun.tenant.tenant_id) as uow:
            [token] = await uow.tokens.newest(begun.tenant.tenant_id, 1, None)
            uses.append(token.last_used_at)
    assert uses == [_NOON, _NOON, _NOON, _NOON + timedelta(minutes=1)]


async def test_an_installation_without_a_secret_has_no_services() -> None:
    control = _control(service_secret="")
    for secret in ("", "the secret"):
        with pytest.raises(LaceError) as refused:
            await issue_service_identity(control, "runs", secret)
        assert refused.value.reason is Reason.TOKEN_INVALID
    assert (await issue_service_identity(_control(), "runs", "the secret")).signed == "service:runs"


async def test_the_same_snapshot_is_put_once() -> None:
    snapshots = KeptSnapshots()
    control = _control(snapshots=snapshots, layers=(Layer("environment", {"runs.max_nodes": 9}),))
    caller = Caller("prn_1", "ten_1", frozenset({"member"}), frozenset(), "user", "req_1")
    first = await resolve_settings(control, caller, {})
    assert await resolve_settings(control, caller, {}) == first
    assert snapshots.puts == 1
    assert first.snapshot.values["runs.max_nodes"] == 9
    assert sha256_hex(snapshots.kept[first.settings_uri]) == first.snapshot.settings_hash
    await resolve_settings(control, caller, {"runs.max_nodes": 10})
    assert snapshots.puts == 2


async def test_an_override_of_what_a_request_may_not_set_is_refused() -> None:
    caller = Caller("prn_1", "ten_1", frozenset({"member"}), frozenset(), "user", "req_1")
    control = _control()
    with pytest.raises(LaceError) as refused:
        await resolve_settings(control, caller, {"ingest.max_bytes": 2048})
    assert refused.value.reason is Reason.SETTING_SCOPE_FORBIDDEN
    assert _units(control).opened == 0


async def test_a_feed_gives_what_it_has_at_once_and_waits_for_more() -> None:
    control = _control()
    feed = RevocationFeed(control.units, _no_listener(), control.now)
    assert list(await feed.after(0, 0.01)) == []
    await _revoke(control, "tok_1")
    waiting = asyncio.create_task(feed.after(0, 2))
    await asyncio.sleep(0)
    await feed.refresh()
    [revocation] = await waiting
    assert (revocation.epoch, revocation.subject_id, feed.epoch) == (1, "tok_1", 1)
    await _revoke(control, "tok_2")
    await feed.refresh()
    assert [one.subject_id for one in await feed.after(1, 0)] == ["tok_2"]


async def test_a_feed_forgets_what_no_identity_can_be_as_old_as() -> None:
    moment = _NOON

    def now() -> datetime:
        return moment

    control = _control(now)
    feed = RevocationFeed(control.units, _no_listener(), now)
    await _revoke(control, "tok_1")
    await feed.refresh()
    moment = _NOON + timedelta(hours=2)
    await _revoke(control, "tok_2")
    await feed.refresh()
    assert [one.subject_id for one in await feed.after(0, 0)] == ["tok_2"]


async def _revoke(control: Control, token_id: str) -> None:
    async with control.units.of_tenant("ten_1") as uow:
        await uow.revocations.add("ten_1", "token", token_id, control.now())
        await uow.commit()


def _no_listener() -> Any:
    """These tests refresh by hand."""
    return None
