"""What holds for every document that was read, whatever bytes it was read from."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

from lace_core.canonical import sha256_hex
from lace_ingest.domain.documents import ExtractedDocument, Unit

_WHITE_IN_TEXT = "\n\t"


def check_document(document: ExtractedDocument) -> None:
    """Raises AssertionError where a rule is broken."""
    units = document.units
    assert units, "a document without units is refused, not given"
    assert [unit.order for unit in units] == list(range(len(units)))
    ids = {unit.unit_id for unit in units}
    assert len(ids) == len(units)
    assert 0 <= document.extractability <= 1000
    assert document.word_count >= 0
    for text in _texts(document):
        _check_text(text)
    for before, after in pairwise(units):
        assert before.end <= after.start, "units stand in the document's text one behind the other"
    for unit in units:
        _check_unit(unit, document.page_count)
        assert {*unit.notes, *unit.referred_from} <= ids


def _texts(document: ExtractedDocument) -> Iterator[str]:
    """Every string that goes to the database or to a person."""
    yield document.title
    yield from (part for pair in document.metadata.items() for part in pair)
    yield from (warning.message for warning in document.warnings)
    for unit in document.units:
        yield from (unit.text, *unit.heading_path, unit.language, unit.note_mark)
        if unit.table:
            yield from (unit.table.caption, *unit.table.header)
            yield from (cell for row in unit.table.rows for cell in row)


def _check_text(text: str) -> None:
    text.encode()  # no lone surrogates
    wrong = [char for char in text if unicodedata.category(char) == "Cc" and char not in _WHITE_IN_TEXT]
    assert not wrong, f"control characters in {text[:80]!r}"


def _check_unit(unit: Unit, page_count: int) -> None:
    assert unit.text.strip()
    assert unit.text_hash == sha256_hex(unit.text.encode())
    assert unit.spans
    assert unit.spans[0].start >= 0
    assert unit.spans[-1].end <= len(unit.text)
    assert all(span.start < span.end for span in unit.spans)
    assert all(before.end <= after.start for before, after in pairwise(unit.spans))
    assert all(unit.text[span.start : span.end].strip() for span in unit.spans)
    assert 0 <= unit.page <= page_count
    assert unit.end - unit.start == len(unit.text)
    if unit.table:
        assert len(unit.table.rows) == len(unit.spans)
        assert {len(row) for row in unit.table.rows} == {len(unit.table.header)}
    assert all(map(_is_place, _numbers(unit)))


def _numbers(unit: Unit) -> Iterable[tuple[int, float, float, float, float]]:
    return ((box.page, box.x0, box.y0, box.x1, box.y1) for box in unit.boxes)


def _is_place(box: tuple[int, float, float, float, float]) -> bool:
    page, x0, y0, x1, y1 = box
    return page >= 1 and all(map(math.isfinite, (x0, y0, x1, y1))) and x0 <= x1 and y0 <= y1
