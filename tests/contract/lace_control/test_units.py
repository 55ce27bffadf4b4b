"""What the units of work promise, in memory and on Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_control.adapters.memory import MemoryUnits
from lace_control.app.ports import Mutation, Units
from lace_control.domain.audit import AuditEntry
from lace_control.domain.dead_letters import DeadLetter, DeadLetterState, Search, settled
from lace_control.domain.quotas import Limits, Quotas
from lace_control.domain.settings import Entry, Scope, StoredSettings
from lace_control.domain.tenants import Principal, Tenant
from lace_control.domain.tokens import Token
from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
def units(request: pytest.FixtureRequest) -> Units:
    if request.param == "memory":
        return MemoryUnits()
    postgres: Units = request.getfixturevalue("postgres_units")
    return postgres


@pytest.fixture
async def principal(units: Units, tenant_id: str) -> Principal:
    """A principal of the test's tenant, both of which are there."""
    made = Principal(
        new_id("prn"), tenant_id, "Ada", frozenset({"member", "tenant_admin"}), frozenset({"secret"}), _NOON
    )
    async with units.of_tenant(tenant_id) as uow:
        await uow.tenants.add(tenant_id, Tenant(tenant_id, "Analytical Engines", _NOON))
        await uow.principals.add(tenant_id, made)
        await uow.commit()
    return made


def _token(principal: Principal, **fields: Any) -> Token:
    token = Token(
        token_id=new_id("tok"),
        principal_id=principal.principal_id,
        name="ci",
        scopes=frozenset({"runs:read", "runs:write"}),
        prefix="lace_abcdef",
        created_at=_NOON,
        expires_at=_NOON + timedelta(days=1),
    )
    return replace(token, **fields)


async def _add_token(units: Units, principal: Principal, secret_hash: str) -> Token:
    token = _token(principal)
    async with units.of_tenant(principal.tenant_id) as uow:
        await uow.tokens.add(principal.tenant_id, token, secret_hash)
        await uow.commit()
    return token


async def test_tenants_and_principals_are_kept(units: Units, principal: Principal) -> None:
    tenant_id = principal.tenant_id
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.tenants.get(tenant_id) == Tenant(tenant_id, "Analytical Engines", _NOON)
        assert await uow.principals.get(tenant_id, principal.principal_id) == principal
        assert await uow.principals.get(tenant_id, "prn_nobody") is None
    async with units.of_system() as system:
        assert await system.directory.find_principal(principal.principal_id) == principal
        assert await system.directory.find_principal("prn_nobody") is None
        assert await system.directory.first_tenant() is not None


async def test_what_is_not_committed_is_not_kept(units: Units, tenant_id: str) -> None:
    async with units.of_tenant(tenant_id) as uow:
        await uow.tenants.add(tenant_id, Tenant(tenant_id, "lost", _NOON))
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.tenants.get(tenant_id) is None


async def test_another_tenant_is_not_seen(units: Units, principal: Principal) -> None:
    token = await _add_token(units, principal, _hash())
    other = new_id("ten")
    async with units.of_tenant(other) as uow:
        assert await uow.tenants.get(other) is None
        assert await uow.principals.get(other, principal.principal_id) is None
        assert await uow.tokens.lock(other, token.token_id) is None
        assert list(await uow.tokens.newest(other, 10, None)) == []


async def test_a_token_is_found_by_its_secrets_hash(units: Units, principal: Principal) -> None:
    secret_hash = _hash()
    token = await _add_token(units, principal, secret_hash)
    async with units.of_system() as system:
        bearer = await system.directory.bearer(secret_hash)
        assert bearer is not None
        assert (bearer.token, bearer.principal, bearer.epoch) == (token, principal, await system.epoch())
        assert await system.directory.bearer(_hash()) is None


async def test_the_last_use_of_a_token_never_goes_back(units: Units, principal: Principal) -> None:
    token = await _add_token(units, principal, _hash())
    for minutes in (2, 1):
        async with units.of_system() as system:
            await system.directory.touch_token(token.token_id, _NOON + timedelta(minutes=minutes))
            await system.commit()
    async with units.of_tenant(principal.tenant_id) as uow:
        [kept] = await uow.tokens.newest(principal.tenant_id, 10, None)
    assert kept == replace(token, last_used_at=_NOON + timedelta(minutes=2))


async def test_tokens_come_newest_first(units: Units, principal: Principal) -> None:
    made = [await _add_token(units, principal, _hash()) for _ in range(3)]
    async with units.of_tenant(principal.tenant_id) as uow:
        assert list(await uow.tokens.newest(principal.tenant_id, 2, None)) == [made[2], made[1]]
        assert list(await uow.tokens.newest(principal.tenant_id, 2, made[1].token_id)) == [made[0]]


async def test_a_revocation_has_the_next_epoch(units: Units, principal: Principal) -> None:
    tenant_id = principal.tenant_id
    token = await _add_token(units, principal, _hash())
    async with units.of_tenant(tenant_id) as uow:
        before = await uow.epoch()
        await uow.tokens.revoke(tenant_id, token.token_id, _NOON)
        revocation = await uow.revocations.add(tenant_id, "token", token.token_id, _NOON)
        await uow.commit()
    assert revocation.epoch == before + 1
    async with units.of_tenant(tenant_id) as uow:
        kept = await uow.tokens.lock(tenant_id, token.token_id)
        assert kept == replace(token, revoked_at=_NOON)
    async with units.of_system() as system:
        assert await system.epoch() >= revocation.epoch
        later = await system.directory.revocations_after(before, _NOON)
        assert later[0] == revocation
        assert list(await system.directory.revocations_after(before, _NOON + timedelta(hours=1))) == []


async def test_a_revocation_that_is_rolled_back_leaves_no_gap(units: Units, principal: Principal) -> None:
    tenant_id = principal.tenant_id
    async with units.of_tenant(tenant_id) as uow:
        before = await uow.epoch()
        await uow.revocations.add(tenant_id, "run", "run_lost", _NOON)
    async with units.of_tenant(tenant_id) as uow:
        kept = await uow.revocations.add(tenant_id, "principal", principal.principal_id, _NOON)
        await uow.commit()
    assert kept.epoch == before + 1


async def test_settings_are_kept_version_by_version(units: Units, tenant_id: str) -> None:
    scope = Scope.of_tenant(tenant_id)
    versions = [
        StoredSettings(scope, 1, "prn_1", _NOON, tuple(_entries(runs__max_nodes=3, compile__targets=["md"]))),
        StoredSettings(scope, 2, "prn_2", _NOON + timedelta(hours=1), ()),
        StoredSettings(scope, 3, "prn_3", _NOON + timedelta(hours=2), tuple(_entries(runs__judge=False))),
    ]
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.settings.current(tenant_id, [scope])) == [StoredSettings(scope)]
    for version in versions:
        async with units.of_tenant(tenant_id) as uow:
            await uow.settings.lock(tenant_id, scope)
            await uow.settings.add(tenant_id, version)
            await uow.commit()
        async with units.of_tenant(tenant_id) as uow:
            assert list(await uow.settings.current(tenant_id, [scope])) == [version]


async def test_scopes_come_in_the_order_asked_for(units: Units, tenant_id: str) -> None:
    user, tenant = Scope.of_user(tenant_id, "prn_1"), Scope.of_tenant(tenant_id)
    kept = StoredSettings(user, 1, "prn_1", _NOON, tuple(_entries(runs__max_nodes=3)))
    async with units.of_tenant(tenant_id) as uow:
        await uow.settings.add(tenant_id, kept)
        await uow.commit()
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.settings.current(tenant_id, [tenant, user])) == [StoredSettings(tenant), kept]
        assert list(await uow.settings.current(tenant_id, [user, tenant])) == [kept, StoredSettings(tenant)]


async def test_every_tenant_reads_the_systems_settings(units: Units, tenant_id: str) -> None:
    scope = Scope.of_system()
    async with units.of_system() as system:
        [before] = await system.settings.current(scope.tenant_id, [scope])
        after = StoredSettings(scope, before.version + 1, "prn_1", _NOON, tuple(_entries(runs__max_nodes=3)))
        await system.settings.add(scope.tenant_id, after)
        await system.commit()
    async with units.of_tenant(tenant_id) as uow:
        found = await uow.settings.current(tenant_id, [scope, Scope.of_tenant(tenant_id)])
    assert list(found) == [after, StoredSettings(Scope.of_tenant(tenant_id))]


async def test_a_snapshots_place_is_noted_once(units: Units, tenant_id: str) -> None:
    settings_hash = _hash()
    for uri in ("first", "second"):
        async with units.of_tenant(tenant_id) as uow:
            await uow.snapshots.add(tenant_id, settings_hash, uri, _NOON)
            await uow.commit()
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.snapshots.uri_of(tenant_id, settings_hash) == "first"
        assert await uow.snapshots.uri_of(tenant_id, _hash()) is None


async def test_an_audit_entry_is_kept_once(units: Units, tenant_id: str) -> None:
    entry = AuditEntry(
        new_id("aud"), _NOON, "prn_1", "run.cancel", "run_1", "done", "req_1", {"deep": {"list": [1, None]}}
    )
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.audit.add(tenant_id, entry) == entry
        assert await uow.audit.add(tenant_id, replace(entry, action="run.pause")) == entry
        await uow.commit()
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.audit.newest(tenant_id, 10, None)) == [entry]


async def test_audit_entries_come_newest_first(units: Units, tenant_id: str) -> None:
    entries = [
        AuditEntry(f"aud_{name}", _NOON + timedelta(minutes=minute), "prn_1", "x", "y", "refused", "req_1")
        for name, minute in (("a", 2), ("b", 1), ("c", 2))
    ]
    async with units.of_tenant(tenant_id) as uow:
        for entry in entries:
            await uow.audit.add(tenant_id, entry)
        await uow.commit()
    async with units.of_tenant(tenant_id) as uow:
        first = await uow.audit.newest(tenant_id, 2, None)
        rest = await uow.audit.newest(tenant_id, 2, (first[-1].occurred_at, first[-1].audit_id))
    assert [entry.audit_id for entry in (*first, *rest)] == ["aud_c", "aud_a", "aud_b"]


async def test_a_request_takes_effect_once(units: Units, tenant_id: str) -> None:
    effects: list[int] = []

    async def ask(request: bytes = b"{}", principal_id: str = "prn_1") -> str:
        async def effect() -> str:
            effects.append(1)
            return f"answer {len(effects)}, secret"

        mutation = Mutation(
            route="/test",
            request=request,
            encode=lambda answer: answer.replace(", secret", "").encode(),
            decode=bytes.decode,
        )
        with _calling(tenant_id, principal_id):
            async with units.of_tenant(tenant_id) as uow:
                answer = await uow.once(mutation, effect)
                await uow.commit()
                return answer

    assert await ask() == "answer 1, secret"
    assert await ask() == "answer 1"
    for other in ({"request": b'{"a":1}'}, {"principal_id": "prn_2"}):
        with pytest.raises(LaceError) as refused:
            await ask(**other)
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert len(effects) == 1


async def test_a_failed_effect_can_be_asked_for_again(units: Units, tenant_id: str) -> None:
    async def fail() -> str:
        raise LaceError(Reason.TENANT_NOT_FOUND, "No tenant.")

    async def succeed() -> str:
        return "done"

    mutation = Mutation("/test", b"{}", str.encode, bytes.decode)
    with _calling(tenant_id, "prn_1"):
        with pytest.raises(LaceError):
            async with units.of_tenant(tenant_id) as uow:
                await uow.once(mutation, fail)
        async with units.of_tenant(tenant_id) as uow:
            assert await uow.once(mutation, succeed) == "done"


async def test_a_mutation_needs_a_key(units: Units, tenant_id: str) -> None:
    async def effect() -> str:
        raise AssertionError("there is no key")

    with _calling(tenant_id, "prn_1", key=None), pytest.raises(LaceError) as refused:
        async with units.of_tenant(tenant_id) as uow:
            await uow.once(Mutation("/test", b"{}", str.encode, bytes.decode), effect)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REQUIRED


async def test_writers_of_one_scope_take_turns(units: Units, tenant_id: str) -> None:
    scope = Scope.of_tenant(tenant_id)

    async def count_up() -> None:
        async with units.of_tenant(tenant_id) as uow:
            await uow.settings.lock(tenant_id, scope)
            [now] = await uow.settings.current(tenant_id, [scope])
            await uow.settings.add(tenant_id, StoredSettings(scope, now.version + 1, "prn_1", _NOON))
            await uow.commit()

    await asyncio.gather(*(count_up() for _ in range(4)))
    async with units.of_tenant(tenant_id) as uow:
        [now] = await uow.settings.current(tenant_id, [scope])
    assert now.version == 4


@contextmanager
def _calling(tenant_id: str, principal_id: str, key: str | None = "key") -> Iterator[None]:
    identity = Identity(
        principal_id=principal_id,
        tenant_id=tenant_id,
        roles=frozenset(),
        scopes=frozenset(),
        labels=frozenset(),
        kind="user",
        run_id=None,
        token_id=None,
        issued_at=_NOON,
        expires_at=_NOON + timedelta(minutes=5),
        epoch=0,
    )
    with acting_as(CallContext(identity, "req_1", "req_1", idempotency_key=key)):
        yield


def _entries(**values: Any) -> list[Entry]:
    return [
        Entry(new_id("set"), key.replace("__", "."), value, _NOON, _NOON + timedelta(days=9), 7)
        for key, value in values.items()
    ]


def _hash() -> str:
    return (new_id("x").encode().hex() * 2)[-64:]


async def test_dead_letters_are_kept_once_and_found_by_what_they_are(units: Units, tenant_id: str) -> None:
    def letter(event_id: str, topic: str, minutes: int, tenant: str = tenant_id) -> DeadLetter:
        died_at = _NOON + timedelta(minutes=minutes)
        return DeadLetter(
            f"dlt_{tenant}_{event_id}",
            tenant,
            topic,
            "k",
            "g",
            event_id,
            "E",
            "why",
            2,
            _NOON,
            died_at,
            3,
            "{}",
            {"correlation_id": "c"},
        )

    other = new_id("ten")
    first, second = letter("evt_1", "t.one", 1), letter("evt_2", "t.two", 2)
    theirs = letter("evt_3", "t.one", 3, other)
    for kept in (first, second, theirs, replace(first, error_message="told a second time")):
        async with units.of_system() as system:
            await system.dead_letters.add(kept.tenant_id, kept)
            await system.commit()
    done = settled(second, DeadLetterState.DISCARDED, "prn_1", _NOON)
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.dead_letters.lock(tenant_id, first.dead_letter_id) == first
        assert await uow.dead_letters.lock(tenant_id, theirs.dead_letter_id) is None
        await uow.dead_letters.settle(tenant_id, done)
        await uow.commit()
    async with units.of_tenant(tenant_id) as uow:

        async def newest(search: Search, before: tuple[datetime, str] | None = None) -> list[DeadLetter]:
            return list(await uow.dead_letters.newest(tenant_id, search, 10, before))

        assert await newest(Search()) == [done.brief(), first.brief()]
        assert await newest(Search(topic="t.one")) == [first.brief()]
        assert await newest(Search(state=DeadLetterState.DISCARDED)) == [done.brief()]
        assert await newest(Search(), (done.died_at, done.dead_letter_id)) == [first.brief()]
    async with units.of_system() as system:
        assert await system.directory.tenant_of_dead_letter(theirs.dead_letter_id) == other
        assert await system.directory.tenant_of_dead_letter("dlt_none") is None
        found = await system.directory.newest_dead_letters(Search(tenant_id=other), 10, None)
        assert list(found) == [theirs.brief()]


async def test_quotas_count_up_and_are_a_tenants_own(units: Units, principal: Principal) -> None:
    tenant_id = principal.tenant_id
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.quotas.get(tenant_id) == Quotas(tenant_id)
        first = await uow.quotas.put(tenant_id, Limits(3, 20, 60), principal.principal_id, _NOON)
        assert first == Quotas(tenant_id, Limits(3, 20, 60), 1, principal.principal_id, _NOON)
        await uow.commit()
    later = _NOON + timedelta(hours=1)
    async with units.of_system() as uow:
        second = await uow.quotas.put(tenant_id, Limits(runs_per_minute=5), "prn_else", later)
        await uow.commit()
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.quotas.get(tenant_id) == second == Quotas(tenant_id, Limits(0, 0, 5), 2, "prn_else", later)
        assert (await uow.quotas.get("ten_else")).version == 0
