"""A page of a list on its way: where it begins, how many entries to ask for, and the token of the page after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from lace_platform.paging import PageTokens, Scalar, page_size

T = TypeVar("T")


class Page:
    """One page of the list that `route` and `arguments` name. Raises INVALID_ARGUMENT, PAGE_TOKEN_INVALID."""

    def __init__(
        self,
        tokens: PageTokens,
        route: str,
        arguments: Mapping[str, object],
        *,
        size: int,
        token: str,
        default: int = 50,
        maximum: int = 500,
    ) -> None:
        self._tokens = tokens
        self._route = route
        self._arguments = arguments
        self._size = page_size(size, default=default, maximum=maximum)
        self.cursor = tokens.decode(route, arguments, token)

    @property
    def limit(self) -> int:
        """How many entries to ask for: one more than the page holds tells whether another page follows."""
        return self._size + 1

    def cut(self, found: Sequence[T], cursor_of: Callable[[T], Sequence[Scalar]]) -> tuple[Sequence[T], str]:
        """The entries of the page, and the token of the next; empty at the end."""
        page = found[: self._size]
        if len(found) <= self._size:
            return page, ""
        return page, self._tokens.encode(self._route, self._arguments, cursor_of(page[-1]))
