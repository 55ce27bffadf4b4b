"""How a source is parted for taking facts out of it: spans in reading order, so many characters at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lace_core.librarian import KINDS, Piece
from lace_ingest.domain.documents import Span, Unit


@dataclass(frozen=True)
class FactBatch:
    """The spans from (`from_order`, `from_span`) to before (`to_order`, `to_span`): places of units, then of spans."""

    from_order: int
    from_span: int
    to_order: int
    to_span: int


def batches_of(units: Iterable[Unit], max_characters: int) -> list[FactBatch]:
    """The parts of units that come in reading order. A span is never parted: a longer one is a part by itself."""
    found: list[FactBatch] = []
    size = 0
    for unit in units:
        for at, span in _spans(unit):
            length = span.end - span.start
            if found and size + length <= max_characters:
                last = found[-1]
                found[-1] = FactBatch(last.from_order, last.from_span, unit.order, at + 1)
                size += length
            else:
                found.append(FactBatch(unit.order, at, unit.order, at + 1))
                size = length
    return found


def pieces_of(units: Sequence[Unit], batch: FactBatch) -> list[Piece]:
    """The units of a part, each with those spans that are in it; units that have none are left out."""
    begin, end = (batch.from_order, batch.from_span), (batch.to_order, batch.to_span)
    found: list[Piece] = []
    for unit in units:
        spans = [span for at, span in _spans(unit) if begin <= (unit.order, at) < end]
        if spans:
            found.append(_piece(unit, spans))
    return found


def _piece(unit: Unit, spans: Sequence[Span]) -> Piece:
    return Piece(
        unit_id=unit.unit_id,
        kind=unit.kind.value,
        heading_path=unit.heading_path,
        page=unit.page,
        caption=unit.table.caption if unit.table else "",
        header=unit.table.header if unit.table else (),
        spans=tuple((span.start, span.end, unit.text[span.start : span.end]) for span in spans),
    )


def _spans(unit: Unit) -> Iterator[tuple[int, Span]]:
    """Sentences, items or rows with their places; nothing of what states nothing. A unit without spans is one."""
    if unit.kind.value not in KINDS:
        return
    for at, span in enumerate(unit.spans or (Span(0, len(unit.text)),)):
        if unit.text[span.start : span.end].strip():
            yield at, span
