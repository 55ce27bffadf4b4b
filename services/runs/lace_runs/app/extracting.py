"""The pipeline facts: each source is parted, a model is asked about each part, and what holds is kept by ingest.

A part that is done has its checkpoint and is not asked about again. The ids of facts are made of what they say and
where, so a part that a crash repeats keeps the same facts once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lace_core import contracts, librarian
from lace_core.errors import LaceError, Reason
from lace_core.librarian import Refusal
from lace_runs.app.documents.work import StepWork, Writers
from lace_runs.app.execution import Execution
from lace_runs.app.gathering import gather
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.domain import steps as out

REFUSED = "FACTS_REFUSED"


class FactsRun(StepWork):
    """Sources whose facts are taken out."""

    def __init__(self, execution: Execution, writers: Writers) -> None:
        super().__init__(execution, writers)
        self._slots = asyncio.Semaphore(int(self.settings["runs.node_parallelism"]))

    async def extract(self) -> None:
        """All sources of the request; raises LaceError SOURCE_NOT_READY where none of them is read."""
        source_ids = list(dict.fromkeys(self.run.request.source_ids))
        before = len(self.execution.checkpoints)
        self.execution.set_total(max(before, 2 * len(source_ids)))
        surveyed: list[out.Surveyed] = await gather([self._survey(source_id) for source_id in source_ids])
        if not any(each.ok for each in surveyed):
            raise LaceError(Reason.SOURCE_NOT_READY, "None of the sources is read yet; ingest them first.")
        asks = "facts" in self.execution.pipeline.names
        parts = [(each, place) for each in surveyed for place in range(len(each.parts)) if asks]
        others = sum(not step_id.startswith(("survey:", "facts:")) for step_id in self.execution.checkpoints)
        self.execution.set_total(others + len(surveyed) + len(parts))
        kept: list[out.FactsKept] = await gather([self._part(each, place) for each, place in parts])
        finish = self.execution.finish

        async def result() -> Mapping[str, Any]:
            earlier = dict(await finish()) if finish else {}
            return {**earlier, "facts": _counts(kept)}

        self.execution.finish = result

    async def _survey(self, source_id: str) -> out.Surveyed:
        async def work(scope: StepScope) -> out.Surveyed:
            return await self._plan(scope, source_id)

        found = await self.execution.step("survey", work, Target(source_id, ""))
        assert isinstance(found, out.Surveyed)
        return found

    async def _plan(self, scope: StepScope, source_id: str) -> out.Surveyed:
        try:
            plan = await self._writers.facts.plan(source_id, int(self.settings["facts.part_characters"]))
        except LaceError as error:
            if error.reason is not Reason.SOURCE_NOT_READY:
                raise
            await self.execution.warn(scope, error.reason.value, error.message, source_id)
            scope.summary = error.reason.value
            return out.Surveyed(source_id=source_id, ok=False)
        scope.lineage.read([plan.source])
        scope.summary = f"{plan.source.filename}: {len(plan.parts)} parts"
        return out.Surveyed(
            source_id=source_id,
            ok=True,
            source=plan.source,
            extraction=plan.extraction,
            language=plan.language,
            parts=plan.parts,
        )

    async def _part(self, surveyed: out.Surveyed, place: int) -> out.FactsKept:
        async def work(scope: StepScope) -> out.FactsKept:
            return await self._facts(scope, surveyed, place)

        async with self._slots:
            found = await self.execution.step("facts", work, Target(f"{surveyed.source_id}/{place + 1}", ""))
        assert isinstance(found, out.FactsKept)
        return found

    async def _facts(self, scope: StepScope, surveyed: out.Surveyed, place: int) -> out.FactsKept:
        """Ask about one part and have what holds kept; what does not is counted and told, by its reason."""
        self.execution.result(f"survey:{surveyed.source_id}", out.Surveyed, scope)
        source = surveyed.source
        assert source is not None
        scope.lineage.rests_on([source])
        pieces = await self._writers.facts.read(source.source_id, surveyed.extraction, surveyed.parts[place])
        most = int(self.settings["facts.per_part"])
        question = librarian.question(source.filename, source.title, surveyed.language, pieces, most)
        answer = await self._ask(scope, contracts.EXTRACT_FACTS, question.asked, contracts.ExtractedFacts)
        stated, refused = librarian.located(question, answer)
        kept = await self._writers.facts.keep(source.source_id, scope.step_id, scope.lineage.calls[-1], stated)
        refused.extend(kept.refused)
        await self._tell(scope, source.filename, place, refused, len(answer.facts))
        scope.lineage.evals.update({"facts_kept": kept.added + kept.known, "facts_refused": len(refused)})
        scope.summary = f"{kept.added} new facts, {kept.known} known, {len(refused)} refused"
        counts = Counter(each.code for each in refused)
        return out.FactsKept(
            added=kept.added, known=kept.known, review=kept.review, refused=dict(sorted(counts.items()))
        )

    async def _tell(self, scope: StepScope, filename: str, place: int, refused: Sequence[Refusal], given: int) -> None:
        if not refused:
            return
        counts = Counter(each.code for each in refused)
        why = ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))
        message = f"{filename}, part {place + 1}: {len(refused)} of {given} facts were refused: {why}."
        await self.execution.warn(scope, REFUSED, message, scope.step_id)


def _counts(kept: Sequence[out.FactsKept]) -> dict[str, int]:
    return {
        "added": sum(each.added for each in kept),
        "known": sum(each.known for each in kept),
        "review": sum(each.review for each in kept),
        "refused": sum(sum(each.refused.values()) for each in kept),
    }
