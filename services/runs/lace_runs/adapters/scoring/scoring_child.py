"""Verifies pairs and documents, in a child process where it takes long: its entry, and what travels to it and back."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from lace_core.evaluation.citations import CitationReport, measure
from lace_core.evaluation.pairs import Pair
from lace_core.evaluation.reports import Scored, score
from lace_core.ir import Artifact


class Order(Struct, frozen=True):
    """What to look at: pairs, or a document."""

    pairs: tuple[Pair, ...] = ()
    document: Artifact | None = None


class Answer(Struct, frozen=True):
    """A verdict on each pair, in order; or how well the document's citations carry it."""

    scored: tuple[Scored, ...] = ()
    citations: CitationReport | None = None


def look(order: Order) -> Answer:
    """The answer."""
    if order.document is not None:
        return Answer(citations=measure(order.document))
    return Answer(scored=tuple(score(order.pairs)))


def run(argument: bytes) -> bytes:
    """JSON of the Answer to the JSON of an Order; the entry of the child process."""
    return msgspec.json.encode(look(msgspec.json.decode(argument, type=Order)))


def pack(order: Order) -> bytes:
    """The argument of `run`."""
    return msgspec.json.encode(order)


def decode(answer: bytes) -> Answer:
    """The answer out of what `run` gave. Raises ValueError for what it cannot have given."""
    return msgspec.json.decode(answer, type=Answer)
