"""Links to stored files cannot be altered, and end."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.blobs import SignedBlob, UrlSigner
from lace_platform.blobs.signing import PATH

_URI = "lace-compiled/ten_a/report.pdf"


def _token(signer: UrlSigner) -> str:
    return signer.path(_URI, filename='A "report" ä.pdf', ttl_s=60, tenant_id="ten_a").removeprefix(PATH)


def _reason(signer: UrlSigner, token: str) -> Reason:
    with pytest.raises(LaceError) as caught:
        signer.verify(token)
    return caught.value.reason


def test_a_link_grants_what_it_was_made_for() -> None:
    signer = UrlSigner("secret", now=lambda: 1000.0)
    assert signer.verify(_token(signer)) == SignedBlob(_URI, 'A "report" ä.pdf', 1060, "ten_a")
    assert signer.path(_URI, filename="x", ttl_s=1).startswith("/v1/blobs/")


def test_a_link_ends() -> None:
    now = 1000.0
    signer = UrlSigner("secret", now=lambda: now)
    token = _token(signer)
    now = 1059.9
    signer.verify(token)
    now = 1060.0
    assert _reason(signer, token) is Reason.SIGNED_URL_EXPIRED


def test_no_character_of_a_link_can_be_changed() -> None:
    signer = UrlSigner("secret", now=lambda: 1000.0)
    token = _token(signer)
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert _reason(signer, changed) is Reason.SIGNED_URL_INVALID
    for altered in (token[:-1], token + "=", token + "A", "", ".", "x.y", token.split(".")[0], "é.é"):
        assert _reason(signer, altered) is Reason.SIGNED_URL_INVALID


def test_another_secret_signs_other_links() -> None:
    token = _token(UrlSigner("other", now=lambda: 1000.0))
    assert _reason(UrlSigner("secret", now=lambda: 1000.0), token) is Reason.SIGNED_URL_INVALID


def test_a_secret_is_needed() -> None:
    with pytest.raises(ValueError, match="secret"):
        UrlSigner("")
