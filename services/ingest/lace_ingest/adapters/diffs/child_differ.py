"""Compares versions: small ones at once, larger ones in child processes within limits, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.diffs import diff_child
from lace_ingest.adapters.diffs.diff_child import Answer, Order, What
from lace_ingest.domain.diffs.documents import Passage
from lace_ingest.domain.diffs.impact import Place, Quoted
from lace_ingest.domain.diffs.units import UnitChange
from lace_ingest.domain.documents import Unit
from lace_platform.children import ChildFailed, ChildLimits, run_in_child
from lace_platform.telemetry import get_logger

_TARGET = f"{diff_child.__name__}:{diff_child.run.__name__}"
_MEMORY_BYTES = 1536 << 20
_OUTPUT_BYTES = 256 << 20
# What takes less than about 10 ms of CPU (docs/adr/0047): a child costs a quarter of a second to start.
_FEW_UNITS = 300
_LITTLE_TEXT = 10_000
_FEW_QUOTES = 20
_SHORT = 50_000
_log = get_logger()


class ChildDiffer:
    """See app.diffs.ports.Differ."""

    def __init__(self, timeout_s: float, concurrency: int) -> None:
        self._limits = ChildLimits(timeout_s, int(timeout_s) or 1, _MEMORY_BYTES, _OUTPUT_BYTES, is_confined=True)
        self._slots = asyncio.Semaphore(concurrency)

    async def documents(
        self, before: Sequence[Unit], after: Sequence[Unit], titles: tuple[str, str], context: int
    ) -> Sequence[Passage]:
        """The paragraphs that differ."""
        return (await self._compare(Order(What.DOCUMENTS, before, after, context, titles))).passages

    async def units(self, before: Sequence[Unit], after: Sequence[Unit]) -> Sequence[UnitChange]:
        """What became of the units."""
        return (await self._compare(Order(What.UNITS, before, after))).changes

    async def places(self, before: Sequence[Unit], after: Sequence[Unit], quotes: Sequence[Quoted]) -> Sequence[Place]:
        """How each quote stands."""
        return (await self._compare(Order(What.PLACES, before, after, quotes=quotes))).places

    async def _compare(self, order: Order) -> Answer:
        if _is_small(order):
            return diff_child.compare(order)
        async with self._slots:
            try:
                argument = await asyncio.to_thread(diff_child.pack, order)
                answer = await run_in_child(_TARGET, argument, limits=self._limits)
                return await asyncio.to_thread(diff_child.decode, answer)
            except ChildFailed as failure:
                _log.warning("diff_failed", kind=failure.kind, detail=failure.detail)
                raise self._refusal(failure) from failure

    def _refusal(self, failure: ChildFailed) -> Exception:
        beyond = {
            "timeout": f"These two take longer to compare than {self._limits.wall_s:g} s.",
            "memory": f"These two need more memory to compare than {_MEMORY_BYTES >> 20} MiB.",
            "output": "These two differ in more than can be told at once.",
        }
        if failure.kind in beyond:
            return LaceError(Reason.DIFF_LIMIT_EXCEEDED, beyond[failure.kind])
        return failure


def _is_small(order: Order) -> bool:
    """Whether comparing takes less time than the event loop may be kept waiting."""
    if len(order.before) + len(order.after) > _FEW_UNITS or len(order.quotes) > _FEW_QUOTES:
        return False
    # Quotes are looked for in all of the later text, other answers depend on what differs alone.
    if order.what is What.PLACES and sum(len(unit.text) for unit in order.after) > _SHORT:
        return False
    known = {unit.text_hash for unit in order.before}, {unit.text_hash for unit in order.after}
    differ = known[0] ^ known[1]
    return sum(len(unit.text) for unit in (*order.before, *order.after) if unit.text_hash in differ) <= _LITTLE_TEXT
