"""Compares two versions, in a child process where it takes long: its entry, and what travels to it and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from lace_ingest.domain.diffs.documents import Passage, around_changes, diff_documents, paragraphs_of
from lace_ingest.domain.diffs.impact import Newer, Place, Quoted
from lace_ingest.domain.diffs.units import UnitChange, diff_units
from lace_ingest.domain.documents import Unit


class What(StrEnum):
    """What is asked of two versions."""

    DOCUMENTS = "documents"
    UNITS = "units"
    PLACES = "places"


@dataclass(frozen=True)
class Order:
    """What to compare: the units and titles of both versions, how many paragraphs around changes, which quotes."""

    what: What
    before: Sequence[Unit]
    after: Sequence[Unit]
    context: int = 0
    titles: tuple[str, str] = ("", "")
    quotes: Sequence[Quoted] = ()


@dataclass(frozen=True)
class Answer:
    """What was asked for; the rest is empty."""

    passages: Sequence[Passage] = ()
    changes: Sequence[UnitChange] = ()
    places: Sequence[Place] = ()


def compare(order: Order) -> Answer:
    """The answer. Raises DIFF_LIMIT_EXCEEDED."""
    if order.what is What.DOCUMENTS:
        before, after = order.titles
        passages = diff_documents(paragraphs_of(order.before, before), paragraphs_of(order.after, after))
        return Answer(passages=around_changes(passages, order.context))
    changes = diff_units(order.before, order.after)
    if order.what is What.UNITS:
        return Answer(changes=changes)
    newer = Newer(changes, order.before, order.after)
    return Answer(places=[newer.place(quote) for quote in order.quotes])


def run(argument: bytes) -> bytes:
    """JSON of the Answer to the JSON of an Order; the entry of the child process. Raises DIFF_LIMIT_EXCEEDED."""
    return msgspec.json.encode(compare(msgspec.json.decode(argument, type=Order)))


def pack(order: Order) -> bytes:
    """The argument of `run`."""
    return msgspec.json.encode(order)


def decode(answer: bytes) -> Answer:
    """The answer out of what `run` gave. Raises ValueError for what it cannot have given."""
    return msgspec.json.decode(answer, type=Answer)
