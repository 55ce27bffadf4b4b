"""Where two sides disagree: conflicts as values, and the choices that settle them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import msgspec

from lace_core.canonical import canonical_json
from lace_core.ids import derive

T = TypeVar("T")

Kind = Literal["field", "content", "removal", "place", "cycle", "source", "root"]
Subject = Literal["document", "source", "node", "block", "sentence"]
Choice = Literal["ours", "theirs", "value"]


class Missing(msgspec.Struct, frozen=True):
    """Stands for what is not there: equal to nothing that is."""


MISSING = Missing()


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One thing that both sides changed, each in its way. `base`, `ours` and `theirs` are JSON values.

    kind: field (of a document or node), content (of a block or sentence), removal (one side took away what the other
    changed), place (both moved it), cycle (each side's moves are fine, both together are a circle), source, root.
    None is what a side does not have. `takes_value` says whether another value than the two may settle it.
    """

    kind: Kind
    subject: Subject
    subject_id: str
    node_id: str = ""
    block_id: str = ""
    field: str = ""
    base: Any = None
    ours: Any = None
    theirs: Any = None
    takes_value: bool = False

    @property
    def conflict_id(self) -> str:
        """Made of what is in conflict and of all three values: a choice made for other values does not fit."""
        values = canonical_json([self.base, self.ours, self.theirs]).decode()
        return derive("cfl", self.kind, self.subject_id, self.field, values)


@dataclass(frozen=True)
class Resolution:
    """What is to be taken: one side's, or `value`, a JSON value."""

    choice: Choice
    value: Any = None


class ResolutionError(ValueError):
    """A resolution that does not fit its conflict."""

    def __init__(self, conflict_id: str, message: str) -> None:
        super().__init__(message)
        self.conflict_id = conflict_id


class Decisions:
    """Settles conflicts by the resolutions that are given, and collects those for which there is none."""

    def __init__(self, resolutions: Mapping[str, Resolution]) -> None:
        self._resolutions = resolutions
        self._met: set[str] = set()
        self.open: list[Conflict] = []

    def decide(self, conflict: Conflict, ours: T, theirs: T, of_value: Callable[[Any], T] | None = None) -> T:
        """The side that was chosen, or what `of_value` makes of the value; ours while nothing was chosen.

        Raises ResolutionError.
        """
        ident = conflict.conflict_id
        self._met.add(ident)
        resolution = self._resolutions.get(ident)
        if resolution is None:
            self.open.append(conflict)
            return ours
        if resolution.choice != "value":
            return ours if resolution.choice == "ours" else theirs
        if of_value is None:
            raise ResolutionError(ident, "This conflict is settled by ours or theirs, not by a value.")
        try:
            return of_value(_nfc(resolution.value))
        except (ValueError, TypeError) as error:
            raise ResolutionError(ident, f"The value does not fit: {error}") from None

    def settle(
        self, base: T | Missing, ours: T, theirs: T, conflict: Callable[[], Conflict], of_value: Callable[[Any], T]
    ) -> T:
        """Three ways of one value: what one side alone changed is taken, what both changed alike as well."""
        if theirs in (ours, base):
            return ours
        if ours == base:
            return theirs
        return self.decide(conflict(), ours, theirs, of_value)

    def check_all_met(self) -> None:
        """Raises ResolutionError for a resolution of a conflict that there is not."""
        for ident in self._resolutions.keys() - self._met:
            raise ResolutionError(ident, "There is no such conflict; one of the sides has changed. Merge again.")


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """A type's fields; finding their types anew each time would take most of a merge."""
    return msgspec.structs.fields(kind)


def plain(value: Any) -> Any:
    """A value of the IR as JSON; None for what is missing."""
    return None if isinstance(value, Missing) else msgspec.to_builtins(value)


def _nfc(value: Any) -> Any:
    """Text is normalised where it enters a document."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _nfc(item) for key, item in value.items()}
    return [_nfc(item) for item in value] if isinstance(value, list) else value
