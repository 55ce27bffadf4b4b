"""Facts as a paragraph or a governed section may use them: each with the words of its source that hold it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lace_core.canonical import sha256_hex
from lace_core.contracts import Fact, ParagraphFact, ParagraphInput
from lace_core.ids import derive
from lace_core.ir import Evidence, Source
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.planning import Grounds

METHOD = "fact"


class StatedFact(Struct, frozen=True, kw_only=True):
    """A fact as it is kept, with its source and the text and parts of the unit that it stands in.

    `start`, `end` and `spans` count code points of `text`, half open.
    """

    fact_id: str
    statement: str
    quote: str
    start: int
    end: int
    unit_id: str
    extraction: str
    text: str
    source: Source
    spans: tuple[tuple[int, int], ...] = ()
    heading_path: tuple[str, ...] = ()
    page: int = 0
    order: int = 0
    state: str = "active"
    origin: str = "extracted"


class AllowedFact(Struct, frozen=True, kw_only=True):
    """A fact that may be used: its claim, and the evidence that a sentence which cites it is held against."""

    fact_id: str
    statement: str
    evidence: Evidence
    filename: str


def allowed_fact(stated: StatedFact) -> AllowedFact:
    """The fact with its quote to the bounds of the sentences, items or rows that it touches.

    A quote may be cut out of a sentence, and what is cut off may turn it round ("… not before 2027").
    """
    start, end = widened(stated)
    quote = stated.text[start:end]
    place = (stated.source.source_id, stated.source.version, stated.extraction, stated.unit_id)
    evidence = Evidence(
        evidence_id=derive("evd", *place, str(start), str(end)),
        source_id=stated.source.source_id,
        source_version=stated.source.version,
        unit_id=stated.unit_id,
        extraction=stated.extraction,
        start=start,
        end=end,
        quote=quote,
        quote_hash=sha256_hex(quote.encode()),
        heading_path=stated.heading_path,
        page=stated.page,
        score="1.000",
        method=METHOD,
    )
    return AllowedFact(
        fact_id=stated.fact_id, statement=stated.statement, evidence=evidence, filename=stated.source.filename
    )


def widened(stated: StatedFact) -> tuple[int, int]:
    """From the first to past the last code point of the parts that the quote touches; the unit where it has none."""
    touched = [(start, end) for start, end in stated.spans if start < stated.end and stated.start < end]
    if not touched:
        return (0, len(stated.text)) if not stated.spans else (stated.start, stated.end)
    return min(stated.start, touched[0][0]), max(stated.end, touched[-1][1])


def is_intact(stated: StatedFact) -> bool:
    """Whether the fact's quote stands where it is said to stand."""
    return stated.text[stated.start : stated.end] == stated.quote != ""


def grounds_of_fact(fact: AllowedFact, order: int) -> Grounds:
    """The fact as the writer of a section is given it, under its own id."""
    evidence = fact.evidence
    told = Fact(
        fact_id=fact.fact_id,
        kind="sentence",
        text=evidence.quote,
        source=fact.filename,
        heading_path=evidence.heading_path,
        page=evidence.page,
        unit=evidence.unit_id,
        position=order,
        score=1000,
    )
    return Grounds(fact=told, pieces=(evidence,))


def paragraph_input(
    spec: ParagraphSpec, facts: Sequence[AllowedFact], house_rules: Sequence[str] = ()
) -> ParagraphInput:
    """What a model is asked: the specification, and the allowed facts in its order."""
    return ParagraphInput(
        section=spec.section,
        title=spec.title,
        purpose=spec.purpose,
        questions=spec.questions,
        audience=spec.audience,
        tone=spec.tone,
        language=spec.language,
        facts=tuple(map(_told, facts)),
        required_fact_ids=spec.required_fact_ids,
        min_sentences=spec.min_sentences,
        max_sentences=spec.max_sentences,
        min_words=spec.min_words,
        max_words=spec.max_words,
        forbidden_phrases=spec.forbidden_phrases,
        house_rules=tuple(house_rules),
    )


def _told(fact: AllowedFact) -> ParagraphFact:
    return ParagraphFact(
        fact_id=fact.fact_id,
        statement=fact.statement,
        quote=fact.evidence.quote,
        source=fact.filename,
        heading_path=fact.evidence.heading_path,
        page=fact.evidence.page,
    )
