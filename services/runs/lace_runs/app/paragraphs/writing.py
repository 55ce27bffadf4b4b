"""A paragraph's run: the facts that are allowed, the model's sentences, what stands of them, and the text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import to_builtins

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.facts import AllowedFact, allowed_fact
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.paragraphs.support import SupportedSentence, judge_input, text_hash, unmet
from lace_core.policies.ruling import instructions
from lace_core.verification.version import RULES_VERSION
from lace_runs.app.documents.telling import tell_findings
from lace_runs.app.documents.verifying import Verifying
from lace_runs.app.paragraphs import reviewing
from lace_runs.app.paragraphs.making import after_judge, question, require_answer, sentences_of
from lace_runs.app.paragraphs.ruling import rules_for, with_phrases
from lace_runs.app.paragraphs.usable_facts import out_of_use
from lace_runs.app.ports import UnitOfWork
from lace_runs.app.step_scope import StepScope
from lace_runs.domain.paragraphs.records import GENERATE, MODEL, Making, Paragraph, Text, with_text
from lace_runs.domain.paragraphs.states import UNDER_WAY, ParagraphTrigger
from lace_runs.domain.paragraphs.steps import Commissioned, Composed, SettledText, SupportedText


class ParagraphRun(Verifying):
    """The pipelines paragraph and verify_paragraph."""

    async def follow(self) -> SettledText:
        """All steps; the paragraph is this run's while it lives."""
        await self._take()
        self.execution.set_total(len(self.execution.pipeline.steps))
        work = {
            "commission": self.commission,
            "compose": self.compose,
            "support": self.support,
            "settle": self.settle,
        }
        for step in self.execution.pipeline.steps:
            result = await self.execution.step(step.name, work[step.name])
        assert isinstance(result, SettledText)
        self.execution.finish = lambda: _finished(result)
        return result

    async def commission(self, scope: StepScope) -> Commissioned:
        """The specification with the facts of it that can be used; those that cannot any more are told.

        Raises LaceError FACT_RETIRED where none is left, PARAGRAPH_EMPTY where there is no text to verify.
        """
        async with self._writers.open(self.run.tenant_id) as work:
            paragraph = await work.paragraphs.get(self.run.tenant_id, self.run.request.paragraph_id)
            text = await work.paragraphs.text(self.run.tenant_id, paragraph.paragraph_id, paragraph.text_version)
        if self.run.pipeline_id != GENERATE and text is None:
            raise no_text(paragraph)
        rules = rules_for(self.policy, paragraph.spec)
        spec = with_phrases(paragraph.spec, rules)
        facts = await self._facts(scope, spec)
        scope.summary = f"{len(facts)} facts"
        sentences = text.require_intact().sentences if text and self.run.pipeline_id != GENERATE else ()
        return Commissioned(
            paragraph_id=paragraph.paragraph_id,
            spec=spec,
            spec_version=paragraph.spec_version,
            facts=tuple(facts),
            text_version=paragraph.text_version if sentences else 0,
            sentences=sentences,
            house_rules=tuple(instructions(self.policy, "write", rules)),
        )

    async def _facts(self, scope: StepScope, spec: ParagraphSpec) -> Sequence[AllowedFact]:
        stated = await self._writers.facts.stated(spec.allowed_fact_ids)
        found = []
        for fact_id in spec.allowed_fact_ids:
            why = out_of_use(fact_id, stated.get(fact_id))
            if why is None:
                found.append(stated[fact_id])
            else:
                await self.execution.warn(scope, why.reason.value, f"{why.message} It was left out.", fact_id)
        if not found and self.run.pipeline_id == GENERATE:
            raise LaceError(Reason.FACT_RETIRED, "None of the allowed facts can be used any more; allow others.")
        scope.lineage.read({fact.source.source_id: fact.source for fact in found}.values())
        return [allowed_fact(fact) for fact in found]

    async def compose(self, scope: StepScope) -> Composed:
        """Have the paragraph written; an answer that breaks the specification is refused and asked for again."""
        commissioned = self.execution.result("commission", Commissioned, scope)
        answer = await self._ask(scope, contracts.PARAGRAPH, question(commissioned), contracts.ParagraphText)
        composed = composed_of(answer, scope.lineage.calls[-1])
        require_answer(composed, commissioned)
        scope.summary = f"{len(answer.sentences)} sentences"
        return composed

    async def support(self, scope: StepScope) -> SupportedText:
        """Hold every sentence against its facts' words, then have a judge look where the settings ask for one."""
        commissioned = self.execution.result("commission", Commissioned, scope)
        composed = None
        if "compose" in self.execution.checkpoints:
            composed = self.execution.result("compose", Composed, scope)
        sentences = await asyncio.to_thread(sentences_of, commissioned, composed, self.run.run_id)
        is_judged = bool(self.settings["runs.judge"])
        judgings = tuple(await self.judgings(scope, judge_input(sentences))) if is_judged else ()
        kept = after_judge(sentences, judgings)
        found = SupportedText(
            sentences=kept,
            unmet=tuple(unmet(commissioned.spec, kept)),
            verifier_version=RULES_VERSION,
            judgings=judgings,
        )
        await self._tell(scope, commissioned.paragraph_id, found)
        return found

    async def _tell(self, scope: StepScope, paragraph_id: str, found: SupportedText) -> None:
        words = ("supported", "partially", "contradicted", "unsupported")
        counts = {word: sum(s.verdict == word for s in found.sentences) for word in words}
        findings = [_finding(paragraph_id, sentence) for sentence in found.sentences if not sentence.stands]
        await tell_findings(self.execution, scope, {"stage": "proposal", "node_id": "", **counts}, findings)
        if findings:
            message = f"{len(findings)} sentences are not supported and are withheld."
            await self.execution.warn(scope, "SENTENCES_KEPT_OUT", message, paragraph_id)
        for rule in found.unmet:
            await self.execution.warn(scope, rule.code, f"{rule.pointer}: {rule.message}", paragraph_id)
        scope.lineage.validation = "passed"
        scope.lineage.evals = dict(counts)
        scope.summary = f"{counts['supported']} of {len(found.sentences)} sentences supported"

    async def settle(self, scope: StepScope) -> SettledText:
        """Keep the text with its verdicts, and move the paragraph; doing it again changes nothing."""
        supported = self.execution.result("support", SupportedText, scope)
        cited = dict.fromkeys(link.fact_id for sentence in supported.sentences for link in sentence.links)
        sources = reviewing.sources_of(await self._writers.facts.stated(list(cited)))
        async with self._writers.open(self.run.tenant_id) as work:
            paragraph = await self._mine(work)
            before = await work.paragraphs.text(self.run.tenant_id, paragraph.paragraph_id, paragraph.text_version)
            if before is not None and self._is_kept(paragraph, before, supported):
                waiting = await work.reviews.count_open(self.run.tenant_id, self.run.run_id)
                return msgspec.structs.replace(self._told(scope, paragraph, before), review_items=waiting)
            if paragraph.state not in UNDER_WAY:  # the run went back to before a text of its own
                paragraph = await self._taken(work, paragraph)
            making = self._making(scope, paragraph, before)
            paragraph, text = with_text(
                paragraph,
                supported.sentences,
                supported.unmet,
                making,
                supported.verifier_version,
                self.execution.tools.now(),
            )
            await work.paragraphs.add_text(self.run.tenant_id, paragraph.paragraph_id, text)
            await work.paragraphs.save(self.run.tenant_id, paragraph)
            by, now = self.run.requested_by, self.execution.tools.now()
            waiting = await reviewing.keep(work, paragraph, text, sources, by, now)
            await work.commit()
        return msgspec.structs.replace(self._told(scope, paragraph, text), review_items=waiting)

    def _is_kept(self, paragraph: Paragraph, text: Text, supported: SupportedText) -> bool:
        """Whether this text was kept by this run before its step's end was written."""
        is_settled = paragraph.state not in UNDER_WAY and text.making.run_id == self.run.run_id
        return is_settled and text.content_hash == text_hash(supported.sentences)

    def _told(self, scope: StepScope, paragraph: Paragraph, text: Text) -> SettledText:
        scope.summary = f"{paragraph.state.value}: {len(text.standing)} of {len(text.sentences)} sentences stand"
        return SettledText(
            paragraph_id=paragraph.paragraph_id,
            text_version=text.text_version,
            content_hash=text.content_hash,
            state=paragraph.state.value,
            standing=len(text.standing),
            withheld=len(text.withheld),
        )

    def _making(self, scope: StepScope, paragraph: Paragraph, before: Text | None) -> Making:
        """How the text came to be; one that is verified again keeps who wrote it."""
        commissioned = self.execution.result("commission", Commissioned, scope)
        if commissioned.spec_version != paragraph.spec_version:
            message = "The specification changed since the run read it; generate the paragraph anew."
            raise LaceError(Reason.REVISION_CONFLICT, message)
        if "compose" in self.execution.checkpoints:
            composed = self.execution.result("compose", Composed, scope)
            return Making(
                origin=MODEL,
                created_by=self.run.requested_by,
                run_id=self.run.run_id,
                call_id=composed.call_id,
                contract=composed.contract,
                template_hash=composed.template_hash,
                model=composed.model,
                input_hash=composed.input_hash,
            )
        if before is None:
            raise no_text(paragraph)
        return replace(before.making, run_id=self.run.run_id)

    # -- whose the paragraph is ---------------------------------------------------------------------------------------

    async def _take(self) -> None:
        """Make the paragraph this run's, where it is not: a run that was restarted after its end takes it again."""
        async with self._writers.open(self.run.tenant_id) as work:
            before = await work.paragraphs.get(self.run.tenant_id, self.run.request.paragraph_id)
            if before.run_id != self.run.run_id:
                await self._mine(work)
                await work.commit()

    async def _mine(self, work: UnitOfWork) -> Paragraph:
        """The paragraph, this run's until the transaction ends. Raises LaceError RUN_FENCED."""
        await work.paragraphs.hold(self.run.tenant_id, self.run.run_id, self.run.epoch)
        paragraph = await work.paragraphs.lock(self.run.tenant_id, self.run.request.paragraph_id)
        return paragraph if paragraph.run_id == self.run.run_id else await self._taken(work, paragraph)

    async def _taken(self, work: UnitOfWork, paragraph: Paragraph) -> Paragraph:
        run = self.run
        mine = taken(paragraph, run.run_id, run.pipeline_id, self.execution.tools.now())
        return await work.paragraphs.save(run.tenant_id, mine)


def taken(paragraph: Paragraph, run_id: str, pipeline_id: str, at: datetime) -> Paragraph:
    """The paragraph in a run's hands; raises LaceError PARAGRAPH_TRANSITION_ILLEGAL where another has it."""
    trigger = ParagraphTrigger.GENERATE if pipeline_id == GENERATE else ParagraphTrigger.VERIFY
    return replace(
        paragraph.moved(trigger, at),
        run_id=run_id,
        run_pipeline_id=pipeline_id,
        error_code="",
        error_message="",
    )


def composed_of(answer: contracts.ParagraphText, call: Mapping[str, Any]) -> Composed:
    """A model's answer with its call as the ledger has it."""
    model = call.get("answered_model") or call.get("resolved_model") or call.get("requested_model") or ""
    return Composed(
        answer=answer,
        call_id=call["call_id"],
        contract=contracts.PARAGRAPH.name,
        template_hash=call["template_hash"],
        model=f"{call['provider']}/{model}",
        input_hash=call["input_hash"],
        output_hash=call["output_hash"],
    )


def no_text(paragraph: Paragraph) -> LaceError:
    """There is nothing to verify, land or rebuild."""
    return LaceError(Reason.PARAGRAPH_EMPTY, f"{paragraph.paragraph_id} has no text; generate or edit it.")


def _finding(paragraph_id: str, sentence: SupportedSentence) -> dict[str, str]:
    return {
        "code": f"SENTENCE_{sentence.verdict.upper()}",
        "severity": "warning",
        "pointer": f"/paragraphs/{paragraph_id}/sentences/{sentence.sentence_id}",
        "message": f"Withheld: {sentence.text} ({sentence.reasons[-1]})",
    }


async def _finished(settled: SettledText) -> Mapping[str, Any]:
    told = to_builtins(settled)
    del told["content_hash"]
    return {"paragraph": told}
