"""Which web pages may open a WebSocket."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.domain.origins import require_allowed_origin

ALLOWED = ("https://app.example.org",)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://lace.example.org", "lace.example.org"),
        ("https://lace.example.org", "LACE.example.org:443"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://app.example.org", "lace.example.org"),
    ],
)
def test_allowed(origin: str | None, host: str) -> None:
    require_allowed_origin(origin, host, ALLOWED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "lace.example.org"),
        ("", "lace.example.org"),
        ("http://127.0.0.1:9090", "127.0.0.1:8080"),
        ("https://lace.example.org.evil.example", "lace.example.org"),
        ("https://evil.example/lace.example.org", "lace.example.org"),
        ("file://lace.example.org", "lace.example.org"),
        ("https://lace.example.org:bad", "lace.example.org"),
        ("https://sub.app.example.org", "lace.example.org"),
        ("http:///", ""),
    ],
)
def test_refused(origin: str, host: str) -> None:
    with pytest.raises(LaceError) as refused:
        require_allowed_origin(origin, host, ALLOWED)
    assert refused.value.reason is Reason.PERMISSION_DENIED
