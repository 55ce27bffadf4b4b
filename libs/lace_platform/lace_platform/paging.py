"""Pages of a list: how many entries one holds, and the opaque signed token that says where the next begins."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import orjson

from lace_core.canonical import canonical_json
from lace_core.errors import Detail, LaceError, Reason

Scalar = str | int | float | bool | None
Cursor = tuple[Scalar, ...]
T = TypeVar("T")
_MAC_BYTES = 16


class Paged(Protocol):
    """A request for a page of a list."""

    page_size: int
    page_token: str


class PageTokens:
    """Makes and reads page tokens; a token is good for the route and the arguments that it was made for."""

    def __init__(self, secret: str) -> None:
        # A key of its own: a page token is no use as a download link, nor the other way round.
        self._key = hmac.digest(secret.encode(), b"lace page tokens", "sha256")

    def encode(self, route: str, arguments: Mapping[str, object], cursor: Sequence[Scalar]) -> str:
        """The token of the page after `cursor`.

        `arguments` are JSON values, all that decides what the list holds: the tenant and the filters, not the size
        of the page.
        """
        body = orjson.dumps(list(cursor))
        return _text(self._mac(route, arguments, body) + body)

    def decode(self, route: str, arguments: Mapping[str, object], token: str) -> Cursor | None:
        """The cursor in the token, None for the empty token of a first page.

        Raises LaceError PAGE_TOKEN_INVALID for a token that was altered, or made for another route or arguments.
        """
        if not token:
            return None
        raw = _bytes(token)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(route, arguments, body)):
            raise _invalid()
        return tuple(orjson.loads(body))

    def page(
        self, route: str, arguments: Mapping[str, object], request: Paged, *, default: int = 50, maximum: int = 500
    ) -> Page:
        """The page that is asked for of the list that `route` and `arguments` name.

        Raises LaceError INVALID_ARGUMENT, PAGE_TOKEN_INVALID.
        """
        size = page_size(request.page_size, default=default, maximum=maximum)
        return Page(self, route, arguments, size, self.decode(route, arguments, request.page_token))

    def _mac(self, route: str, arguments: Mapping[str, object], body: bytes) -> bytes:
        framed = hashlib.sha256(canonical_json([route, dict(arguments)])).digest() + body
        return hmac.digest(self._key, framed, "sha256")[:_MAC_BYTES]


class Page:
    """One page of a list on its way: behind which place it begins, and how many entries to ask for."""

    def __init__(
        self, tokens: PageTokens, route: str, arguments: Mapping[str, object], size: int, cursor: Cursor | None
    ) -> None:
        self._tokens = tokens
        self._route = route
        self._arguments = arguments
        self._size = size
        self.cursor = cursor

    @property
    def limit(self) -> int:
        """How many entries to ask for: one more than the page holds tells whether another page follows."""
        return self._size + 1

    @property
    def name(self) -> str:
        """The name that the page begins behind; empty at the start."""
        return str(self.cursor[0]) if self.cursor else ""

    @property
    def number(self) -> int | None:
        """The number that the page begins behind; None at the start."""
        return int(str(self.cursor[0])) if self.cursor else None

    @property
    def moment(self) -> tuple[datetime, str] | None:
        """The time and id that the page begins behind; None at the start."""
        return (datetime.fromisoformat(str(self.cursor[0])), str(self.cursor[1])) if self.cursor else None

    def cut(self, found: Sequence[T], place_of: Callable[[T], Sequence[Scalar | datetime]]) -> tuple[Sequence[T], str]:
        """The entries of the page, and the token of the next; empty at the end."""
        page = found[: self._size]
        if len(found) <= self._size:
            return page, ""
        place = [each.isoformat() if isinstance(each, datetime) else each for each in place_of(page[-1])]
        return page, self._tokens.encode(self._route, self._arguments, place)


def page_size(requested: int, *, default: int, maximum: int) -> int:
    """The size to use as AIP-158 has it: 0 is the default, too large is clamped.

    Raises LaceError INVALID_ARGUMENT for a negative size.
    """
    if requested < 0:
        details = [Detail("/page_size", "may not be negative")]
        raise LaceError(Reason.INVALID_ARGUMENT, "/page_size: may not be negative.", details=details)
    return min(requested or default, maximum)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _invalid() from None
    # Bits that the last character has to spare are no other way to write the same token.
    if _text(raw) != token:
        raise _invalid()
    return raw


def _invalid() -> LaceError:
    details = [Detail("/page_token", "belongs to another request, or was altered")]
    return LaceError(Reason.PAGE_TOKEN_INVALID, "This page token belongs to another request.", details=details)
