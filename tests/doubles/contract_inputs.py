"""An input of every contract, small and whole."""

from __future__ import annotations

import msgspec

from lace_core import contracts

FACTS = tuple(
    contracts.Fact(
        fact_id=f"F{at}",
        kind="sentence",
        text=text,
        source="brief.md",
        heading_path=("Cost",),
        page=0,
        unit="u1",
        position=at,
        score=500,
    )
    for at, text in enumerate(
        (
            "The approved budget on 14 March 2022 is 28.4 million pounds.",
            "The final cost of the programme was 30.6 million pounds in 2026.",
            "The loan from the bank covers 15.0 million pounds of the cost.",
        )
    )
)
SECTION = contracts.Section(title="Cost", brief="What it cost.", path=("Report",), depth=1)
OUTLINE = contracts.SourceOutline(
    source_id="src_1",
    filename="brief.md",
    title="Programme brief",
    sections=(
        contracts.SourceSection(heading_path=("Cost",), words=120, tables=1, lead="The approved budget is 28.4."),
        contracts.SourceSection(heading_path=("Scope",), words=90, tables=0, lead="The programme builds a main."),
    ),
)
INTENT = contracts.Intent(purpose="p", audience="a", questions=("q",), key_terms=("t",))
BLOCKS = (
    contracts.CurrentBlock(
        block_id="blk_1",
        kind="paragraph",
        sentences=(contracts.CurrentSentence(sentence_id="sen_1", text=FACTS[1].text, fact_ids=("F1",)),),
    ),
)
INPUTS: dict[str, msgspec.Struct] = {
    "lace.intent.v1": contracts.IntentInput(title="Report", instructions="", language="en", sources=(OUTLINE,)),
    "lace.outline.v1": contracts.OutlineInput(
        title="Report", instructions="", language="en", intent=INTENT, sources=(OUTLINE,), max_sections=5,
        target_words=500,
    ),
    "lace.strategy.v1": contracts.StrategyInput(
        document_title="Report", language="en", section=SECTION, facts=FACTS, max_children=3, target_words=400
    ),
    "lace.write.v1": contracts.WriteInput(
        document_title="Report", language="en", audience="all", section=SECTION, siblings=("Scope",), facts=FACTS,
        target_words=100, must_cite=True, forbidden_phrases=(),
    ),
    "lace.write.v2": contracts.WriteMoreInput(
        document_title="Report", language="en", audience="all", section=SECTION, siblings=("Scope",), facts=FACTS,
        target_words=100, must_cite=True, forbidden_phrases=(), instructions="", existing=(FACTS[0].text,),
    ),
    "lace.enrich.v1": contracts.EnrichInput(
        document_title="Report", language="en", section=SECTION, blocks=BLOCKS, facts=FACTS, new_fact_ids=("F2",),
        target_words=100, forbidden_phrases=(),
    ),
    "lace.patch.v1": contracts.PatchInput(
        document_title="Report", language="en", section=SECTION, instructions="Leave out the first.", blocks=BLOCKS,
        facts=FACTS, target_words=100, forbidden_phrases=(),
    ),
    "lace.judge.v1": contracts.JudgeInput(
        sentences=(contracts.JudgedSentence(sentence_id="s1", text=FACTS[0].text, quotes=(FACTS[0].text,)),)
    ),
    "lace.paragraph.v1": contracts.ParagraphInput(
        section="Cost", title="What it cost", purpose="To say what was paid.", questions=("What did it cost?",),
        audience="all", tone="plain", language="en",
        facts=tuple(
            contracts.ParagraphFact(
                fact_id=fact.fact_id, statement=fact.text, quote=fact.text, source=fact.source,
                heading_path=fact.heading_path, page=fact.page,
            )
            for fact in FACTS
        ),
        required_fact_ids=(FACTS[0].fact_id,), min_sentences=1, max_sentences=5, min_words=0, max_words=100,
        forbidden_phrases=(), house_rules=(),
    ),
    "lace.extract_facts.v1": contracts.ExtractFactsInput(
        filename="brief.md", title="Programme brief", language="en", max_facts=10,
        units=(
            contracts.LibrarianUnit(
                kind="paragraph", heading_path=("Cost",), page=0, caption="", header=(),
                spans=tuple(contracts.UnitSpan(span_id=f"S{at}", text=fact.text) for at, fact in enumerate(FACTS, 1)),
            ),
        ),
    ),
    "lace.document_judge.v1": contracts.DocumentJudgeInput(
        title="Report", language="en",
        passages=tuple(
            contracts.DocumentPassage(passage_id=f"s{at}", section=("Cost",), text=fact.text)
            for at, fact in enumerate(FACTS, 1)
        ),
        criteria=(
            contracts.DocumentCriterion(
                criterion_id="tone", criterion="Every passage is written soberly.", passage_ids=("s1", "s2")
            ),
        ),
    ),
}  # fmt: skip
_RULES = ("Write soberly.",)
for _plain, _ruled, _kind in (
    ("lace.outline.v1", "lace.outline.v2", contracts.RuledOutlineInput),
    ("lace.write.v1", "lace.write.v3", contracts.RuledWriteInput),
    ("lace.write.v2", "lace.write.v4", contracts.RuledWriteMoreInput),
    ("lace.enrich.v1", "lace.enrich.v2", contracts.RuledEnrichInput),
    ("lace.patch.v1", "lace.patch.v2", contracts.RuledPatchInput),
):
    INPUTS[_ruled] = _kind(**msgspec.structs.asdict(INPUTS[_plain]), house_rules=_RULES)
