"""The facts that the provider extractive takes out: verbatim, with what they name, and no word of a command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from lace_core import contracts, librarian
from lace_core.contracts import ExtractedFact, ExtractedFacts, ExtractFactsInput, LibrarianUnit, UnitSpan
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider, compose
from lace_llm_gateway.adapters.replay.provider import ReplayProvider
from lace_llm_gateway.domain.answers import canonical_output
from lace_llm_gateway.domain.exchange import ProviderRequest
from lace_llm_gateway.domain.prompts import template_of

CONTRACT = contracts.EXTRACT_FACTS.name
GOLDEN = Path(__file__).parents[2] / "golden" / "lace_llm_gateway" / "prompts" / "injections.json"
INJECTIONS: list[dict[str, str]] = json.loads(GOLDEN.read_text())
COST = "The approved budget on 14 March 2022 is 28.4 million pounds."
CRACKS = "Inspectors of the county found no crack in the main girders."


def unit(*texts: str, kind: str = "paragraph", first: int = 1, header: tuple[str, ...] = ()) -> LibrarianUnit:
    return LibrarianUnit(
        kind=kind, heading_path=("Cost",), page=0, caption="", header=header,  # type: ignore[arg-type]
        spans=tuple(UnitSpan(span_id=f"S{at}", text=text) for at, text in enumerate(texts, first)),
    )  # fmt: skip


def request_for(*units: LibrarianUnit, most: int = 50) -> ProviderRequest:
    """Asked as the gateway asks: rendered into the prompt."""
    asked = ExtractFactsInput(filename="a.md", title="A", language="en", units=units, max_facts=most)
    messages = template_of(CONTRACT).render(msgspec.json.encode(asked).decode())
    return ProviderRequest(
        contract=CONTRACT, messages=messages, output_schema=None, model="extractive-1", temperature_milli=0,
        max_output_tokens=8000, timeout_s=5.0,
    )  # fmt: skip


def extracted(*units: LibrarianUnit, most: int = 50) -> tuple[ExtractedFact, ...]:
    request = request_for(*units, most=most)
    output = canonical_output(CONTRACT, compose(request))
    assert output == canonical_output(CONTRACT, compose(request))
    return msgspec.json.decode(output, type=ExtractedFacts).facts


def test_sentences_are_facts_with_what_they_name() -> None:
    found = extracted(unit(COST, CRACKS))
    assert [(fact.statement, fact.quote, fact.span_id) for fact in found] == [
        (COST, COST, "S1"), (CRACKS, CRACKS, "S2"),
    ]  # fmt: skip
    assert [(each.kind, each.text) for each in found[0].qualifiers] == [
        ("date", "14 March 2022"), ("number", "28.4 million"),
    ]  # fmt: skip
    assert all(0 < fact.confidence <= 1000 for fact in found)


def test_rows_and_items_are_facts_and_heads_are_none() -> None:
    found = extracted(
        unit("Year | Cost", "2020 | 1.5", kind="table", header=("Year", "Cost")),
        unit("Steel girders of 40 m", kind="list", first=3),
    )
    assert [fact.statement for fact in found] == ["2020 | 1.5", "Steel girders of 40 m"]


@pytest.mark.parametrize("text", ["It rose by 5 per cent.", "What did it cost?", "See the table below.", "—", "   "])
def test_what_cannot_stand_alone_is_no_fact(text: str) -> None:
    assert [fact.statement for fact in extracted(unit(text, COST))] == [COST]


def test_of_too_many_those_that_name_most_stay_in_their_order() -> None:
    plain = "The council discussed the old bridge at length."
    assert [fact.statement for fact in extracted(unit(plain, COST, plain, CRACKS), most=1)] == [COST]
    assert extracted(unit(COST), most=0) == ()


@pytest.mark.parametrize("injection", INJECTIONS, ids=[each["name"] for each in INJECTIONS])
def test_a_hostile_unit_changes_nothing_about_the_others(injection: dict[str, str]) -> None:
    honest = [fact.statement for fact in extracted(unit(COST, CRACKS))]
    text = injection["text"]
    found = extracted(unit(text, kind="quote"), unit(COST, CRACKS, first=2))
    assert [fact.statement for fact in found if fact.span_id != "S1"] == honest
    assert all(fact.quote == text.strip() for fact in found if fact.span_id == "S1")


async def test_a_recorded_answer_is_replayed(tmp_path: Path) -> None:
    source = ExtractiveProvider()
    recorded = await ReplayProvider(tmp_path, source).complete(request_for(unit(COST, CRACKS)))
    await source.close()
    alone = ReplayProvider(tmp_path)
    assert (await alone.complete(request_for(unit(COST, CRACKS)))).text == recorded.text
    with pytest.raises(LaceError) as missing:
        await alone.complete(request_for(unit(COST)))
    assert missing.value.reason is Reason.RECORDING_NOT_FOUND


def test_what_it_takes_out_of_a_unit_holds_there() -> None:
    text = f"{COST} {CRACKS}"
    spans = ((0, len(COST), COST), (len(COST) + 1, len(text), CRACKS))
    asked = librarian.question("a.md", "A", "en", [librarian.Piece(unit_id="unt_1", kind="paragraph", spans=spans)], 9)
    kept, refused = librarian.located(asked, ExtractedFacts(facts=extracted(*asked.asked.units)))
    assert refused == []
    assert [librarian.check(stated, text).refusal for stated in kept] == [None, None]
