"""Identities: signed, verified, expired, revoked, forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from lace_core.errors import LaceError, Reason
from lace_platform.auth import (
    Identity,
    IdentitySigner,
    IdentityVerifier,
    generate_private_key,
    require_identity,
    require_scope,
)

_NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
_KEY = generate_private_key()


class Clock:
    def __init__(self) -> None:
        self.seconds = _NOW.timestamp()

    def __call__(self) -> float:
        return self.seconds


def _identity(**changes: Any) -> Identity:
    start = datetime.now(UTC)
    whole = Identity(
        principal_id="prn_a",
        tenant_id="ten_a",
        roles=frozenset({"member"}),
        scopes=frozenset({"runs:read", "runs:write"}),
        labels=frozenset({"internal"}),
        kind="user",
        run_id=None,
        token_id="tok_a",
        issued_at=start,
        expires_at=start + timedelta(minutes=5),
        epoch=3,
    )
    return replace(whole, **changes)


def _pair(**options: Any) -> tuple[IdentitySigner, IdentityVerifier]:
    signer, verifier = IdentitySigner(_KEY), IdentityVerifier(**options)
    verifier.update_keys({signer.key_id: signer.public_key_pem})
    return signer, verifier


def _reason(verifier: IdentityVerifier, token: str) -> Reason:
    with pytest.raises(LaceError) as caught:
        verifier.verify(token)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["user", "service", "run"])
def test_what_is_signed_is_what_is_verified(kind: Any) -> None:
    signer, verifier = _pair()
    identity = _identity(kind=kind, run_id="run_a" if kind == "run" else None)
    assert verifier.verify(signer.sign(identity)) == identity


def test_a_second_look_is_served_from_memory_and_still_sees_time_pass() -> None:
    import time

    clock = Clock()
    clock.seconds = time.time()
    signer, verifier = _pair(now=clock)
    token = signer.sign(_identity())
    assert verifier.verify(token) is verifier.verify(token)
    clock.seconds += 301
    assert _reason(verifier, token) is Reason.TOKEN_EXPIRED


@pytest.mark.parametrize(
    "subject",
    [{"token_id": "tok_a"}, {"principal_id": "prn_a"}, {"run_id": "run_a"}],
    ids=lambda subject: next(iter(subject)),
)
def test_revocation_voids_what_was_issued_before_it_and_nothing_after(subject: dict[str, str]) -> None:
    signer, verifier = _pair()
    before = signer.sign(_identity(run_id="run_a", epoch=3))
    after = signer.sign(_identity(run_id="run_a", epoch=4))
    other = signer.sign(_identity(principal_id="prn_b", token_id="tok_b", epoch=3))
    verifier.verify(before)
    verifier.revoke(epoch=4, **subject)
    assert _reason(verifier, before) is Reason.TOKEN_REVOKED
    assert verifier.verify(after).epoch == 4
    verifier.verify(other)
    assert verifier.epoch == 4


def test_sign_of_life_moves_the_epoch_and_revokes_nobody() -> None:
    signer, verifier = _pair()
    verifier.revoke(epoch=9, token_id="", principal_id=None)
    assert verifier.epoch == 9
    verifier.verify(signer.sign(_identity(token_id=None)))


def test_revocations_are_forgotten_when_all_they_void_has_expired() -> None:
    clock = Clock()
    verifier = IdentityVerifier(now=clock)
    verifier.revoke(epoch=1, token_id="tok_a")
    clock.seconds += 3700
    verifier.revoke(epoch=2, token_id="tok_b")
    assert list(verifier._revoked) == [("token", "tok_b")]


def test_before_the_keys_are_known_the_caller_is_told_to_wait() -> None:
    signer = IdentitySigner(_KEY)
    verifier = IdentityVerifier()
    asked = []
    verifier.on_unknown_key = lambda: asked.append(1)
    with pytest.raises(LaceError) as caught:
        verifier.verify(signer.sign(_identity()))
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert caught.value.retryable
    assert asked == [1]


def test_a_key_that_is_gone_is_no_longer_believed() -> None:
    signer, verifier = _pair()
    token = signer.sign(_identity())
    verifier.verify(token)
    other = IdentitySigner(generate_private_key())
    verifier.update_keys({other.key_id: other.public_key_pem})
    assert _reason(verifier, token) is Reason.TOKEN_INVALID


def _forged() -> dict[str, str]:
    signer = IdentitySigner(_KEY)
    good = signer.sign(_identity())
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, seal = good.split(".")
    private = serialization.load_pem_private_key(_KEY.encode(), password=None)
    header = {"kid": signer.key_id}

    def signed(**changes: Any) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, private, algorithm="EdDSA", headers=header)  # type: ignore[arg-type]

    return {
        "no token": "x",
        "empty": "",
        "signature of nothing": f"{head}.{body}.",
        "other body": f"{head}.{jwt.utils.base64url_encode(b'{}').decode()}.{seal}",
        "unsigned": jwt.encode(claims, "", algorithm="none", headers=header),
        "HMAC with the public key": jwt.encode(claims, signer.key_id * 4, algorithm="HS256", headers=header),
        "other key, same id": jwt.encode(
            claims,
            serialization.load_pem_private_key(generate_private_key().encode(), password=None),  # type: ignore[arg-type]
            algorithm="EdDSA",
            headers=header,
        ),
        "other audience": signed(aud="elsewhere"),
        "other issuer": signed(iss="elsewhere"),
        "no expiry": signed(exp=None),
        "no epoch": signed(epoch=None),
        "from the future": signed(iat=claims["iat"] + 600),
        "unknown kind": signed(kind="god"),
        "scopes that are no list": signed(scopes=5),
        "expiry that is no number": signed(exp="never"),
        "endless expiry": signed(exp=1e300),
    }


@pytest.mark.parametrize("how", _forged())
def test_forgeries_are_refused(how: str) -> None:
    _, verifier = _pair()
    assert _reason(verifier, _forged()[how]) is Reason.TOKEN_INVALID


def test_an_identity_cannot_outlive_the_memory_of_revocations() -> None:
    start = datetime.now(UTC)
    with pytest.raises(ValueError, match="one hour"):
        IdentitySigner(_KEY).sign(_identity(issued_at=start, expires_at=start + timedelta(hours=2)))


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lace_platform.auth._CACHE_SIZE", 2)
    signer, verifier = _pair()
    for number in range(4):
        verifier.verify(signer.sign(_identity(token_id=f"tok_{number}")))
    assert len(verifier._verified) == 2


def test_rights_are_asked_for() -> None:
    identity = _identity()
    assert require_scope(identity, "runs:read") is identity
    refusals: list[tuple[Callable[[], object], Reason]] = [
        (lambda: require_scope(identity, "admin"), Reason.PERMISSION_DENIED),
        (lambda: require_identity(None), Reason.TOKEN_MISSING),
        (lambda: require_scope(None, "admin"), Reason.TOKEN_MISSING),
    ]
    for call, reason in refusals:
        with pytest.raises(LaceError) as caught:
            call()
        assert caught.value.reason is reason


def test_only_ed25519_keys_are_taken() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
    from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate

    key = generate(SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(ValueError, match="Ed25519"):
        IdentitySigner(key.private_bytes(*form).decode())
    public = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="Ed25519"):
        IdentityVerifier().update_keys({"k": key.public_key().public_bytes(*public).decode()})
