"""Holding written sentences against their quotes, whatever asked for them: rules first, then a judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from lace_core import contracts, judging, writing
from lace_core.actions import Action
from lace_core.errors import LaceError, Reason
from lace_core.planning import Grounds
from lace_core.policies.keeping_out import allowed_actions, allowed_blocks, ruled_out, was_ruled_out
from lace_core.verification.grounding import Verdict
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
        verdicts = ruled_out(await self.lowered(scope, verdicts, known), await self._rules_for(node))
        counts = {v.word: sum(own.verdict == v.word for own in verdicts) for v in Verdict}
        findings = [
            {
                "code": "PHRASE_FORBIDDEN" if was_ruled_out(v) else f"SENTENCE_{v.verdict.upper()}",
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
                _kept_out(verdicts, node.title),
                node.node_id,
            )
        scope.lineage.validation = "passed"
        scope.lineage.evals = dict(counts)
        if verdicts:
            scope.lineage.confidence = f"{counts['supported'] / len(verdicts):.3f}"
        scope.summary = f"{counts['supported']} of {len(verdicts)} sentences supported"
        return verdicts

    async def _allowed(
        self, scope: StepScope, node: out.PlannedNode, written: contracts.Written, known: Mapping[str, Grounds]
    ) -> contracts.Written:
        """What was written without blocks that would be taken over with a forbidden phrase in them; these are told."""
        kept, phrases = allowed_blocks(written.blocks, known, await self._rules_for(node))
        await self._tell_blocks(scope, node, phrases)
        return msgspec.structs.replace(written, blocks=kept) if phrases else written

    async def _tell_blocks(self, scope: StepScope, node: out.PlannedNode, phrases: Sequence[str]) -> None:
        if phrases:
            named = ", ".join(sorted({repr(phrase) for phrase in phrases}))
            message = f"{len(phrases)} blocks were kept out of {node.title}: they hold {named}."
            await self.execution.warn(scope, "BLOCKS_KEPT_OUT", message, node.node_id)

    async def _held(self, scope: StepScope, node: out.PlannedNode, actions: Sequence[Action]) -> list[Action]:
        """The actions without blocks that have less evidence than the section asks for; these are told."""
        rules = await self._rules_for(node)
        kept, lost = allowed_actions(actions, rules)
        if lost:
            message = (
                f"{lost} blocks were kept out of {node.title}: they have less evidence than the "
                f"{rules.min_citations_per_block} pieces that are asked for."
            )
            await self.execution.warn(scope, "BLOCKS_KEPT_OUT", message, node.node_id)
        return kept

    async def lowered(
        self, scope: StepScope, verdicts: list[writing.SentenceVerdict], known: Mapping[str, Grounds]
    ) -> list[writing.SentenceVerdict]:
        """The verdicts after the judge, where one is to look; one that gives no answer to be used has abstained."""
        wanted = judging.judge_input(verdicts, known)
        if not self.settings["runs.judge"] or not wanted.sentences:
            return verdicts
        self.execution.progress(scope, 1, 2, f"{len(verdicts)} sentences checked; the judge is asked.")
        for told in await self.judgings(scope, wanted):
            verdicts = told.lowering(verdicts)
        return verdicts

    async def judgings(self, scope: StepScope, wanted: contracts.JudgeInput) -> list[judging.Judging]:
        """Question after question, what the judge says to each, with the call in which it said so."""
        found = []
        for asked in judging.questions(wanted):
            calls = len(scope.lineage.calls)
            judgement = await self.judgement(scope, asked)
            call_id = str(scope.lineage.calls[-1]["call_id"]) if len(scope.lineage.calls) > calls else ""
            abstention = self.settings["runs.abstentions"]
            found.append(judging.Judging(asked=asked, judgement=judgement, call_id=call_id, abstention=abstention))
        return found

    async def judgement(self, scope: StepScope, asked: contracts.JudgeInput) -> contracts.Judgement | None:
        """What the judge says; None where its answer cannot be used, which is told."""
        try:
            return await self._ask(scope, contracts.JUDGE, asked, contracts.Judgement)
        except LaceError as error:
            if error.reason not in _SILENT:
                raise
            message = f"The judge gave no verdict on {len(asked.sentences)} sentences: {error.message}"
            await self.execution.warn(scope, "JUDGE_ABSTAINED", message)
            return None


# What a judge's answer cannot be used for; an outage or a spent budget is the run's matter and is raised.
_SILENT = frozenset((Reason.PROVIDER_OUTPUT_INVALID, Reason.PROVIDER_OUTPUT_TRUNCATED, Reason.PROVIDER_REFUSED))


def _kept_out(verdicts: Sequence[writing.SentenceVerdict], title: str) -> str:
    ruled = sum(was_ruled_out(verdict) for verdict in verdicts)
    unsupported = sum(not verdict.stands for verdict in verdicts) - ruled
    parts = [f"{unsupported} unsupported sentences"] if unsupported else []
    parts += [f"{ruled} sentences with a forbidden phrase"] if ruled else []
    return f"{' and '.join(parts)} were kept out of {title}."
