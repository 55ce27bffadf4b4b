"""Writes a section out of its facts: sentences verbatim, tables carried, nothing said twice."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.contracts import (
    Carried,
    Fact,
    WriteInput,
    Written,
    WrittenList,
    WrittenParagraph,
    WrittenSentence,
)
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.arrange import Paragraph, paragraphs, stray
from lace_llm_gateway.adapters.extractive.carry import Attachment, choose_wholes
from lace_llm_gateway.adapters.extractive.key_points import write_key_points
from lace_llm_gateway.adapters.extractive.material import Candidate, Material, belongs_to_sibling, gather
from lace_llm_gateway.adapters.extractive.select import choose
from lace_llm_gateway.adapters.extractive.standing import Standing

_LEAST_WORDS = 40
_MOST_FRAGMENTS = 8
_KEPT_SHARE = 4
_ROUNDS = 4
_SCARCE = 2

Block = WrittenParagraph | WrittenList | Carried


def write_section(asked: WriteInput) -> Written:
    """The blocks of the section; none where the facts hold nothing that can stand in a text."""
    facts = _allowed(asked.facts, asked.forbidden_phrases)
    if asked.section.depth == 0:
        return write_key_points(asked, facts)
    facts = _at_home(facts, asked)
    material = gather(facts, asked.section)
    names = headings.known_names([fact.text for fact in facts[:400]])
    words = max(_LEAST_WORDS, asked.target_words)
    groups = _composed(material.candidates, words)
    written = sum(candidate.words for group in groups for candidate in group)
    scarce = written * _SCARCE < words
    attachments = choose_wholes(material, asked.section, words, names, scarce=scarce)
    if not groups:
        return _without_prose(material, attachments)
    blocks = _blocks(groups, attachments)
    chosen = [candidate for group in groups for candidate in group]
    return Written(blocks=tuple(blocks), summary=_most_telling(chosen).fact.text)


def _composed(candidates: Sequence[Candidate], words: int) -> list[Paragraph]:
    """Paragraphs in which every sentence has company: what would stand lost is replaced, as long as that helps."""
    pool = list(candidates)
    for _ in range(_ROUNDS):
        groups = paragraphs(choose(pool, words))
        lost = stray(groups)
        if not lost:
            break
        pool = [candidate for candidate in pool if candidate.place not in lost]
    return groups


def _allowed(facts: Sequence[Fact], forbidden: Sequence[str]) -> list[Fact]:
    phrases = [phrase.casefold() for phrase in forbidden if phrase.strip()]
    return [fact for fact in facts if not any(phrase in fact.text.casefold() for phrase in phrases)]


def _at_home(facts: list[Fact], asked: WriteInput) -> list[Fact]:
    """Without what belongs to a sibling, unless little would be left."""
    own = [f for f in facts if not belongs_to_sibling(f.heading_path, asked.section, asked.siblings)]
    return own if len(own) * _KEPT_SHARE >= len(facts) else facts


def _blocks(groups: Sequence[Paragraph], attachments: Sequence[Attachment]) -> list[Block]:
    """Paragraphs with each attachment after the one that it belongs to."""
    after: dict[int, list[Attachment]] = {}
    for attachment in attachments:
        after.setdefault(_host(groups, attachment), []).append(attachment)
    blocks: list[Block] = []
    for at, group in enumerate(groups):
        blocks.append(WrittenParagraph(sentences=tuple(map(_sentence, group))))
        for attachment in after.get(at, []):
            blocks.extend(_attached(attachment))
    return blocks


def _host(groups: Sequence[Paragraph], attachment: Attachment) -> int:
    """The last paragraph from under the same heading, else from the same source, else the last."""
    fact = attachment.fact
    for same in (
        lambda c: (c.fact.source, c.fact.heading_path) == (fact.source, fact.heading_path),
        lambda c: c.fact.source == fact.source,
    ):
        hosts = [at for at, group in enumerate(groups) if any(same(c) for c in group)]
        if hosts:
            return hosts[-1]
    return len(groups) - 1


def _attached(attachment: Attachment) -> list[Block]:
    carried = Carried(fact_id=attachment.fact.fact_id, caption=attachment.caption)
    if attachment.introduction is None:
        return [carried]
    return [WrittenParagraph(sentences=(_sentence(attachment.introduction),)), carried]


def _without_prose(material: Material, attachments: Sequence[Attachment]) -> Written:
    """Where no full sentence is to be had: the attachments, and the fragments as a list."""
    blocks = [block for attachment in attachments for block in _attached(attachment)]
    best = sorted(material.fragments, key=lambda c: (-c.worth, c.place))[:_MOST_FRAGMENTS]
    items = tuple(_sentence(candidate) for candidate in sorted(best, key=lambda c: c.place))
    if items:
        blocks.insert(0, WrittenList(ordered=False, items=items))
    return Written(blocks=tuple(blocks), summary="")


def _sentence(candidate: Candidate) -> WrittenSentence:
    return WrittenSentence(text=candidate.fact.text, fact_ids=candidate.fact_ids)


def _most_telling(chosen: Sequence[Candidate]) -> Candidate:
    return max(chosen, key=lambda c: (c.screened.standing is Standing.ALONE, c.worth, -c.place))
