"""The converter keeps every field, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from lace.control.v1 import control_pb2 as wire
from lace_control.api import convert
from lace_control.domain.access import Caller
from lace_control.domain.audit import OUTCOMES, AuditEntry
from lace_control.domain.identities import Claims, SignedIdentity
from lace_control.domain.quotas import Limits, Quotas
from lace_control.domain.revocations import Revocation
from lace_control.domain.settings import ResolvedSettings, SettingsView
from lace_control.domain.tenants import Bootstrapped, Principal, Tenant
from lace_control.domain.tokens import NewToken, Token, TokenWish
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS, Layer, resolve
from lace_platform.auth import Identity
from lace_platform.rpc import CallContext
from lace_proto.json import to_python
from lace_proto.times import to_datetime

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
text_sets = st.frozensets(texts, max_size=4)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6, width=32).filter(lambda x: x != int(x))
values = st.recursive(
    st.none() | st.booleans() | _numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, values, max_size=3)
tenants = st.builds(Tenant, texts, texts, moments)
principals = st.builds(Principal, texts, texts, texts, text_sets, text_sets, moments)
_counts = st.integers(0, 1_000_000)
limits = st.builds(Limits, _counts, _counts, _counts)
quotas = st.builds(Quotas, texts, limits, st.integers(0, 2**53), texts, st.none() | moments)
tokens = st.builds(
    Token,
    token_id=texts,
    principal_id=texts,
    name=texts,
    scopes=text_sets,
    prefix=texts,
    created_at=moments,
    expires_at=moments,
    revoked_at=st.none() | moments,
    last_used_at=st.none() | moments,
)
views = st.builds(
    SettingsView,
    scope_type=st.sampled_from(["system", "tenant", "user"]),
    scope_id=texts,
    values=mappings,
    version=st.integers(0, 2**53),
    etag=texts,
    updated_by=texts,
    updated_at=st.none() | moments,
)
entries = st.builds(AuditEntry, texts, moments, texts, texts, texts, st.sampled_from(OUTCOMES), texts, mappings)


@given(tokens)
def test_a_token_survives_the_wire(token: Token) -> None:
    assert convert.token_of_wire(_sent(convert.token_to_wire(token))) == token


@given(tokens, texts)
def test_a_new_token_survives_the_wire(token: Token, secret: str) -> None:
    made = NewToken(token, secret)
    assert convert.new_token_of_wire(_sent(convert.new_token_to_wire(made))) == made


@given(tenants)
def test_a_tenant_survives_the_wire(tenant: Tenant) -> None:
    assert convert.tenant_of_wire(_sent(convert.tenant_to_wire(tenant))) == tenant


@given(quotas)
def test_quotas_survive_the_wire(given_quotas: Quotas) -> None:
    assert convert.quotas_of_wire(_sent(convert.quotas_to_wire(given_quotas))) == given_quotas


@given(principals)
def test_a_principal_survives_the_wire(principal: Principal) -> None:
    assert convert.principal_of_wire(_sent(convert.principal_to_wire(principal))) == principal


@given(tenants, principals, texts)
def test_the_beginning_is_told_whole(tenant: Tenant, principal: Principal, secret: str) -> None:
    message = _sent(convert.bootstrapped_to_wire(Bootstrapped(tenant, principal, secret)))
    assert convert.tenant_of_wire(message.tenant) == tenant
    assert convert.principal_of_wire(message.principal) == principal
    assert message.secret == secret


@given(views)
def test_settings_survive_the_wire(view: SettingsView) -> None:
    assert convert.settings_of_wire(_sent(convert.settings_to_wire(view))) == view


@given(entries)
def test_an_audit_entry_survives_the_wire(entry: AuditEntry) -> None:
    assert convert.entry_of_wire(_sent(convert.entry_to_wire(entry))) == entry


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (wire.Token, Token),
        (wire.Tenant, Tenant),
        (wire.Principal, Principal),
        (wire.Settings, SettingsView),
        (wire.AuditEntry, AuditEntry),
    ],
)
def test_every_field_of_a_message_is_converted(message: type[Message], kind: Any) -> None:
    assert {field.name for field in message.DESCRIPTOR.fields} == set(kind.__dataclass_fields__)


@given(st.sampled_from(["token", "principal", "run"]), texts, st.integers(1, 2**63 - 1))
def test_a_revocation_names_its_subject_in_the_field_of_its_kind(subject: Any, subject_id: str, epoch: int) -> None:
    message = convert.revocation_to_wire(Revocation(epoch, subject, subject_id, _NOON))
    named = {kind: getattr(message, f"{kind}_id") for kind in ("token", "principal", "run")}
    assert named == {"token": "", "principal": "", "run": "", subject: subject_id}
    assert message.epoch == epoch


def test_a_resolution_is_told_with_its_trace() -> None:
    snapshot = resolve([Layer("system", {"runs.max_nodes": 7}, 3)])
    message = convert.resolved_to_wire(ResolvedSettings(snapshot, "lace-artifacts/x"))
    assert to_python(message.values) == dict(snapshot.values)
    assert (message.settings_hash, message.settings_uri) == (snapshot.settings_hash, "lace-artifacts/x")
    assert {entry.key: (entry.layer, entry.version) for entry in message.trace} == dict(snapshot.trace)
    assert [entry.key for entry in message.trace] == sorted(snapshot.values)


@pytest.mark.parametrize("key", sorted(SETTINGS))
def test_a_definition_says_all_that_the_registry_says(key: str) -> None:
    setting = SETTINGS[key]
    message = convert.definition_to_wire(setting)
    assert (message.key, message.type, message.description) == (key, setting.kind, setting.description)
    assert message.environment_variable == setting.environment_variable
    assert tuple(message.scopes) == setting.scopes
    assert tuple(message.choices) == setting.choices
    assert to_python(message)["default_value"] == setting.default
    assert (message.minimum if message.HasField("minimum") else None) == setting.minimum
    assert (message.maximum if message.HasField("maximum") else None) == setting.maximum


def test_signed_identities_are_told_by_kind() -> None:
    claims = Claims("prn_1", "ten_1", frozenset(), frozenset(), frozenset(), "user", None, "tok_1", _NOON, _NOON, 3)
    identity = SignedIdentity(claims, "signed")
    user = convert.authenticated_to_wire(identity)
    assert (user.identity, user.principal_id, user.tenant_id) == ("signed", "prn_1", "ten_1")
    for message in (user, convert.service_identity_to_wire(identity), convert.run_grant_to_wire(identity)):
        assert message.identity == "signed"
        assert to_datetime(message.expires_at) == _NOON


def test_the_caller_is_who_the_identity_says() -> None:
    identity = Identity(
        "prn_1", "ten_1", frozenset({"member"}), frozenset({"runs:read"}), frozenset(), "run", "run_1", None, _NOON,
        _NOON, 0,
    )  # fmt: skip
    caller = convert.caller_of(CallContext(identity, "req_1", "cor_1"))
    assert caller == Caller("prn_1", "ten_1", frozenset({"member"}), frozenset({"runs:read"}), "run", "cor_1")
    with pytest.raises(LaceError) as refused:
        convert.caller_of(CallContext(None, "req_1", "cor_1"))
    assert refused.value.reason is Reason.TOKEN_MISSING


def test_a_wish_for_a_token_is_read_whole() -> None:
    request = wire.CreateTokenRequest(name="ci", principal_id="prn_1", scopes=["runs:read"], ttl=Duration(seconds=3600))
    assert convert.token_wish_of_wire(request) == TokenWish("ci", "prn_1", ("runs:read",), timedelta(hours=1))
    assert convert.token_wish_of_wire(wire.CreateTokenRequest(name="ci")) == TokenWish("ci")


def test_a_length_of_time_that_cannot_be_is_refused() -> None:
    assert convert.duration_of_wire(Duration(seconds=90)) == timedelta(seconds=90)
    with pytest.raises(LaceError) as refused:
        convert.duration_of_wire(Duration(seconds=10**15))
    assert refused.value.reason is Reason.INVALID_ARGUMENT


def _sent(message: Any) -> Any:
    """The message as it arrives."""
    return type(message).FromString(message.SerializeToString())
