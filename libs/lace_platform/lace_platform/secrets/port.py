"""What a process asks for its keys, and a key that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn, Protocol

_SHOWN = "[secret]"


class Secret:
    """A text that must be asked for by name: what prints, formats or logs it gets a mark in its place.

    It cannot be pickled or copied into JSON by accident; equality takes the same time whatever differs.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, _: str) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


class Secrets(Protocol):
    """Where a process gets its keys; names are those of environment variables (OPENAI_API_KEY)."""

    def get(self, name: str) -> Secret | None:
        """The secret as it is now; None where there is none, or an empty one."""
        ...

    def names(self) -> frozenset[str]:
        """What there is."""
        ...

    def version(self) -> int:
        """A number that grows when something changed: who made something of a secret makes it again then."""
        ...
