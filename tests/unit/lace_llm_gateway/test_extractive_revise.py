"""Working on written sections offline: nothing is said twice, no fact is stretched, only what is asked goes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_llm_gateway.adapters.extractive.provider import compose
from lace_llm_gateway.domain.answers import canonical_output, check_input
from lace_llm_gateway.domain.exchange import ProviderRequest
from lace_llm_gateway.domain.prompts import template_of

COST = "The final cost of the Ferry Road station was 4.2 million pounds in 2021."
PAID = "The council paid 3.0 million pounds of the cost of the station."
LOAN = "The loan of the Ferry Road station runs for twenty years from 2021."
SECTION = contracts.Section(title="Cost", brief="Covers: Cost; Funding.", path=("Report",), depth=1)


def _fact(fact_id: str, text: str, unit: str = "u1", position: int = 0) -> contracts.Fact:
    return contracts.Fact(
        fact_id=fact_id, kind="sentence", text=text, source=f"{unit}.md", heading_path=("Cost",), page=0, unit=unit,
        position=position, score=500,
    )  # fmt: skip


def _block(block_id: str, *texts: str, kind: str = "paragraph") -> contracts.CurrentBlock:
    return contracts.CurrentBlock(
        block_id=block_id,
        kind=kind,
        sentences=tuple(
            contracts.CurrentSentence(sentence_id=f"{block_id}-{n}", text=text, fact_ids=(f"F{n + 1}",))
            for n, text in enumerate(texts)
        ),
    )


def _answer(contract: str, asked: msgspec.Struct) -> Any:
    given = msgspec.json.encode(asked).decode()
    check_input(contract, given)
    request = ProviderRequest(contract, template_of(contract).render(given), None, "extractive-1", 0, 1000, 5.0)
    return msgspec.json.decode(
        canonical_output(contract, compose(request)), type=contracts.CONTRACTS[contract].output_type
    )


def _more(existing: tuple[str, ...], *facts: contracts.Fact) -> contracts.Written:
    written: contracts.Written = _answer(
        "lace.write.v2",
        contracts.WriteMoreInput(
            document_title="Report", language="en", audience="", section=SECTION, siblings=(), facts=facts,
            target_words=100, must_cite=True, forbidden_phrases=(), instructions="", existing=existing,
        ),
    )  # fmt: skip
    return written


def _texts(blocks: tuple[contracts.WrittenBlock, ...]) -> list[str]:
    return [s.text for b in blocks if isinstance(b, contracts.WrittenParagraph) for s in b.sentences]


def test_what_a_section_says_already_is_not_written_again() -> None:
    facts = (_fact("F1", COST), _fact("F2", LOAN, "u2"), _fact("F3", PAID, "u2", 1))
    assert set(_texts(_more((), *facts).blocks)) == {COST, LOAN, PAID}
    again = COST.replace("The final cost", "Final cost")
    assert set(_texts(_more((again, PAID), *facts).blocks)) == {LOAN}
    assert _more((COST, PAID, LOAN), *facts).blocks == ()


def _enriched(*facts: contracts.Fact, new: tuple[str, ...] = ()) -> contracts.Enriched:
    enriched: contracts.Enriched = _answer(
        "lace.enrich.v1",
        contracts.EnrichInput(
            document_title="Report", language="en", section=SECTION, blocks=(_block("b", COST, PAID),), facts=facts,
            new_fact_ids=new, target_words=80, forbidden_phrases=(),
        ),
    )  # fmt: skip
    return enriched


def test_a_fact_that_says_the_whole_sentence_is_further_evidence() -> None:
    enriched = _enriched(
        _fact("F7", COST, "u7"),
        _fact("F8", COST.replace("4.2", "4.3"), "u8"),
        _fact("F9", "The final cost of the Ferry Road station was 4.2 million pounds.", "u9"),
    )
    assert {(c.sentence_id, c.fact_ids) for c in enriched.citations} == {("b-0", ("F7",))}
    assert enriched.blocks == ()


def test_only_new_facts_become_text() -> None:
    enriched = _enriched(_fact("F7", LOAN, "u7"), _fact("F8", PAID, "u8"), new=("F7", "F8"))
    assert _texts(enriched.blocks) == [LOAN]
    assert _enriched(_fact("F7", LOAN, "u7")).blocks == ()


def _patched(instructions: str, *facts: contracts.Fact, kind: str = "paragraph") -> tuple[Any, ...]:
    patched: contracts.Patched = _answer(
        "lace.patch.v1",
        contracts.PatchInput(
            document_title="Report", language="en", section=SECTION, instructions=instructions,
            blocks=(_block("b1", COST, PAID, kind=kind), _block("b2", LOAN)), facts=facts, target_words=100,
            forbidden_phrases=(),
        ),
    )  # fmt: skip
    return patched.edits


def test_what_is_to_be_left_out_goes_sentence_by_sentence() -> None:
    assert _patched("Leave out the loan.") == (contracts.RemovedBlock(block_id="b2"),)
    (edit,) = _patched("Please remove the council.")
    assert isinstance(edit, contracts.ReplacedBlock)
    assert (edit.block_id, _texts((edit.block,))) == ("b1", [COST])
    (listed,) = _patched("Please remove the council.", kind="list")
    assert isinstance(listed, contracts.ReplacedBlock)
    assert isinstance(listed.block, contracts.WrittenList)


def test_what_is_asked_for_is_added_from_facts_that_are_not_cited() -> None:
    toll = "The toll of the Ferry Road station pays for its upkeep since 2022."
    edits = _patched("Add the toll.", _fact("F8", toll, "u8"), _fact("F9", COST, "u9"))
    assert [type(edit) for edit in edits] == [contracts.InsertedBlock]
    assert _texts((edits[0].block,)) == [toll]


@pytest.mark.parametrize("instructions", ["Please.", "Sing a song of swans.", "Leave out the swans."])
def test_what_concerns_nothing_changes_nothing(instructions: str) -> None:
    assert _patched(instructions, _fact("F9", COST, "u9")) == ()
