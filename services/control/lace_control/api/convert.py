"""The one converter between the wire messages of lace.control.v1 and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from lace.control.v1 import control_pb2 as wire
from lace.control.v1 import dead_letters_pb2 as dead
from lace_control.domain.access import Caller
from lace_control.domain.audit import OUTCOMES, AuditEntry
from lace_control.domain.dead_letters import DeadLetter, DeadLetterState, Search, letter_id
from lace_control.domain.identities import SignedIdentity, VerificationKey
from lace_control.domain.quotas import LIMITS, Limits, Quotas
from lace_control.domain.revocations import Revocation
from lace_control.domain.settings import ResolvedSettings, ScopeType, SettingsView
from lace_control.domain.tenants import Bootstrapped, Principal, Tenant
from lace_control.domain.tokens import NewToken, Token, TokenWish
from lace_core.errors import Detail, LaceError, Reason
from lace_core.settings import Setting
from lace_platform.auth import require_identity
from lace_platform.bus import Envelope
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, REDRIVE_GROUP, REDRIVE_OF
from lace_platform.rpc import CallContext
from lace_proto.json import from_python, to_python
from lace_proto.times import to_datetime, to_timestamp

_SCOPE_TYPES: dict[str, ScopeType] = {"system": "system", "tenant": "tenant", "user": "user"}


_CAUSE = "dead-letter-"
_STATE = "DEAD_LETTER_STATE_"


def caller_of(call: CallContext) -> Caller:
    """Who calls. Raises TOKEN_MISSING."""
    identity = require_identity(call.identity)
    return Caller(
        principal_id=identity.principal_id,
        tenant_id=identity.tenant_id,
        roles=identity.roles,
        scopes=identity.scopes,
        kind=identity.kind,
        correlation_id=call.correlation_id,
    )


def token_wish_of_wire(message: wire.CreateTokenRequest) -> TokenWish:
    """What token is asked for. Raises INVALID_ARGUMENT."""
    ttl = duration_of_wire(message.ttl) if message.HasField("ttl") else None
    return TokenWish(message.name, message.principal_id, tuple(message.scopes), ttl)


def duration_of_wire(message: Duration) -> timedelta:
    """A span of time. Raises INVALID_ARGUMENT for one that is too long to be meant."""
    try:
        return message.ToTimedelta()
    except (OverflowError, ValueError):
        raise LaceError(Reason.INVALID_ARGUMENT, "/ttl: is no length of time.") from None


def values_to_wire(values: Mapping[str, Any]) -> Struct:
    """JSON values by key."""
    return from_python(Struct, dict(values))


def values_of_wire(message: Struct) -> dict[str, Any]:
    """JSON values by key; numbers, which the wire has as floats, are whole again where they are whole."""
    values: dict[str, Any] = to_python(message)
    return values


def token_to_wire(token: Token) -> wire.Token:
    """A token without its secret."""
    return wire.Token(
        token_id=token.token_id,
        principal_id=token.principal_id,
        name=token.name,
        scopes=sorted(token.scopes),
        prefix=token.prefix,
        created_at=to_timestamp(token.created_at),
        expires_at=to_timestamp(token.expires_at),
        revoked_at=None if token.revoked_at is None else to_timestamp(token.revoked_at),
        last_used_at=None if token.last_used_at is None else to_timestamp(token.last_used_at),
    )


def token_of_wire(message: wire.Token) -> Token:
    """A token without its secret."""
    return Token(
        token_id=message.token_id,
        principal_id=message.principal_id,
        name=message.name,
        scopes=frozenset(message.scopes),
        prefix=message.prefix,
        created_at=to_datetime(message.created_at),
        expires_at=to_datetime(message.expires_at),
        revoked_at=to_datetime(message.revoked_at) if message.HasField("revoked_at") else None,
        last_used_at=to_datetime(message.last_used_at) if message.HasField("last_used_at") else None,
    )


def new_token_to_wire(made: NewToken) -> wire.CreateTokenResponse:
    """A token with its secret."""
    return wire.CreateTokenResponse(token=token_to_wire(made.token), secret=made.secret)


def new_token_of_wire(message: wire.CreateTokenResponse) -> NewToken:
    """A token with its secret, where there is one."""
    return NewToken(token_of_wire(message.token), message.secret)


def tenant_to_wire(tenant: Tenant) -> wire.Tenant:
    """A tenant."""
    return wire.Tenant(tenant_id=tenant.tenant_id, name=tenant.name, created_at=to_timestamp(tenant.created_at))


def tenant_of_wire(message: wire.Tenant) -> Tenant:
    """A tenant."""
    return Tenant(message.tenant_id, message.name, to_datetime(message.created_at))


def principal_to_wire(principal: Principal) -> wire.Principal:
    """A principal."""
    return wire.Principal(
        principal_id=principal.principal_id,
        tenant_id=principal.tenant_id,
        name=principal.name,
        roles=sorted(principal.roles),
        labels=sorted(principal.labels),
        created_at=to_timestamp(principal.created_at),
    )


def principal_of_wire(message: wire.Principal) -> Principal:
    """A principal."""
    return Principal(
        principal_id=message.principal_id,
        tenant_id=message.tenant_id,
        name=message.name,
        roles=frozenset(message.roles),
        labels=frozenset(message.labels),
        created_at=to_datetime(message.created_at),
    )


def bootstrapped_to_wire(begun: Bootstrapped) -> wire.BootstrapResponse:
    """The first tenant."""
    return wire.BootstrapResponse(
        tenant=tenant_to_wire(begun.tenant), principal=principal_to_wire(begun.principal), secret=begun.secret
    )


def settings_to_wire(view: SettingsView) -> wire.Settings:
    """What is set at a scope."""
    return wire.Settings(
        scope_type=view.scope_type,
        scope_id=view.scope_id,
        values=values_to_wire(view.values),
        version=view.version,
        etag=view.etag,
        updated_by=view.updated_by,
        updated_at=None if view.updated_at is None else to_timestamp(view.updated_at),
    )


def settings_of_wire(message: wire.Settings) -> SettingsView:
    """What is set at a scope."""
    return SettingsView(
        scope_type=_SCOPE_TYPES[message.scope_type],
        scope_id=message.scope_id,
        values=values_of_wire(message.values),
        version=message.version,
        etag=message.etag,
        updated_by=message.updated_by,
        updated_at=to_datetime(message.updated_at) if message.HasField("updated_at") else None,
    )


def read_settings_to_wire(values: Mapping[str, Any]) -> wire.ReadSettingsResponse:
    """Values by key."""
    return wire.ReadSettingsResponse(values=values_to_wire(values))


def resolved_to_wire(resolved: ResolvedSettings) -> wire.ResolveSettingsResponse:
    """A snapshot, with the layer of each value in order of the keys."""
    snapshot = resolved.snapshot
    return wire.ResolveSettingsResponse(
        values=values_to_wire(snapshot.values),
        settings_hash=snapshot.settings_hash,
        settings_uri=resolved.settings_uri,
        trace=[
            wire.SettingTrace(key=key, layer=layer, version=version)
            for key, (layer, version) in sorted(snapshot.trace.items())
        ],
        quotas=quotas_to_wire(resolved.quotas),
    )


def quotas_to_wire(quotas: Quotas) -> wire.Quotas:
    """What a tenant may use at once."""
    return wire.Quotas(
        tenant_id=quotas.tenant_id,
        **quotas.limits.as_details(),
        version=quotas.version,
        updated_by=quotas.updated_by,
        updated_at=None if quotas.updated_at is None else to_timestamp(quotas.updated_at),
    )


def quotas_of_wire(message: wire.Quotas) -> Quotas:
    """What a tenant may use at once."""
    updated_at = to_datetime(message.updated_at) if message.HasField("updated_at") else None
    return Quotas(message.tenant_id, limits_of_wire(message), message.version, message.updated_by, updated_at)


def limits_of_wire(message: wire.Quotas | wire.PutQuotasRequest) -> Limits:
    """The limits alone."""
    return Limits(**{name: getattr(message, name) for name in LIMITS})


def definition_to_wire(setting: Setting) -> wire.SettingDefinition:
    """A setting's definition; of a secret there is no value in it, as none has a default."""
    message = wire.SettingDefinition(
        key=setting.key,
        type=setting.kind,
        scopes=setting.scopes,
        description=setting.description,
        environment_variable=setting.environment_variable,
        minimum=setting.minimum,
        maximum=setting.maximum,
        choices=setting.choices,
    )
    message.default_value.CopyFrom(values_to_wire({"default": setting.default}).fields["default"])
    return message


def entry_to_wire(entry: AuditEntry) -> wire.AuditEntry:
    """An entry of the audit log."""
    return wire.AuditEntry(
        audit_id=entry.audit_id,
        occurred_at=to_timestamp(entry.occurred_at),
        principal_id=entry.principal_id,
        action=entry.action,
        subject=entry.subject,
        outcome=entry.outcome,
        correlation_id=entry.correlation_id,
        details=values_to_wire(entry.details),
    )


def entry_of_wire(message: wire.AuditEntry) -> AuditEntry:
    """An entry of the audit log. Raises INVALID_ARGUMENT for an outcome that is none, and for a missing time."""
    outcome = next((known for known in OUTCOMES if known == message.outcome), None)
    if outcome is None:
        raise _invalid("/entry/outcome", f"must be one of {', '.join(OUTCOMES)}")
    if not message.HasField("occurred_at"):
        raise _invalid("/entry/occurred_at", "is required")
    return AuditEntry(
        audit_id=message.audit_id,
        occurred_at=to_datetime(message.occurred_at),
        principal_id=message.principal_id,
        action=message.action,
        subject=message.subject,
        outcome=outcome,
        correlation_id=message.correlation_id,
        details=values_of_wire(message.details),
    )


def authenticated_to_wire(identity: SignedIdentity) -> wire.AuthenticateResponse:
    """A user's identity."""
    claims = identity.claims
    return wire.AuthenticateResponse(
        identity=identity.signed,
        principal_id=claims.principal_id,
        tenant_id=claims.tenant_id,
        expires_at=to_timestamp(claims.expires_at),
    )


def service_identity_to_wire(identity: SignedIdentity) -> wire.IssueServiceIdentityResponse:
    """A service's identity."""
    return wire.IssueServiceIdentityResponse(
        identity=identity.signed, expires_at=to_timestamp(identity.claims.expires_at)
    )


def run_grant_to_wire(identity: SignedIdentity) -> wire.IssueRunGrantResponse:
    """A run's identity."""
    return wire.IssueRunGrantResponse(identity=identity.signed, expires_at=to_timestamp(identity.claims.expires_at))


def key_to_wire(key: VerificationKey) -> wire.VerificationKey:
    """A public key."""
    return wire.VerificationKey(key_id=key.key_id, public_key_pem=key.public_key_pem)


def revocation_to_wire(revocation: Revocation) -> wire.WatchRevocationsResponse:
    """A revocation, with its subject in the field of its kind."""
    message = wire.WatchRevocationsResponse(epoch=revocation.epoch)
    setattr(message, f"{revocation.subject}_id", revocation.subject_id)
    return message


def dead_letter_of(envelope: Envelope) -> DeadLetter:
    """The letter that came on a dead-letter topic; whatever is missing or odd in it, it can be kept."""
    headers = {name: value for name, value in envelope.headers.items() if not name.startswith(_CAUSE)}
    cause = {name.removeprefix(_CAUSE): value for name, value in envelope.headers.items() if name.startswith(_CAUSE)}
    headers.pop(REDRIVE_GROUP, None)
    attempts = cause.get("attempts", "")
    topic, group = envelope.topic.removesuffix(DEAD_LETTER_SUFFIX), cause.get("group", "")
    redrive_of = headers.pop(REDRIVE_OF, "")
    return DeadLetter(
        dead_letter_id=letter_id(topic, group, envelope.id, redrive_of),
        tenant_id=envelope.tenant_id,
        topic=topic,
        key=_kept(envelope.key),
        group=group,
        event_id=envelope.id,
        error_code=cause.get("reason", ""),
        error_message=_kept(cause.get("error", "")),
        attempts=int(attempts) if attempts.isascii() and attempts.isdigit() else 0,
        created_at=envelope.created_at,
        died_at=_time(cause.get("at", ""), envelope.created_at),
        schema_version=envelope.schema_version,
        payload=_kept(envelope.payload.decode(errors="replace")),
        redrive_of=redrive_of,
        headers={_kept(name): _kept(value) for name, value in headers.items()},
    )


def dead_letter_to_wire(letter: DeadLetter) -> dead.DeadLetter:
    """A dead letter."""
    return dead.DeadLetter(
        dead_letter_id=letter.dead_letter_id,
        tenant_id=letter.tenant_id,
        topic=letter.topic,
        key=letter.key,
        group=letter.group,
        event_id=letter.event_id,
        state=dead.DeadLetterState.Value(_STATE + letter.state.name),
        error_code=letter.error_code,
        error_message=letter.error_message,
        attempts=letter.attempts,
        created_at=to_timestamp(letter.created_at),
        died_at=to_timestamp(letter.died_at),
        settled_at=None if letter.settled_at is None else to_timestamp(letter.settled_at),
        settled_by=letter.settled_by,
        redrive_of=letter.redrive_of,
        schema_version=letter.schema_version,
        payload=letter.payload,
        headers=letter.headers,
    )


def dead_letter_of_wire(message: dead.DeadLetter) -> DeadLetter:
    """A dead letter."""
    return DeadLetter(
        dead_letter_id=message.dead_letter_id,
        tenant_id=message.tenant_id,
        topic=message.topic,
        key=message.key,
        group=message.group,
        event_id=message.event_id,
        error_code=message.error_code,
        error_message=message.error_message,
        attempts=message.attempts,
        created_at=to_datetime(message.created_at),
        died_at=to_datetime(message.died_at),
        schema_version=message.schema_version,
        payload=message.payload,
        headers=dict(message.headers),
        redrive_of=message.redrive_of,
        state=DeadLetterState[dead.DeadLetterState.Name(message.state).removeprefix(_STATE)],
        settled_at=to_datetime(message.settled_at) if message.HasField("settled_at") else None,
        settled_by=message.settled_by,
    )


def search_of_wire(message: dead.ListDeadLettersRequest) -> Search:
    """Which dead letters are looked for."""
    named = dead.DeadLetterState.Name(message.state).removeprefix(_STATE) if message.state else ""
    return Search(message.topic, DeadLetterState[named] if named else None, message.tenant_id)


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return found if found.tzinfo else otherwise


def _kept(text: str) -> str:
    """The text as Postgres keeps one: it knows no NUL."""
    return text.replace("\x00", "\ufffd")


def _invalid(field: str, description: str) -> LaceError:
    details = [Detail(field, description)]
    return LaceError(Reason.INVALID_ARGUMENT, f"{field}: {description}.", details=details)
