"""The whole text of a document, in which each unit has its place: headings where they change, then the units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lace_ingest.domain.documents import Unit

SEPARATOR = "\n\n"


def whole_text(units: Iterable[Unit]) -> str:
    """All headings and units in reading order, an empty line between any two.

    A heading stands before the first unit below it, and again where the document comes back to it.
    """
    return SEPARATOR.join(text for text, _ in _parts(units))


def placed(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """The units with their places in the whole text: whole_text(units)[unit.start : unit.end] == unit.text."""
    result: list[Unit] = []
    at = 0
    for text, unit in _parts(units):
        if unit is not None:
            result.append(replace(unit, start=at, end=at + len(text)))
        at += len(text) + len(SEPARATOR)
    return tuple(result)


def _parts(units: Iterable[Unit]) -> Iterator[tuple[str, Unit | None]]:
    above: tuple[str, ...] = ()
    for unit in units:
        yield from ((heading, None) for heading in unit.heading_path[_shared(above, unit.heading_path) :])
        yield unit.text, unit
        above = unit.heading_path


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    return next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
