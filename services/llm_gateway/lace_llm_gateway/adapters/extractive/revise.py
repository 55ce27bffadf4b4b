"""Works on sections that are written already: adds what they lack, supports what they say, changes what is asked."""

from __future__ import annotations

import re

import msgspec

from lace_core.contracts import (
    CurrentBlock,
    Enriched,
    EnrichInput,
    Fact,
    FurtherCitation,
    InsertedBlock,
    Patched,
    PatchInput,
    RemovedBlock,
    ReplacedBlock,
    Section,
    WriteInput,
    WriteMoreInput,
    Written,
    WrittenList,
    WrittenParagraph,
    WrittenSentence,
)
from lace_core.verification.grounding import Verdict, verify
from lace_llm_gateway.adapters.extractive.words import figures, overlap, stems, tokens
from lace_llm_gateway.adapters.extractive.write import write_section

_ALIKE = 0.8
_RELATED = 0.5
_MOST_CITATIONS = 3
_LEAST_WORDS = 40
_WITHOUT = re.compile(
    r"\b(?:leave\s+out|leaving\s+out|omit(?:ting)?|remove|delete|drop|cut|exclud(?:e|ing)|without|skip(?:ping)?)\s+"
    r"(?P<what>[^.;\n]+)",
    re.IGNORECASE,
)
_ASKING = frozenset(
    stems(
        """
        add include mention write rewrite change section text sentence paragraph word please what about more say tell
        document report everything anything all any the that which where when how why also should must describe explain
        """
    )
)

Edit = ReplacedBlock | InsertedBlock | RemovedBlock


def write_more(asked: WriteMoreInput) -> Written:
    """The blocks of the section, or those to add to it: what it says already is not said again."""
    said = [_Said(text) for text in asked.existing]
    fresh = tuple(fact for fact in asked.facts if not any(known.says(fact.text) for known in said))
    return write_section(msgspec.structs.replace(asked, facts=fresh))


def enrich(asked: EnrichInput) -> Enriched:
    """Facts that state a sentence by themselves, each sentence with the best few; and what newer sources add."""
    facts = [fact for fact in asked.facts if fact.kind == "sentence"]
    terms = {fact.fact_id: set(stems(fact.text)) for fact in facts}
    used: set[str] = set()
    citations: list[FurtherCitation] = []
    for sentence in (s for block in asked.blocks for s in block.sentences):
        own = stems(sentence.text)
        near = [f for f in facts if f.fact_id not in sentence.fact_ids and overlap(own, terms[f.fact_id]) >= _RELATED]
        found = [f for f in near if verify(sentence.text, [f.text]).verdict is Verdict.SUPPORTED][:_MOST_CITATIONS]
        if found:
            used.update(fact.fact_id for fact in found)
            ids = tuple(fact.fact_id for fact in found)
            citations.append(FurtherCitation(sentence_id=sentence.sentence_id, fact_ids=ids))
    new = set(asked.new_fact_ids) - used
    more = WriteMoreInput(
        document_title=asked.document_title,
        language=asked.language,
        audience="",
        section=asked.section,
        siblings=(),
        facts=tuple(fact for fact in asked.facts if fact.fact_id in new),
        target_words=asked.target_words,
        must_cite=True,
        forbidden_phrases=asked.forbidden_phrases,
        instructions="",
        existing=tuple(s.text for block in asked.blocks for s in block.sentences),
    )
    return Enriched(citations=tuple(citations), blocks=write_more(more).blocks if more.facts else ())


def patch(asked: PatchInput) -> Patched:
    """What the instructions ask to leave out goes, sentence by sentence; what they name beside it is added."""
    unwanted = frozenset(stems(" ".join(match["what"] for match in _WITHOUT.finditer(asked.instructions)))) - _ASKING
    wanted = frozenset(stems(_WITHOUT.sub(" ", asked.instructions))) - _ASKING
    edits: list[Edit] = [edit for block in asked.blocks for edit in _without(block, unwanted)]
    addition = _addition(asked, wanted, unwanted) if wanted else None
    if addition is not None:
        edits.append(InsertedBlock(after_id="end", block=addition))
    return Patched(edits=tuple(edits))


def _without(block: CurrentBlock, unwanted: frozenset[str]) -> list[Edit]:
    """The edit that takes out of a block the sentences that speak of what is not wanted, if there are any."""
    left = [s for s in block.sentences if not _speaks_of(s.text, unwanted)]
    if len(left) == len(block.sentences):
        return []
    if not left or block.kind not in ("paragraph", "list"):
        # A table or quotation cannot be carried in part; it goes where most of it is not wanted.
        gone = not left or len(left) * 2 < len(block.sentences)
        return [RemovedBlock(block_id=block.block_id)] if gone else []
    kept = tuple(WrittenSentence(text=s.text, fact_ids=s.fact_ids) for s in left)
    if block.kind == "list":
        return [ReplacedBlock(block_id=block.block_id, block=WrittenList(ordered=False, items=kept))]
    return [ReplacedBlock(block_id=block.block_id, block=WrittenParagraph(sentences=kept))]


def _addition(asked: PatchInput, wanted: frozenset[str], unwanted: frozenset[str]) -> WrittenParagraph | None:
    """A paragraph of what the facts say about the words of the instructions."""
    cited = {fact_id for block in asked.blocks for s in block.sentences for fact_id in s.fact_ids}
    said = [_Said(s.text) for block in asked.blocks for s in block.sentences]
    facts = [
        fact
        for fact in asked.facts
        if fact.fact_id not in cited
        and fact.kind == "sentence"
        and _answers(fact, wanted)
        and not _speaks_of(fact.text, unwanted)
        and not any(known.says(fact.text) for known in said)
    ]
    if not facts:
        return None
    section = Section(title=asked.instructions[:300], brief="", path=asked.section.path, depth=1)
    written = write_section(
        WriteInput(
            document_title=asked.document_title,
            language=asked.language,
            audience="",
            section=section,
            siblings=(),
            facts=tuple(facts),
            target_words=max(_LEAST_WORDS, asked.target_words // 3),
            must_cite=True,
            forbidden_phrases=asked.forbidden_phrases,
        )
    )
    return next((block for block in written.blocks if isinstance(block, WrittenParagraph)), None)


def _answers(fact: Fact, wanted: frozenset[str]) -> bool:
    terms = set(stems(fact.text)) | {term for heading in fact.heading_path for term in stems(heading)}
    return len(wanted & terms) * 2 >= len(wanted)


def _speaks_of(text: str, unwanted: frozenset[str]) -> bool:
    return bool(unwanted) and len(unwanted & set(stems(text))) * 2 > len(unwanted)


class _Said:
    """A sentence that the section holds."""

    def __init__(self, text: str) -> None:
        self._tokens = set(tokens(text))
        self._figures = figures(text)

    def says(self, text: str) -> bool:
        """Whether it is the same statement: the same figures and nearly the same words."""
        theirs = set(tokens(text))
        alike = len(self._tokens & theirs) >= _ALIKE * len(self._tokens | theirs)
        return alike and figures(text) == self._figures
