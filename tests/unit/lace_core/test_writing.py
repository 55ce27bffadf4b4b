"""From what a model wrote to actions: strangers refused, the unsupported kept out, each piece citing its own span."""

from __future__ import annotations

from typing import Any

import pytest

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.contracts import (
    Carried,
    JudgeVerdict,
    Written,
    WrittenList,
    WrittenParagraph,
    WrittenSentence,
)
from lace_core.planning import Grounds, Unit, UnitTable, grounds_of
from lace_core.validate import errors, validate
from lace_core.writing import SentenceVerdict, actions_of, check, unknown_facts

from .strategies import SOURCE, planted


def _unit(kind: str, text: str, spans: tuple[tuple[int, int], ...] = (), **more: Any) -> Unit:
    return Unit(
        unit_id=f"unt_{kind}",
        source_id="src_1",
        source_version="v1",
        extraction="x1",
        filename="a.md",
        order=1,
        kind=kind,
        text=text,
        spans=spans,
        **more,
    )


_TABLE = UnitTable("Pumps", ("Pump", "Flow (l/s)"), (("Pump A", "12"), ("Pump B", "15")))
_TABLE_TEXT = "Pump | Flow (l/s)\nPump A | 12\nPump B | 15"
_UNITS = (
    _unit("paragraph", "The pump failed. It was old.", ((0, 16), (17, 28))),
    _unit("table", _TABLE_TEXT, ((18, 29), (30, 41)), table=_TABLE),
    _unit("list", "- Valve 3\n- Valve 4", ((2, 9), (12, 19))),
    _unit("code", "x = 1", language="python"),
    _unit("quote", "We were wrong."),
)
GROUNDS: dict[str, Grounds] = {g.fact.fact_id: g for g in grounds_of([(unit, 500, "bm25") for unit in _UNITS], first=1)}
# F1, F2: sentences; F3: the table; F4: the list; F5: the code; F6: the quotation


def _says(text: str, *facts: str) -> WrittenSentence:
    return WrittenSentence(text=text, fact_ids=facts)


def _paragraph(*sentences: WrittenSentence) -> WrittenParagraph:
    return WrittenParagraph(sentences=sentences)


def _actions(written: Written) -> list[act.Action]:
    node_id = planted().nodes[-1].node_id
    return actions_of(written, check(written, GROUNDS, node_id), GROUNDS, node_id, "run/node")


def _blocks(written: Written) -> list[ir.Block]:
    return [action.block for action in _actions(written) if isinstance(action, act.InsertBlock)]


def _quotes(written: Written) -> dict[str, str]:
    inserted = [action for action in _actions(written) if isinstance(action, act.InsertBlock)]
    return {evidence.evidence_id: evidence.quote for action in inserted for evidence in action.evidence}


def test_facts_that_were_not_given_are_named_with_a_pointer() -> None:
    written = Written(
        blocks=(
            _paragraph(_says("a", "F1"), _says("b", "F1", "F77")),
            WrittenList(ordered=False, items=(_says("c", "F78"),)),
            Carried(fact_id="F79", caption=""),
            Carried(fact_id="F1", caption=""),
            Carried(fact_id="F3", caption=""),
        ),
        summary="",
    )
    assert unknown_facts(written, GROUNDS) == [
        ("/blocks/0/sentences/1/fact_ids", "F77"),
        ("/blocks/1/items/0/fact_ids", "F78"),
        ("/blocks/2/fact_id", "F79"),
        ("/blocks/3/fact_id", "F1"),
    ]


def test_a_sentence_that_is_not_supported_is_kept_out() -> None:
    written = Written(
        blocks=(
            _paragraph(
                _says("The pump failed.", "F1"),
                _says("The pump did not fail.", "F1"),
                _says("It was old."),
            ),
        ),
        summary="",
    )
    assert [v.verdict for v in check(written, GROUNDS, "nod_1")] == ["supported", "contradicted", "unsupported"]
    (block,) = _blocks(written)
    assert isinstance(block, ir.Paragraph)
    assert [sentence.text for sentence in block.sentences] == ["The pump failed."]


def test_a_section_of_which_nothing_stands_stays_as_it_was() -> None:
    assert _actions(Written(blocks=(_paragraph(_says("All is well.", "F1")),), summary="All is well.")) == []


def test_sentence_ids_are_stable_and_distinct() -> None:
    written = Written(blocks=(_paragraph(_says("It was old.", "F2"), _says("It was old.", "F2")),), summary="")
    one, other = check(written, GROUNDS, "nod_1")
    assert one.sentence_id != other.sentence_id
    assert check(written, GROUNDS, "nod_1") == [one, other]


@pytest.mark.parametrize(
    ("summary", "is_kept"),
    [("The pump failed.", True), ("The pump failed in 1936.", False), ("It was old.", False), ("", False)],
)
def test_a_summary_is_held_to_what_the_section_cites(summary: str, is_kept: bool) -> None:
    made = _actions(Written(blocks=(_paragraph(_says("The pump failed.", "F1")),), summary=summary))
    assert [action.summary for action in made if isinstance(action, act.SetSummary)] == [summary] * is_kept
    assert made[-1] == act.SetNodeState(
        key="run/node/state", node_id=planted().nodes[-1].node_id, state=ir.NodeState.DRAFT
    )


def test_the_rows_of_a_carried_table_cite_each_its_own() -> None:
    written = Written(blocks=(Carried(fact_id="F3", caption="Flows"),), summary="")
    (table,) = _blocks(written)
    assert isinstance(table, ir.Table)
    quotes = _quotes(written)
    assert [[quotes[e] for e in row.evidence_ids] for row in table.rows] == [["Pump A | 12"], ["Pump B | 15"]]
    assert (table.caption, table.header) == ("Flows", _TABLE.header)
    (bare,) = _blocks(Written(blocks=(Carried(fact_id="F3", caption=""),), summary=""))
    assert isinstance(bare, ir.Table)
    assert bare.caption == "Pumps"


def test_a_sentence_out_of_a_table_cites_its_row_with_the_heads() -> None:
    written = Written(blocks=(_paragraph(_says("Pump B had a flow of 15 l/s.", "F3")),), summary="")
    assert list(_quotes(written).values()) == ["Pump | Flow (l/s)", "Pump B | 15"]


def test_an_item_out_of_a_list_cites_its_item() -> None:
    items = (_says("Valve 4", "F4"), _says("Valve 5", "F4"))
    written = Written(blocks=(WrittenList(ordered=True, items=items),), summary="")
    (block,) = _blocks(written)
    assert isinstance(block, ir.ListBlock)
    assert ([item.text for item in block.items], block.ordered) == (["Valve 4"], True)
    assert list(_quotes(written).values()) == ["Valve 4"]


def test_lists_code_and_quotations_are_carried_as_they_are() -> None:
    written = Written(blocks=tuple(Carried(fact_id=fact_id, caption="") for fact_id in ("F4", "F5", "F6")), summary="")
    listed, code, quote = _blocks(written)
    quotes = _quotes(written)
    assert isinstance(listed, ir.ListBlock)
    assert [quotes[e] for item in listed.items for e in item.evidence_ids] == ["Valve 3", "Valve 4"]
    assert isinstance(code, ir.Code)
    assert (code.text, code.language) == ("x = 1", "python")
    assert isinstance(quote, ir.Quote)
    assert quote.sentences[0].text == "We were wrong."


def test_the_actions_fit_a_document_and_give_a_sound_one() -> None:
    written = Written(
        blocks=(
            _paragraph(_says("The pump failed.", "F1"), _says("It was old.", "F2")),
            *(Carried(fact_id=fact_id, caption="") for fact_id in ("F3", "F4", "F5", "F6")),
        ),
        summary="The pump failed.",
    )
    applied = apply(
        planted(), act.Proposal(base_hash="", actions=tuple(_actions(written))), Policy(on_conflict="rebase")
    )
    assert applied.rejections == ()
    assert applied.artifact.sources == (SOURCE,)
    texts = {unit.unit_id: unit.text for unit in _UNITS} | {"unt_1": ""}
    found = [f for f in errors(validate(applied.artifact, texts)) if applied.artifact.nodes[-1].node_id in f.pointer]
    assert found == []


def _verdict(name: str, verdict: str) -> SentenceVerdict:
    return SentenceVerdict(sentence_id=name, text=name, fact_ids=("F1",), verdict=verdict, reasons=("own: x",))


def _judged(name: str, verdict: Any) -> JudgeVerdict:
    return JudgeVerdict(sentence_id=name, verdict=verdict, reason="because")
