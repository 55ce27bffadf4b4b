"""The built-in verifier: little text at once, more in child processes within limits, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lace_core.errors import LaceError, Reason
from lace_core.evaluation.citations import CitationReport
from lace_core.evaluation.pairs import Pair
from lace_core.evaluation.reports import Scored
from lace_core.ir import Artifact
from lace_platform.children import ChildFailed, ChildLimits, run_in_child
from lace_platform.telemetry import get_logger
from lace_runs.adapters.scoring import scoring_child
from lace_runs.adapters.scoring.scoring_child import Answer, Order

_TARGET = f"{scoring_child.__name__}:{scoring_child.run.__name__}"
_MEMORY_BYTES = 1024 << 20
_OUTPUT_BYTES = 64 << 20
# What takes less than about 10 ms of CPU: a child costs a quarter of a second to start.
_FEW_PAIRS = 8
_LITTLE_TEXT = 1500
_log = get_logger()


class ChildScorer:
    """See app.evaluations.ports.Scorer."""

    def __init__(self, timeout_s: float, concurrency: int) -> None:
        self._limits = ChildLimits(timeout_s, int(timeout_s) or 1, _MEMORY_BYTES, _OUTPUT_BYTES)
        self._slots = asyncio.Semaphore(concurrency)

    async def score(self, pairs: Sequence[Pair]) -> Sequence[Scored]:
        """A verdict on each pair."""
        order = Order(pairs=tuple(pairs))
        return (scoring_child.look(order) if _is_small(pairs) else await self._in_child(order)).scored

    async def measure(self, document: Artifact) -> CitationReport:
        """How well a document's citations carry it."""
        found = (await self._in_child(Order(document=document))).citations
        assert found is not None
        return found

    async def _in_child(self, order: Order) -> Answer:
        async with self._slots:
            try:
                argument = await asyncio.to_thread(scoring_child.pack, order)
                answer = await run_in_child(_TARGET, argument, limits=self._limits)
                return await asyncio.to_thread(scoring_child.decode, answer)
            except ChildFailed as failure:
                _log.warning("evaluation_failed", kind=failure.kind, detail=failure.detail)
                raise self._refusal(failure) from failure

    def _refusal(self, failure: ChildFailed) -> Exception:
        beyond = {
            "timeout": f"This takes longer to verify than {self._limits.wall_s:g} s.",
            "memory": f"This needs more memory to verify than {_MEMORY_BYTES >> 20} MiB.",
            "output": "There is more to tell of this than can be told at once.",
        }
        if failure.kind in beyond:
            return LaceError(Reason.EVALUATION_LIMIT_EXCEEDED, beyond[failure.kind])
        return failure


def _is_small(pairs: Sequence[Pair]) -> bool:
    """Whether verifying takes less time than the event loop may be kept waiting."""
    texts = (len(pair.sentence) + sum(len(piece.quote) for piece in pair.evidence) for pair in pairs)
    return len(pairs) <= _FEW_PAIRS and sum(texts) <= _LITTLE_TEXT
