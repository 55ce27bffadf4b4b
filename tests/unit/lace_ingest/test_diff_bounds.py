"""However two versions are made, comparing them takes time and memory in proportion to their length."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.diffs.changes import after_of
from lace_ingest.domain.diffs.documents import Paragraph, apply, diff_documents
from lace_ingest.domain.diffs.tokens import Vocabulary, words_between
from lace_ingest.domain.diffs.units import diff_units
from tests.doubles.versions import report, unit

pytestmark = pytest.mark.slow

SIZE = 20_000
MOST_S = 40.0  # ten times and more what it takes on an idle core; what grew with the square would take hours
MOST_BYTES = 600 << 20


@contextmanager
def bounded() -> Iterator[None]:
    """What happens in the block takes no more processor time and memory than that."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began < MOST_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES


def _of_values(values: str, count: int, seed: int) -> list[str]:
    return random.Random(seed).choices(values, k=count)


PARAGRAPHS: dict[str, Callable[[int], list[str]]] = {
    "none the same": lambda seed: report(SIZE, seed=seed, words=8),
    "of four values": lambda seed: _of_values("abcd", SIZE, seed),
    "all the same": lambda seed: ["the same"] * (SIZE + seed),
    "all empty": lambda seed: [""] * (SIZE - seed),
}


@pytest.mark.parametrize("kind", PARAGRAPHS)
def test_many_paragraphs(kind: str) -> None:
    before, after = ([Paragraph("p", text) for text in PARAGRAPHS[kind](seed)] for seed in (1, 2))
    with bounded():
        passages = diff_documents(before, after)
    assert apply(before, passages) == [(one.kind, one.text) for one in after]


@pytest.mark.parametrize("kind", PARAGRAPHS)
def test_many_units_below_one_heading(kind: str) -> None:
    before, after = ([unit(t, at, "H", side=str(s)) for at, t in enumerate(PARAGRAPHS[kind](s))] for s in (1, 2))
    with bounded():
        changes = diff_units(before, after)
    assert sum(bool(change.before_id) for change in changes) == len(before)
    assert sum(bool(change.after_id) for change in changes) == len(after)


@pytest.mark.parametrize("values", ["ab", "abcdefghijklmnopqrstuvwxyz"])
def test_one_paragraph_of_a_megabyte(values: str) -> None:
    before, after = (" ".join(_of_values(values, 300_000, seed)) for seed in (1, 2))
    with bounded():
        words = words_between(before, after)
    assert after_of(words) == after


def test_more_different_words_than_can_be_told_apart_are_refused() -> None:
    words = Vocabulary()
    words.encode(" ".join(map(str, range(0x10FFFF))))
    words.encode("last")
    with pytest.raises(LaceError) as refused:
        words.encode("one more")
    assert refused.value.reason is Reason.DIFF_LIMIT_EXCEEDED
