"""Answers to every contract by rule, for the doubles that stand in for a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from lace_core import contracts


@dataclass
class ModelRules:
    """Plans a section for each heading and writes every fact down; `lie` is added to each section."""

    lie: str = ""

    def answer(self, contract: contracts.Contract, asked: msgspec.Struct) -> str:
        """The answer as JSON."""
        rule = getattr(self, contract.name.split(".")[1])
        return msgspec.json.encode(cast(msgspec.Struct, rule(asked))).decode()

    def intent(self, asked: contracts.IntentInput) -> contracts.Intent:
        return contracts.Intent(purpose=f"Report on {asked.title}", audience="all", questions=("What?",), key_terms=())

    def outline(self, asked: contracts.OutlineInput) -> contracts.Outline:
        headings = [section.heading_path[0] for source in asked.sources for section in source.sections]
        return contracts.Outline(
            sections=tuple(contracts.PlannedSection(title=h, brief=f"On {h}", queries=(h,)) for h in headings)
        )

    def strategy(self, asked: contracts.StrategyInput) -> contracts.Strategy:
        return contracts.Strategy(decision="write", reason="short", children=())

    def write(self, asked: contracts.WriteInput) -> contracts.Written:
        sentences = tuple(self.sentences(asked.facts))
        return contracts.Written(blocks=(contracts.WrittenParagraph(sentences=sentences),), summary=asked.section.title)

    def enrich(self, asked: contracts.EnrichInput) -> contracts.Enriched:
        """Offers every fact to every sentence, and writes down what is new."""
        fresh = [fact for fact in asked.facts if fact.fact_id in asked.new_fact_ids]
        block = contracts.WrittenParagraph(sentences=tuple(self.sentences(fresh)))
        return contracts.Enriched(
            citations=tuple(
                contracts.FurtherCitation(
                    sentence_id=sentence.sentence_id, fact_ids=tuple(fact.fact_id for fact in asked.facts)
                )
                for current in asked.blocks
                for sentence in current.sentences
            ),
            blocks=(block,) if fresh else (),
        )

    def patch(self, asked: contracts.PatchInput) -> contracts.Patched:
        """Takes out the blocks of which a sentence holds what the instructions say."""
        return contracts.Patched(
            edits=tuple(
                contracts.RemovedBlock(block_id=current.block_id)
                for current in asked.blocks
                if any(asked.instructions in sentence.text for sentence in current.sentences)
            )
        )

    def sentences(self, facts: Sequence[contracts.Fact]) -> Iterator[contracts.WrittenSentence]:
        for fact in facts:
            yield contracts.WrittenSentence(text=fact.text, fact_ids=(fact.fact_id,))
        if self.lie and facts:
            yield contracts.WrittenSentence(text=self.lie, fact_ids=(facts[0].fact_id,))

    def extract_facts(self, asked: contracts.ExtractFactsInput) -> contracts.ExtractedFacts:
        """Every span as it stands; the lie is said of the first, and quoted where no source says it."""
        spans = [span for unit in asked.units for span in unit.spans]
        told = [(span.span_id, span.text, span.text) for span in spans]
        if self.lie and spans:
            told += [(spans[0].span_id, self.lie, spans[0].text), (spans[0].span_id, self.lie, self.lie)]
        return contracts.ExtractedFacts(
            facts=tuple(
                contracts.ExtractedFact(
                    statement=statement, span_id=span_id, quote=quote, qualifiers=(), confidence=900
                )
                for span_id, statement, quote in told
            )
        )

    def paragraph(self, asked: contracts.ParagraphInput) -> contracts.ParagraphText:
        """Each fact's quote, as far as sentences are allowed; the lie is said of the first."""
        said = [contracts.WrittenSentence(text=fact.quote, fact_ids=(fact.fact_id,)) for fact in asked.facts]
        if self.lie and asked.facts:
            said.insert(1, contracts.WrittenSentence(text=self.lie, fact_ids=(asked.facts[0].fact_id,)))
        return contracts.ParagraphText(sentences=tuple(said[: asked.max_sentences]))

    def judge(self, asked: contracts.JudgeInput) -> contracts.Judgement:
        return contracts.Judgement(
            verdicts=tuple(
                contracts.JudgeVerdict(sentence_id=s.sentence_id, verdict="supported", reason="")
                for s in asked.sentences
            )
        )

    def document_judge(self, asked: contracts.DocumentJudgeInput) -> contracts.DocumentJudgement:
        """Fails the passages that hold the words of a criterion."""
        texts = {passage.passage_id: passage.text for passage in asked.passages}
        return contracts.DocumentJudgement(
            verdicts=tuple(
                contracts.DocumentVerdict(
                    criterion_id=each.criterion_id,
                    verdict="fail" if wrong else "pass",
                    reason=f"{len(wrong)} passages",
                    remarks=tuple(contracts.DocumentRemark(passage_id=ident, remark="It says so.") for ident in wrong),
                )
                for each in asked.criteria
                for wrong in [[ident for ident in each.passage_ids if each.criterion in texts[ident]]]
            )
        )
