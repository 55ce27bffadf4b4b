"""What a model is asked and must answer, as versioned contracts: typed values here, JSON Schemas for everyone else.

A fact is one span of a source that a model may use: a sentence, or a whole list, table or code listing. Fact ids
are short names that hold within one run. Outputs have no optional fields, so that providers can enforce them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Struct


class _In(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Out(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class SourceSection(_In, frozen=True):
    """A section of a source: headings down to it (outermost first), words and tables directly in it, first sentence."""

    heading_path: tuple[str, ...]
    words: int
    tables: int
    lead: str


class SourceOutline(_In, frozen=True):
    """What one source speaks of."""

    source_id: str
    filename: str
    title: str
    sections: tuple[SourceSection, ...]


class TableFact(_In, frozen=True):
    """A table as its source has it."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Fact(_In, frozen=True):
    """One span that may be used. `text` is the span; `items` holds a list's items, `table` a table's cells.

    `unit` names the piece of the source that the span stands in and `position` its place in reading order there;
    `score` (0 to 1000) says how well it matched what the section asks.
    """

    fact_id: str
    kind: Literal["sentence", "list", "table", "code", "quote"]
    text: str
    source: str
    heading_path: tuple[str, ...]
    page: int
    unit: str
    position: int
    score: int
    items: tuple[str, ...] = ()
    table: TableFact | None = None


class Section(_In, frozen=True):
    """The section that is asked for; `path` holds the headings above it, depth 0 is the document itself."""

    title: str
    brief: str
    path: tuple[str, ...]
    depth: int


class IntentInput(_In, frozen=True):
    """Asks what a document of this title is to do."""

    title: str
    instructions: str
    language: str
    sources: tuple[SourceOutline, ...]


class Intent(_Out, frozen=True):
    """What the document is to do: its purpose, its readers, the questions it answers, the terms that matter."""

    purpose: str
    audience: str
    questions: tuple[str, ...]
    key_terms: tuple[str, ...]


class OutlineInput(_In, frozen=True):
    """Asks for the sections of the document."""

    title: str
    instructions: str
    language: str
    intent: Intent
    sources: tuple[SourceOutline, ...]
    max_sections: int
    target_words: int


class PlannedSection(_Out, frozen=True):
    """A section: heading, what it is to say, and the questions by which its evidence is searched."""

    title: str
    brief: str
    queries: tuple[str, ...]


class Outline(_Out, frozen=True):
    """The sections in order."""

    sections: tuple[PlannedSection, ...]


class StrategyInput(_In, frozen=True):
    """Asks whether a section is written in full or split; `max_children` 0 forbids the split."""

    document_title: str
    language: str
    section: Section
    facts: tuple[Fact, ...]
    max_children: int
    target_words: int


class PlannedChild(_Out, frozen=True):
    """A child section and the facts that it gets."""

    title: str
    brief: str
    fact_ids: tuple[str, ...]


class Strategy(_Out, frozen=True):
    """Write or split; children are empty for write. Facts that no child gets stay with the section itself."""

    decision: Literal["write", "split"]
    reason: str
    children: tuple[PlannedChild, ...]


class WriteInput(_In, frozen=True):
    """Asks for the text of a section out of the given facts and nothing else."""

    document_title: str
    language: str
    audience: str
    section: Section
    siblings: tuple[str, ...]
    facts: tuple[Fact, ...]
    target_words: int
    must_cite: bool
    forbidden_phrases: tuple[str, ...]


class WrittenSentence(_Out, frozen=True):
    """A sentence or list item and the facts that it rests on."""

    text: str
    fact_ids: tuple[str, ...]


class WrittenParagraph(_Out, frozen=True, tag_field="type", tag="paragraph"):
    """Prose."""

    sentences: tuple[WrittenSentence, ...]


class WrittenList(_Out, frozen=True, tag_field="type", tag="list"):
    """A list."""

    ordered: bool
    items: tuple[WrittenSentence, ...]


class Carried(_Out, frozen=True, tag_field="type", tag="carry"):
    """A table, list, quote or code listing taken over from its source as it is; `caption` may be empty."""

    fact_id: str
    caption: str


class Written(_Out, frozen=True):
    """The blocks of the section in order, and what they say in one sentence (empty where nothing is written)."""

    blocks: tuple[WrittenParagraph | WrittenList | Carried, ...]
    summary: str


WrittenBlock = WrittenParagraph | WrittenList | Carried


class WriteMoreInput(WriteInput, frozen=True):
    """Asks for text of a section that is there already: `existing` holds what it says, `instructions` what is asked.

    Only what `existing` does not say is wanted; it is empty where the section is written anew.
    """

    instructions: str
    existing: tuple[str, ...]


class CurrentSentence(_In, frozen=True):
    """A sentence, list item or table row as it stands, and the facts that it rests on."""

    sentence_id: str
    text: str
    fact_ids: tuple[str, ...]


class CurrentBlock(_In, frozen=True):
    """A block as it stands; `kind` is its type in the document, and code, figures and formulas are one sentence."""

    block_id: str
    kind: str
    sentences: tuple[CurrentSentence, ...]


class EnrichInput(_In, frozen=True):
    """Asks which facts support sentences further, and for blocks out of the facts that `new_fact_ids` names."""

    document_title: str
    language: str
    section: Section
    blocks: tuple[CurrentBlock, ...]
    facts: tuple[Fact, ...]
    new_fact_ids: tuple[str, ...]
    target_words: int
    forbidden_phrases: tuple[str, ...]


class FurtherCitation(_Out, frozen=True):
    """A sentence and facts that support it beside those that it cites; each fact must state all of it."""

    sentence_id: str
    fact_ids: tuple[str, ...]


class Enriched(_Out, frozen=True):
    """Citations to add, and blocks to add at the end; nothing that is there is changed."""

    citations: tuple[FurtherCitation, ...]
    blocks: tuple[WrittenBlock, ...]


class PatchInput(_In, frozen=True):
    """Asks to change a section as the instructions say, and to leave the rest as it is."""

    document_title: str
    language: str
    section: Section
    instructions: str
    blocks: tuple[CurrentBlock, ...]
    facts: tuple[Fact, ...]
    target_words: int
    forbidden_phrases: tuple[str, ...]


class ReplacedBlock(_Out, frozen=True, tag_field="edit", tag="replace"):
    """A block in place of another."""

    block_id: str
    block: WrittenBlock


class InsertedBlock(_Out, frozen=True, tag_field="edit", tag="insert"):
    """A new block behind another; first where `after_id` is empty, last where it is "end"."""

    after_id: str
    block: WrittenBlock


class RemovedBlock(_Out, frozen=True, tag_field="edit", tag="remove"):
    """A block taken out."""

    block_id: str


class Patched(_Out, frozen=True):
    """The edits in order; blocks that none of them names stay as they are."""

    edits: tuple[ReplacedBlock | InsertedBlock | RemovedBlock, ...]


class JudgedSentence(_In, frozen=True):
    """A sentence and the exact quotes that it rests on."""

    sentence_id: str
    text: str
    quotes: tuple[str, ...]


class JudgeInput(_In, frozen=True):
    """Asks whether the quotes support the sentences."""

    sentences: tuple[JudgedSentence, ...]


class JudgeVerdict(_Out, frozen=True):
    """The judge's finding for one sentence."""

    sentence_id: str
    verdict: Literal["supported", "partially", "contradicted", "unsupported"]
    reason: str


class Judgement(_Out, frozen=True):
    """One verdict for each sentence."""

    verdicts: tuple[JudgeVerdict, ...]


class UnitSpan(_In, frozen=True):
    """A sentence, list item or table row as it stands in its unit; `span_id` is a short name within one call."""

    span_id: str
    text: str


class LibrarianUnit(_In, frozen=True):
    """A piece of a source; `header` holds the column heads of a table, without which its rows say little."""

    kind: Literal["paragraph", "list", "table", "quote", "caption", "footnote", "endnote"]
    heading_path: tuple[str, ...]
    page: int
    caption: str
    header: tuple[str, ...]
    spans: tuple[UnitSpan, ...]


class ExtractFactsInput(_In, frozen=True):
    """Asks for the facts that units state, at most `max_facts` of them."""

    filename: str
    title: str
    language: str
    units: tuple[LibrarianUnit, ...]
    max_facts: int


class Qualifier(_Out, frozen=True):
    """What a fact holds for: a number with its unit, a date, a name, or a condition, as the quote words it."""

    kind: Literal["number", "date", "name", "condition"]
    text: str


class ExtractedFact(_Out, frozen=True):
    """One thing that a span states; `quote` is copied out of that span, `confidence` is from 0 to 1000."""

    statement: str
    span_id: str
    quote: str
    qualifiers: tuple[Qualifier, ...]
    confidence: int


class ExtractedFacts(_Out, frozen=True):
    """The facts, in the order of the spans."""

    facts: tuple[ExtractedFact, ...]


class ParagraphFact(_In, frozen=True):
    """A fact that a paragraph may use: what is claimed, and the words of its source that hold it."""

    fact_id: str
    statement: str
    quote: str
    source: str
    heading_path: tuple[str, ...]
    page: int


class ParagraphInput(_In, frozen=True):
    """Asks for one paragraph out of the given facts and nothing else; `required_fact_ids` are those it must use.

    Bounds are of sentences and words; `questions` are what it is to answer; `house_rules` are what a policy adds to the
    instructions, none of which is a fact.
    """

    section: str
    title: str
    purpose: str
    questions: tuple[str, ...]
    audience: str
    tone: str
    language: str
    facts: tuple[ParagraphFact, ...]
    required_fact_ids: tuple[str, ...]
    min_sentences: int
    max_sentences: int
    min_words: int
    max_words: int
    forbidden_phrases: tuple[str, ...]
    house_rules: tuple[str, ...]


class ParagraphText(_Out, frozen=True):
    """The sentences in order, each with the facts that it rests on: one at least."""

    sentences: tuple[WrittenSentence, ...]


class DocumentPassage(_In, frozen=True):
    """A sentence, list item or table row of a document; `section` holds the headings over it below the title."""

    passage_id: str
    section: tuple[str, ...]
    text: str


class DocumentCriterion(_In, frozen=True):
    """What passages are to be held to, and which of them are meant."""

    criterion_id: str
    criterion: str
    passage_ids: tuple[str, ...]


class DocumentJudgeInput(_In, frozen=True):
    """Asks whether a document meets criteria."""

    title: str
    language: str
    passages: tuple[DocumentPassage, ...]
    criteria: tuple[DocumentCriterion, ...]


class DocumentRemark(_Out, frozen=True):
    """What is wrong with a passage."""

    passage_id: str
    remark: str


class DocumentVerdict(_Out, frozen=True):
    """The judge's finding for one criterion; undecided where it cannot be told from the passages."""

    criterion_id: str
    verdict: Literal["pass", "fail", "undecided"]
    reason: str
    remarks: tuple[DocumentRemark, ...]


class DocumentJudgement(_Out, frozen=True):
    """One verdict for each criterion."""

    verdicts: tuple[DocumentVerdict, ...]


class RuledOutlineInput(OutlineInput, frozen=True):
    """The same under a policy: `house_rules` are what it adds to the instructions; none of them is a fact."""

    house_rules: tuple[str, ...]


class RuledWriteInput(WriteInput, frozen=True):
    """See RuledOutlineInput."""

    house_rules: tuple[str, ...]


class RuledWriteMoreInput(WriteMoreInput, frozen=True):
    """See RuledOutlineInput."""

    house_rules: tuple[str, ...]


class RuledEnrichInput(EnrichInput, frozen=True):
    """See RuledOutlineInput."""

    house_rules: tuple[str, ...]


class RuledPatchInput(PatchInput, frozen=True):
    """See RuledOutlineInput."""

    house_rules: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """A named pair of types; `lace.NAME.vN` is what callers and records call it."""

    name: str
    input_type: type[Struct]
    output_type: type[Struct]

    def input_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the input."""
        return msgspec.json.schema(self.input_type)

    def output_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the output."""
        return msgspec.json.schema(self.output_type)


INTENT = Contract("lace.intent.v1", IntentInput, Intent)
OUTLINE = Contract("lace.outline.v1", OutlineInput, Outline)
STRATEGY = Contract("lace.strategy.v1", StrategyInput, Strategy)
WRITE = Contract("lace.write.v1", WriteInput, Written)
WRITE_MORE = Contract("lace.write.v2", WriteMoreInput, Written)
ENRICH = Contract("lace.enrich.v1", EnrichInput, Enriched)
PATCH = Contract("lace.patch.v1", PatchInput, Patched)
JUDGE = Contract("lace.judge.v1", JudgeInput, Judgement)
EXTRACT_FACTS = Contract("lace.extract_facts.v1", ExtractFactsInput, ExtractedFacts)
PARAGRAPH = Contract("lace.paragraph.v1", ParagraphInput, ParagraphText)
DOCUMENT_JUDGE = Contract("lace.document_judge.v1", DocumentJudgeInput, DocumentJudgement)
RULED_OUTLINE = Contract("lace.outline.v2", RuledOutlineInput, Outline)
RULED_WRITE = Contract("lace.write.v3", RuledWriteInput, Written)
RULED_WRITE_MORE = Contract("lace.write.v4", RuledWriteMoreInput, Written)
RULED_ENRICH = Contract("lace.enrich.v2", RuledEnrichInput, Enriched)
RULED_PATCH = Contract("lace.patch.v2", RuledPatchInput, Patched)

CONTRACTS: Mapping[str, Contract] = {
    c.name: c
    for c in (
        INTENT,
        OUTLINE,
        STRATEGY,
        WRITE,
        WRITE_MORE,
        ENRICH,
        PATCH,
        JUDGE,
        EXTRACT_FACTS,
        PARAGRAPH,
        DOCUMENT_JUDGE,
        RULED_OUTLINE,
        RULED_WRITE,
        RULED_WRITE_MORE,
        RULED_ENRICH,
        RULED_PATCH,
    )
}
