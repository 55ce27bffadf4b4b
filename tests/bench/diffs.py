"""What it takes to compare two versions of a source, by size, as the service does it; beside it Python's difflib."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from lace_ingest.adapters.diffs.child_differ import ChildDiffer
from lace_ingest.domain.diffs.documents import paragraphs_of
from lace_ingest.domain.diffs.impact import Quoted
from lace_ingest.domain.documents import Unit
from tests.bench.figures import Figure
from tests.doubles.versions import edited, report, unit

SIZES = (100, 1_000, 10_000)
_QUOTES = 100
_LONGEST_S = 120.0

Work = Callable[[], Awaitable[object]]


def measure(rounds: int, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Seconds for the text, the units and a hundred quotes of two versions, one in ten paragraphs changed or all."""
    return asyncio.run(_measure(rounds, sizes))


async def _measure(rounds: int, sizes: Sequence[int]) -> list[Figure]:
    differ = ChildDiffer(_LONGEST_S, 1)
    figures = []
    for size in sizes:
        texts = report(size, seed=1)
        before, after = _units(texts, "a"), _units(edited(texts, seed=2), "b")
        other = _units(report(size, seed=3), "b")
        quotes = [Quoted(one.unit_id, 0, one.text) for one in before[:: max(size // _QUOTES, 1)]]
        works: dict[str, Work] = {
            "text": partial(differ.documents, before, after, ("", ""), 1),
            "units": partial(differ.units, before, after),
            f"units and {len(quotes)} quotes": partial(differ.places, before, after, quotes),
            "text, nothing the same": partial(differ.documents, before, other, ("", ""), 1),
            "units, nothing the same": partial(differ.units, before, other),
            "text by difflib, paragraphs alone": partial(_by_difflib, before, after),
        }
        for name, work in works.items():
            seconds = [await _timed(work) for _ in range(rounds)]
            figures.append(Figure(f"{size:,} units, {sum(map(len, texts)) / 1e6:.2g} MB: {name}", "s", seconds, 3))
    return figures


async def _by_difflib(before: Sequence[Unit], after: Sequence[Unit]) -> object:
    """Which paragraphs are equal, in this process; no words within them, no pairs of changed ones."""
    old, new = ([paragraph.text for paragraph in paragraphs_of(units)] for units in (before, after))
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


async def _timed(work: Work) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


def _units(texts: Sequence[str], side: str) -> list[Unit]:
    return [unit(text, place, f"Section {place // 20}", side=side) for place, text in enumerate(texts)]
