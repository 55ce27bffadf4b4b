"""Tokens and identities over gRPC, as the other services meet them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from lace.control.v1 import control_pb2 as wire
from lace_control.adapters import revocation_feed
from lace_core.errors import LaceError, Reason
from lace_platform.auth import IdentityVerifier
from lace_platform.trust import follow_control

# What is promised is a second on a machine that is not overloaded; a test must also hold on one that is.
PROMPTLY_S = 10.0


async def _create(installation: Any, actor: Any, **fields: Any) -> Any:
    with installation.acting(actor):
        return await installation.auth.CreateToken(wire.CreateTokenRequest(name="ci", **fields))


async def test_a_token_acts_for_its_principal_with_its_scopes(installation: Any) -> None:
    member = await installation.join("member")
    made = await _create(installation, installation.admin, principal_id=member.principal_id, scopes=["runs:read"])
    actor = await installation.login(made.secret)
    identity = installation.platform.verifier.verify(actor.signed)
    assert (identity.principal_id, identity.tenant_id) == (member.principal_id, installation.admin.tenant_id)
    assert identity.scopes == {"runs:read"}
    assert identity.roles == {"member"}
    assert identity.token_id == made.token.token_id


async def test_only_a_hash_of_the_secret_is_kept(installation: Any) -> None:
    made = await _create(installation, installation.admin)
    dumped = ""
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as admin:
        for table in ("service_tokens", "idempotency_keys", "audit_log", "outbox_events"):
            rows = await (await admin.execute(f"SELECT t::text FROM control.{table} t".encode())).fetchall()
            dumped += str(rows)
    assert made.secret
    assert made.token.prefix in dumped
    assert made.secret not in dumped
    assert made.secret.encode().hex() not in dumped


async def test_a_repeated_request_gives_the_token_without_its_secret(installation: Any) -> None:
    answers = []
    for _ in range(2):
        with installation.acting(installation.admin, "make-one-token"):
            answers.append(await installation.auth.CreateToken(wire.CreateTokenRequest(name="ci")))
    assert answers[0].secret
    assert answers[1].secret == ""
    assert answers[0].token == answers[1].token


async def test_a_key_used_for_another_request_is_refused(installation: Any) -> None:
    with installation.acting(installation.admin, "one-key-two-requests"):
        await installation.auth.CreateToken(wire.CreateTokenRequest(name="first"))
        with pytest.raises(LaceError) as refused:
            await installation.auth.CreateToken(wire.CreateTokenRequest(name="second"))
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert any(detail.field == "/name" for detail in refused.value.details)


@pytest.mark.parametrize(
    "secret", ["lace_", "lace_" + "a" * 48, "Bearer x", "sk-" + "a" * 40, "lace_" + "a" * 40 + "22222222"]
)
async def test_a_malformed_secret_is_refused(installation: Any, secret: str) -> None:
    with pytest.raises(LaceError) as refused:
        await installation.login(secret)
    assert refused.value.reason is Reason.TOKEN_INVALID


async def test_an_expired_token_is_refused(installation: Any) -> None:
    made = await _create(installation, installation.admin, ttl=timedelta(milliseconds=1))
    await asyncio.sleep(0.01)
    with pytest.raises(LaceError) as refused:
        await installation.login(made.secret)
    assert refused.value.reason is Reason.TOKEN_EXPIRED


@pytest.mark.parametrize("ttl", [timedelta(), timedelta(seconds=-1), timedelta(days=401)])
async def test_a_life_out_of_bounds_is_refused(installation: Any, ttl: timedelta) -> None:
    with pytest.raises(LaceError) as refused:
        await _create(installation, installation.admin, ttl=ttl)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.details[0].field == "/ttl"


async def test_nobody_grants_more_than_he_has(installation: Any) -> None:
    tenant_admin = await installation.join("tenant_admin")
    for principal_id in (installation.admin.principal_id,):
        with pytest.raises(LaceError) as refused:
            await _create(installation, tenant_admin, principal_id=principal_id)
        assert refused.value.reason is Reason.PERMISSION_DENIED
    narrow = await installation.token_for(tenant_admin.principal_id, "admin", "runs:read")
    with pytest.raises(LaceError) as refused:
        await _create(installation, narrow, scopes=["runs:write"])
    assert refused.value.reason is Reason.PERMISSION_DENIED
    with installation.acting(tenant_admin), pytest.raises(LaceError) as refused:
        await installation.tenants.CreatePrincipal(wire.CreatePrincipalRequest(name="x", roles=["system_admin"]))
    assert refused.value.reason is Reason.PERMISSION_DENIED
    member = await installation.join("member")
    with pytest.raises(LaceError) as refused:
        await _create(installation, member)
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_refusal_is_in_the_audit_log(installation: Any) -> None:
    tenant_admin = await installation.join("tenant_admin")
    with pytest.raises(LaceError):
        await _create(installation, tenant_admin, principal_id=installation.admin.principal_id)
    with installation.acting(tenant_admin):
        entries = (await installation.audit.ListAuditEntries(wire.ListAuditEntriesRequest())).entries
    [entry] = [entry for entry in entries if entry.principal_id == tenant_admin.principal_id]
    assert (entry.action, entry.outcome) == ("token.create", "refused")
    assert entry.details["reason"] == "PERMISSION_DENIED"


async def test_a_revocation_counts_everywhere_within_a_second(installation: Any) -> None:
    made = await _create(installation, installation.admin)
    actor = await installation.login(made.secret)
    elsewhere = IdentityVerifier()
    following = asyncio.create_task(follow_control(installation.channel, elsewhere))
    try:
        await _until(lambda: elsewhere.verify(actor.signed))
        with installation.acting(installation.admin):
            revoked = await installation.auth.RevokeToken(wire.RevokeTokenRequest(token_id=made.token.token_id))
        started = time.monotonic()
        for verifier in (elsewhere, installation.platform.verifier):
            with pytest.raises(LaceError) as refused:
                await _while_it_holds(lambda known=verifier: known.verify(actor.signed))
            assert refused.value.reason is Reason.TOKEN_REVOKED
        assert time.monotonic() - started < PROMPTLY_S
    finally:
        following.cancel()
    assert revoked.HasField("revoked_at")
    with pytest.raises(LaceError) as refused:
        await installation.login(made.secret)
    assert refused.value.reason is Reason.TOKEN_REVOKED
    # The administrator's other tokens are untouched.
    assert installation.platform.verifier.verify(installation.admin.signed)


async def test_a_revocation_whose_wake_up_is_lost_counts_within_a_second_too(installation: Any) -> None:
    actor = await installation.join("member")
    assert installation.platform.verifier.verify(actor.signed)
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as admin:
        await admin.execute(
            "WITH counted AS (UPDATE control.revocation_counter SET epoch = epoch + 1 RETURNING epoch)"
            " INSERT INTO control.revocations SELECT epoch, %s, 'principal', %s, now() FROM counted",
            (actor.tenant_id, actor.principal_id),
        )
    assert revocation_feed._POLL_S < 1.0
    async with asyncio.timeout(PROMPTLY_S):
        with pytest.raises(LaceError) as refused:
            await _while_it_holds(lambda: installation.platform.verifier.verify(actor.signed))
    assert refused.value.reason is Reason.TOKEN_REVOKED
    # What is issued afterwards is good: the epoch in it is the revocation's.
    assert installation.platform.verifier.verify((await installation.login(actor.secret)).signed)


async def test_who_follows_later_hears_of_earlier_revocations(installation: Any) -> None:
    made = await _create(installation, installation.admin)
    with installation.acting(installation.admin):
        await installation.auth.RevokeToken(wire.RevokeTokenRequest(token_id=made.token.token_id))
    seen: list[Any] = []
    async with asyncio.timeout(30):
        async for revocation in installation.auth.WatchRevocations(wire.WatchRevocationsRequest()):
            if revocation.token_id or revocation.principal_id:  # the others are signs of life
                seen.append(revocation)
            if revocation.token_id == made.token.token_id:
                break
    epochs = [revocation.epoch for revocation in seen]
    assert epochs == list(range(1, len(epochs) + 1))
    async with asyncio.timeout(30):
        async for alive in installation.auth.WatchRevocations(wire.WatchRevocationsRequest(after_epoch=epochs[-1])):
            assert (alive.epoch, alive.token_id, alive.principal_id, alive.run_id) == (epochs[-1], "", "", "")
            break


async def test_a_second_revocation_changes_nothing(installation: Any) -> None:
    made = await _create(installation, installation.admin)
    request = wire.RevokeTokenRequest(token_id=made.token.token_id)
    with installation.acting(installation.admin):
        first = await installation.auth.RevokeToken(request)
    with installation.acting(installation.admin):
        second = await installation.auth.RevokeToken(request)
    assert first == second


async def test_concurrent_revocations_make_a_gapless_sequence(installation: Any) -> None:
    made = await asyncio.gather(*(_create(installation, installation.admin) for _ in range(8)))

    async def revoke(token_id: str) -> None:
        with installation.acting(installation.admin):
            await installation.auth.RevokeToken(wire.RevokeTokenRequest(token_id=token_id))

    await asyncio.gather(*(revoke(one.token.token_id) for one in made))
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as admin:
        rows = await (await admin.execute("SELECT epoch FROM control.revocations ORDER BY epoch")).fetchall()
    assert [epoch for (epoch,) in rows] == list(range(1, len(rows) + 1))


async def test_another_tenants_token_is_not_found(installation: Any) -> None:
    other = await installation.new_tenant()
    made = await _create(installation, installation.admin)
    with installation.acting(other), pytest.raises(LaceError) as refused:
        await installation.auth.RevokeToken(wire.RevokeTokenRequest(token_id=made.token.token_id))
    assert refused.value.reason is Reason.TOKEN_NOT_FOUND


async def test_tokens_are_listed_in_pages_within_the_tenant(installation: Any) -> None:
    other = await installation.new_tenant()
    made = [(await _create(installation, other)).token.token_id for _ in range(4)]
    seen: list[str] = []
    token = ""
    while True:
        with installation.acting(other):
            page = await installation.auth.ListTokens(wire.ListTokensRequest(page_size=2, page_token=token))
        assert len(page.tokens) <= 2
        seen.extend(found.token_id for found in page.tokens)
        token = page.next_page_token
        if not token:
            break
    assert seen[:4] == made[::-1]
    assert len(seen) == len(set(seen)) == 5  # with the one that he logged in with


async def test_a_page_token_of_another_tenant_is_refused(installation: Any) -> None:
    other = await installation.new_tenant()
    await _create(installation, other)
    with installation.acting(other):
        page = await installation.auth.ListTokens(wire.ListTokensRequest(page_size=1))
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await installation.auth.ListTokens(wire.ListTokensRequest(page_token=page.next_page_token))
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_the_last_use_is_noted_to_the_minute(installation: Any) -> None:
    made = await _create(installation, installation.admin)
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    await installation.login(made.secret)
    with installation.acting(installation.admin):
        listed = await installation.auth.ListTokens(wire.ListTokensRequest())
    [token] = [token for token in listed.tokens if token.token_id == made.token.token_id]
    used = token.last_used_at.ToDatetime(UTC)
    assert before <= used <= datetime.now(UTC)
    assert (used.second, used.microsecond) == (0, 0)


async def test_a_service_needs_the_installations_secret(installation: Any) -> None:
    request = wire.IssueServiceIdentityRequest(service="runs", secret="guessed")
    with pytest.raises(LaceError) as refused:
        await installation.auth.IssueServiceIdentity(request)
    assert refused.value.reason is Reason.TOKEN_INVALID
    request = wire.IssueServiceIdentityRequest(service="mailer", secret=installation.config.service_secret)
    with pytest.raises(LaceError) as refused:
        await installation.auth.IssueServiceIdentity(request)
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_run_acts_for_its_principal_and_never_administers(installation: Any) -> None:
    member = await installation.join("member", labels=("restricted",))
    request = wire.IssueRunGrantRequest(
        run_id="run_1", tenant_id=member.tenant_id, principal_id=member.principal_id, scopes=["artifacts:write"]
    )
    with installation.acting(installation.service):
        grant = await installation.auth.IssueRunGrant(request)
    identity = installation.platform.verifier.verify(grant.identity)
    assert (identity.kind, identity.run_id) == ("run", "run_1")
    assert (identity.tenant_id, identity.principal_id) == (member.tenant_id, member.principal_id)
    assert identity.scopes == {"artifacts:write"}
    assert identity.labels == {"restricted"}
    del request.scopes[:]
    with installation.acting(installation.service):
        nothing = await installation.auth.IssueRunGrant(request)
    assert installation.platform.verifier.verify(nothing.identity).scopes == frozenset()
    for principal_id in (member.principal_id, installation.admin.principal_id):
        request.principal_id = principal_id
        request.scopes[:] = ["admin"]
        with installation.acting(installation.service), pytest.raises(LaceError) as refused:
            await installation.auth.IssueRunGrant(request)
        assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_run_grant_is_for_services_and_known_principals_of_the_tenant(installation: Any) -> None:
    other = await installation.new_tenant()
    request = wire.IssueRunGrantRequest(
        run_id="run_1", tenant_id=installation.admin.tenant_id, principal_id=other.principal_id
    )
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await installation.auth.IssueRunGrant(request)
    assert refused.value.reason is Reason.PERMISSION_DENIED
    with installation.acting(installation.service), pytest.raises(LaceError) as refused:
        await installation.auth.IssueRunGrant(request)
    assert refused.value.reason is Reason.PRINCIPAL_NOT_FOUND


async def _until(check: Any) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                check()
                return
            except LaceError:
                await asyncio.sleep(0.01)


async def _while_it_holds(check: Any) -> None:
    async with asyncio.timeout(30):
        while True:
            check()
            await asyncio.sleep(0.01)
