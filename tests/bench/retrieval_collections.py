"""Collections of texts with questions and the excerpts that answer them, as units that LACE makes of the texts.

A unit answers a question where it overlaps one of its excerpts, as the collection's authors judge chunks. Units are
found again in the text by their letters and digits, since markup and white space are not the same in both.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits

_ANCHOR = 24
_STEPS = range(0, 400, 8)


@dataclass(frozen=True)
class Question:
    """What is asked about a text, and the ids of the units that answer it."""

    text: str
    collection: str
    answers: frozenset[str]


@dataclass(frozen=True)
class Library:
    """The texts by name, as read, and the questions about all of them."""

    documents: dict[str, ExtractedDocument]
    questions: tuple[Question, ...]


def read_library(folder: Path) -> Library:
    """The five collections of `chunkeval`. Raises ValueError where a question is left without an answer."""
    documents: dict[str, ExtractedDocument] = {}
    places: dict[str, list[tuple[int, int]]] = {}
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        order = Order(path.name, SourceFormat.MD, ExtractionLimits())
        documents[path.stem] = read_document(order, text.encode())
        places[path.stem] = list(_places(text, [unit.text for unit in documents[path.stem].units]))
    questions: list[Question] = []
    with (folder / "questions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["corpus_id"]
            excerpts = [(one["start_index"], one["end_index"]) for one in json.loads(row["references"])]
            found = frozenset(
                unit.unit_id
                for unit, (start, end) in zip(documents[name].units, places[name], strict=True)
                if any(start < last and first < end for first, last in excerpts)
            )
            if not found:
                raise ValueError(f"no unit holds an answer to {row['question']!r}")
            questions.append(Question(row["question"], name, found))
    return Library(documents, tuple(questions))


def ndcg(ranked: Sequence[str], answers: Collection[str], depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002) with answers all alike."""
    gained = math.fsum(1 / math.log2(at + 2) for at, one in enumerate(ranked[:depth]) if one in answers)
    return gained / math.fsum(1 / math.log2(at + 2) for at in range(min(depth, len(answers))))


def recall(ranked: Sequence[str], answers: Collection[str], depth: int = 20) -> float:
    """The share of the answers that are among the first."""
    return len(set(ranked[:depth]) & set(answers)) / len(answers)


def _places(text: str, units: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each unit stands in the text, in characters; units come in the order of the text."""
    plain, origin = _letters(text)
    cursor = 0
    for unit in units:
        own, _ = _letters(unit)
        start = plain.find(own, cursor)
        end = start + len(own)
        if start < 0:  # reading dropped something within it, such as markup that is spelt with letters
            start = _first(plain, (own[at : at + _ANCHOR] for at in _STEPS), cursor)
            end = _ANCHOR + _first(plain, (own[-at - _ANCHOR : len(own) - at] for at in _STEPS), start)
        if start < 0 or end <= start:
            raise ValueError(f"the text does not hold the unit {unit[:60]!r}")
        cursor = start
        yield origin[start], origin[end - 1] + 1


def _first(plain: str, anchors: Iterator[str], cursor: int) -> int:
    for anchor in anchors:
        if len(anchor) == _ANCHOR and (found := plain.find(anchor, cursor)) >= 0:
            return found
    return -1


def _letters(text: str) -> tuple[str, list[int]]:
    """Its letters and digits in one case, and the place of each in the text."""
    kept = [(char, at) for at, whole in enumerate(text) for char in whole.lower() if char.isalnum()]
    return "".join(char for char, _ in kept), [at for _, at in kept]
