"""Which web pages may open a WebSocket: those of the gateway's own host, and those that the settings name."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from lace_core.errors import LaceError, Reason

_DEFAULT_PORTS = {"http": 80, "https": 443}


def require_allowed_origin(origin: str | None, host: str, allowed: Collection[str]) -> None:
    """Raises PERMISSION_DENIED for a page of elsewhere; a caller that is no browser sends no Origin.

    `host` is the Host header; `allowed` holds origins such as https://app.example.org.
    """
    if origin is None or origin in allowed or _is_own(origin, host):
        return
    raise LaceError(Reason.PERMISSION_DENIED, f"Pages of {origin[:200]} may not open a WebSocket here.")


def _is_own(origin: str, host: str) -> bool:
    try:
        page, own = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        same_port = (page.port or default) == (own.port or default)
    except ValueError:
        return False
    return default is not None and same_port and page.hostname is not None and page.hostname == own.hostname
