"""Holding written sentences against their quotes, whatever asked for them: rules first, then a judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from lace_core import contracts, writing
from lace_core.grounding import Verdict
from lace_core.planning import Grounds
from lace_runs.app.documents.telling import tell_findings
from lace_runs.app.documents.work import StepWork
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out


class Verifying(StepWork):
    """What every step verify does."""

    async def judged(
        self, scope: StepScope, node: out.PlannedNode, written: contracts.Written, known: Mapping[str, Grounds]
    ) -> list[writing.SentenceVerdict]:
        """The verdict on every sentence in order; what does not stand is told."""
        verdicts = await asyncio.to_thread(writing.check, written, known, node.node_id)
        verdicts = await self.lowered(scope, verdicts, known)
        counts = {v.word: sum(own.verdict == v.word for own in verdicts) for v in Verdict}
        findings = [
            {
                "code": f"SENTENCE_{v.verdict.upper()}",
                "severity": "warning",
                "pointer": f"/nodes/{node.node_id}/sentences/{v.sentence_id}",
                "message": f"Kept out: {v.text} ({v.reasons[-1]})",
            }
            for v in verdicts
            if not v.stands
        ]
        payload = {"stage": "proposal", "node_id": node.node_id, **counts}
        await tell_findings(self.execution, scope, payload, findings)
        if findings:
            await self.execution.warn(
                scope,
                "SENTENCES_KEPT_OUT",
                f"{len(findings)} unsupported sentences were kept out of {node.title}.",
                node.node_id,
            )
        scope.lineage.validation = "passed"
        scope.lineage.evals = dict(counts)
        if verdicts:
            scope.lineage.confidence = f"{counts['supported'] / len(verdicts):.3f}"
        scope.summary = f"{counts['supported']} of {len(verdicts)} sentences supported"
        return verdicts

    async def lowered(
        self, scope: StepScope, verdicts: list[writing.SentenceVerdict], known: Mapping[str, Grounds]
    ) -> list[writing.SentenceVerdict]:
        """The verdicts after the judge, where one is to look."""
        asked = writing.judge_input(verdicts, known)
        if not self.settings["runs.judge"] or not asked.sentences:
            return verdicts
        self.execution.progress(scope, 1, 2, f"{len(verdicts)} sentences checked; the judge is asked.")
        return writing.lower(verdicts, await self._ask(scope, contracts.JUDGE, asked, contracts.Judgement))
