"""The rules of tokens, rights and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_control.adapters.signing_keys import seal, unseal
from lace_control.domain import access
from lace_control.domain.access import Caller
from lace_control.domain.identities import SERVICES, Bearer, claims_of_bearer, claims_of_run, claims_of_service
from lace_control.domain.settings import (
    Entry,
    Scope,
    StoredSettings,
    changes,
    etag_of,
    require_etag,
    value_of,
)
from lace_control.domain.tenants import Principal, administrator_id
from lace_control.domain.tokens import (
    SECRET_BYTES,
    Token,
    check_life,
    compose_secret,
    is_well_formed,
    require_usable,
    secret_hash,
    secret_prefix,
)
from lace_core.errors import LaceError, Reason
from lace_core.settings import Layer

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_HOUR = timedelta(hours=1)
randoms = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)


def _refused(reason: Reason) -> Any:
    return pytest.raises(LaceError, check=lambda error: error.reason is reason)


@given(randoms)
def test_a_secret_is_well_formed_and_no_longer_when_one_character_changes(random: bytes) -> None:
    secret = compose_secret(random)
    assert is_well_formed(secret)
    assert len(secret) == 53
    for place in (5, 20, 44, 45, 52):
        changed = "a" if secret[place] != "a" else "b"
        assert not is_well_formed(secret[:place] + changed + secret[place + 1 :])


@given(randoms, randoms)
def test_secrets_differ_as_their_random_bytes_do(one: bytes, other: bytes) -> None:
    assert (compose_secret(one) == compose_secret(other)) == (one == other)


@given(st.text())
def test_other_texts_are_no_secrets(text: str) -> None:
    assert not is_well_formed(text)


def test_a_secret_has_enough_random_bytes_and_shows_few() -> None:
    with pytest.raises(ValueError, match="25 bytes"):
        compose_secret(b"short")
    secret = compose_secret(bytes(range(25)))
    assert SECRET_BYTES * 8 >= 192
    assert secret_prefix(secret) == secret[:11]
    assert len(secret_hash(secret)) == 64
    assert secret not in secret_hash(secret)


@pytest.mark.parametrize("ttl", [timedelta(), timedelta(seconds=-1), timedelta(days=400, microseconds=1)])
def test_a_life_has_bounds(ttl: timedelta) -> None:
    with _refused(Reason.INVALID_ARGUMENT):
        check_life(ttl)
    assert check_life(timedelta(days=400)) == timedelta(days=400)


def _token(**fields: Any) -> Token:
    given = {"created_at": _NOON - _HOUR, "expires_at": _NOON + _HOUR, **fields}
    return Token("tok_1", "prn_1", "ci", frozenset({"runs:read"}), "lace_abcdef", **given)


def test_a_token_is_good_until_it_expires_or_is_revoked() -> None:
    require_usable(_token(), _NOON)
    with _refused(Reason.TOKEN_EXPIRED):
        require_usable(_token(), _NOON + _HOUR)
    with _refused(Reason.TOKEN_REVOKED):
        require_usable(_token(revoked_at=_NOON, expires_at=_NOON), _NOON)


def _caller(*roles: str, tenant_id: str = "ten_1") -> Caller:
    return Caller("prn_1", tenant_id, frozenset(roles), access.scopes_of(roles), "user", "req_1")


@pytest.mark.parametrize(
    ("own", "wanted", "allowed"),
    [
        ({"system_admin"}, {"system_admin", "tenant_admin", "member"}, True),
        ({"tenant_admin"}, {"tenant_admin", "member"}, True),
        ({"tenant_admin"}, {"system_admin"}, False),
        ({"member"}, {"member"}, True),
        ({"member"}, {"tenant_admin"}, False),
        ({"tenant_admin"}, {"reviewer"}, True),
        ({"reviewer"}, {"reviewer", "member"}, True),
        ({"member"}, {"reviewer"}, False),
        ({"service"}, {"member"}, False),
        (set(), {"member"}, False),
        ({"system_admin"}, {"service"}, False),
    ],
)
def test_roles_are_granted_downwards_only(own: set[str], wanted: set[str], allowed: bool) -> None:
    if allowed:
        access.require_grantable_roles(_caller(*own), wanted)
    else:
        with _refused(Reason.PERMISSION_DENIED):
            access.require_grantable_roles(_caller(*own), wanted)


_scopes = st.frozensets(st.sampled_from(sorted(access.SCOPES)))


@given(st.frozensets(st.sampled_from(sorted(access.SCOPES)), min_size=1), _scopes, _scopes)
def test_no_scope_is_granted_that_either_side_lacks(
    wanted: frozenset[str], holder: frozenset[str], granter: frozenset[str]
) -> None:
    if wanted <= holder & granter:
        assert access.grantable_scopes(wanted, holder=holder, granter=granter) == wanted
    else:
        with _refused(Reason.PERMISSION_DENIED):
            access.grantable_scopes(wanted, holder=holder, granter=granter)


def test_naming_no_scope_asks_for_all_of_the_holders() -> None:
    member = access.MEMBER_SCOPES
    assert access.grantable_scopes([], holder=member, granter=access.SCOPES) == member
    with _refused(Reason.PERMISSION_DENIED):
        access.grantable_scopes([], holder=member, granter=frozenset({"runs:read"}))
    with _refused(Reason.INVALID_ARGUMENT):
        access.grantable_scopes(["runs:fly"], holder=member, granter=member)


def test_a_member_may_all_but_administer_read_payloads_and_review() -> None:
    assert access.scopes_of({"member"}) == access.SCOPES - {"admin", "payloads:read", "reviews:write"}
    assert access.scopes_of({"reviewer"}) == access.scopes_of({"member"}) | {"reviews:write"}
    assert access.scopes_of({"tenant_admin"}) == access.SCOPES
    assert access.scopes_of({"service", "unknown"}) == frozenset()


def test_another_tenant_is_hidden_from_all_but_the_system_administrator() -> None:
    access.require_visible_tenant(_caller("system_admin"), "ten_2")
    access.require_visible_tenant(_caller("member"), "ten_1")
    with _refused(Reason.TENANT_NOT_FOUND):
        access.require_visible_tenant(_caller("tenant_admin"), "ten_2")
    assert _caller("system_admin").administers("ten_2")
    assert not _caller("tenant_admin").administers("ten_2")
    assert not _caller("member").administers("ten_1")


def _principal() -> Principal:
    return Principal("prn_1", "ten_1", "Ada", frozenset({"tenant_admin"}), frozenset({"secret"}), _NOON)


def test_an_identity_says_what_the_token_says_and_ends_with_it() -> None:
    bearer = Bearer(_token(), _principal(), 7)
    claims = claims_of_bearer(bearer, _NOON, _NOON + timedelta(minutes=5))
    assert (claims.kind, claims.token_id, claims.run_id, claims.epoch) == ("user", "tok_1", None, 7)
    assert claims.scopes == {"runs:read"}
    assert claims.roles == {"tenant_admin"}
    assert claims.labels == {"secret"}
    assert claims.expires_at == _NOON + timedelta(minutes=5)
    assert claims_of_bearer(bearer, _NOON, _NOON + 2 * _HOUR).expires_at == _NOON + _HOUR


def test_a_run_never_has_its_principals_roles() -> None:
    claims = claims_of_run("run_1", _principal(), frozenset({"runs:read"}), 7, _NOON, _NOON)
    assert claims.roles == {"member"}
    assert (claims.kind, claims.run_id, claims.token_id) == ("run", "run_1", None)
    assert claims.labels == {"secret"}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_has_no_tenant_and_does_not_administer(service: str) -> None:
    claims = claims_of_service(service, 7, _NOON, _NOON)
    assert (claims.tenant_id, claims.kind) == ("", "service")
    assert claims.roles == {"service"}
    assert "admin" not in claims.scopes
    with _refused(Reason.PERMISSION_DENIED):
        claims_of_service(f"{service}2", 7, _NOON, _NOON)


def _stored(*entries: Entry, version: int = 4) -> StoredSettings:
    return StoredSettings(Scope.of_tenant("ten_1"), version, "prn_1", _NOON, entries)


def _entry(value: Any, start: int, end: int | None, priority: int = 0, key: str = "runs.max_nodes") -> Entry:
    return Entry(
        f"set_{value}", key, value, _NOON + start * _HOUR, None if end is None else _NOON + end * _HOUR, priority
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], None),
        ([_entry(5, 0, None)], 5),
        ([_entry(5, 1, None)], None),
        ([_entry(5, -2, 0)], None),
        ([_entry(5, -2, 1)], 5),
        ([_entry(5, -2, None), _entry(6, -1, None)], 6),
        ([_entry(6, -1, None), _entry(5, -2, None)], 6),
        ([_entry(5, -2, None, priority=1), _entry(6, -1, None)], 5),
        ([_entry(5, -2, 0, priority=1), _entry(6, -1, None)], 6),
    ],
)
def test_of_several_values_the_one_that_counts_is_taken(entries: list[Entry], expected: int | None) -> None:
    assert _stored(*entries).values_at(_NOON).get("runs.max_nodes") == expected


def test_a_layer_knows_its_version_and_drops_settings_that_are_gone() -> None:
    layer = _stored(_entry(5, 0, None), _entry(1, 0, None, key="gone.with_an_old_release")).layer_at(_NOON)
    assert layer == Layer("tenant", {"runs.max_nodes": 5}, 4)


def test_a_stored_value_that_is_no_longer_allowed_is_no_silent_default() -> None:
    with _refused(Reason.SETTING_INVALID):
        _stored(_entry(10**9, 0, None)).layer_at(_NOON)


def test_an_etag_names_one_version_of_one_scope() -> None:
    scopes = [Scope.of_system(), Scope.of_tenant("ten_1"), Scope.of_user("ten_1", "prn_1"), Scope.of_tenant("ten_2")]
    etags = {etag_of(StoredSettings(scope, version)) for scope in scopes for version in range(3)}
    assert len(etags) == 12
    require_etag(_stored(), "")
    require_etag(_stored(), etag_of(_stored()))
    with _refused(Reason.ETAG_MISMATCH):
        require_etag(_stored(), etag_of(_stored(version=3)))


def test_changes_tell_before_and_after() -> None:
    before, after = {"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": False}
    assert changes(before, after) == {"a": [1, None], "c": [3, 4], "d": [None, False]}


def test_one_setting_comes_from_the_strongest_layer() -> None:
    key = "auth.identity_ttl_s"
    layers = [Layer("env_file", {key: 60}), Layer("environment", {key: 70})]
    stored = [_stored(_entry(80, 0, None, key=key)), _stored(_entry(90, -2, -1, key=key))]
    assert value_of(key, [], [], _NOON) == 300
    assert value_of(key, layers[:1], [], _NOON) == 60
    assert value_of(key, layers, [], _NOON) == 70
    assert value_of(key, layers, stored, _NOON) == 80


def test_a_fault_in_one_setting_does_not_stand_in_the_way_of_another() -> None:
    stored = [_stored(_entry(10**9, 0, None))]
    assert value_of("auth.identity_ttl_s", [], stored, _NOON) == 300
    with _refused(Reason.SETTING_INVALID):
        value_of("runs.max_nodes", [], stored, _NOON)


def test_an_administrators_id_is_known_from_his_tenants() -> None:
    assert administrator_id("ten_1") == administrator_id("ten_1") != administrator_id("ten_2")


def test_a_key_is_opened_by_the_secret_and_id_that_it_was_sealed_with() -> None:
    sealed = seal("a private key", "kid", "secret")
    assert b"a private key" not in sealed
    assert sealed != seal("a private key", "kid", "secret")
    assert unseal(sealed, "kid", "secret") == "a private key"
    assert unseal(sealed, "kid", "guess") is None
    assert unseal(sealed, "other", "secret") is None
    assert unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "kid", "secret") is None
