"""What the extractive provider makes of sentences, headings and outlines."""

from __future__ import annotations

import pytest

from lace_core import contracts
from lace_llm_gateway.adapters.extractive import headings, subjects
from lace_llm_gateway.adapters.extractive.intent import understand
from lace_llm_gateway.adapters.extractive.material import natural
from lace_llm_gateway.adapters.extractive.outline import plan_outline
from lace_llm_gateway.adapters.extractive.standing import Standing, screen
from lace_llm_gateway.adapters.extractive.words import figures, latest_date, measures, stem, tokens
from lace_llm_gateway.adapters.extractive.write import write_section


@pytest.mark.parametrize(
    "text",
    [
        "The final cost of the programme is £30.64 million.",
        "Harrow Bay is a coastal town of 38,400 people.",
        "There are three pumps in the station at Ferry Road.",
        "All six targets in the brief were met in the first year.",
        "Some members of the crew worked below the estuary at night.",
        "Both of the pumps passed their acceptance tests in June 2025.",
        "The rate fell below 0.20 megalitres a day in the first year.",
        "该项目的最终成本为三千万英镑。",
        "Die Gesamtkosten des Programms betragen 30,6 Millionen Euro.",
    ],
)
def test_stands_alone(text: str) -> None:
    assert screen(text).standing is Standing.ALONE


@pytest.mark.parametrize(
    "text",
    [
        "It was laid in cast iron between 1934 and 1937.",
        "This was the main cause of the revision of the budget.",
        "These drawings were approved by the Board in May 2023.",
        "However, the bridge cannot carry a full pipe of that size.",
        "In addition, the crew drilled three boreholes from a barge.",
        "The difference is explained by the deeper alignment of the bore.",
        "The crossing was therefore complete before the end of the window.",
        "Both were repaired within six hours of the alarm.",
        "For example, the pumps at Ferry Road ran for two days.",
        "They were returned to service on the same day.",
    ],
)
def test_leans_on_the_sentence_before(text: str) -> None:
    assert screen(text).standing is Standing.AFTER


@pytest.mark.parametrize(
    "text",
    [
        "Table 2 shows the results at the duty flow of 75 litres a second.",
        "The conditions that govern cost are listed in Section 9.",
        "The survey team lists its recommendations below.",
        "As shown above, the pressure fell in the evening.",
        "The following steps are taken before a section is connected.",
        "This report describes the tests of the pumps and the pipes.",
        "What would happen if the second bore failed as well?",
        "A member asked whether the lowest price should be accepted.",
        "Document reference: HBW-PB-01, version 2.0.",
        "Issued on 14 March 2022 by the Harrow Bay Water Board.",
        "From: jo@example.org",
        "MINUTES OF THE MEETING OF THE WATER BOARD HELD IN MAY.",
        "(The alternative is that no objects are shared between the two.)",
        "The value is (see the manual of the pump.",
        "<b>Bold</b> claims were made about the pumps at Ferry Road.",
        "ACTION: Ingrid Fallow to report on the progress of the work.",
    ],
)
def test_is_out_of_place_in_another_document(text: str) -> None:
    assert screen(text).standing is Standing.NEVER


def test_lines_that_announce_and_fragments_are_told_apart() -> None:
    assert screen("The scope of the survey had four parts:").standing is Standing.INTRODUCES
    assert screen("Budget 28.4 million").standing is Standing.FRAGMENT
    assert screen("word " * 70 + "ends.").standing is Standing.NEVER


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1. Background", "Background"),
        ("5.3 The Sallow estuary", "The Sallow estuary"),
        ("IV. Results", "Results"),
        ("Appendix B: Survey data", "Survey data"),
        ("2024 budget", "2024 budget"),
        ("A Per-Interpreter GIL", "A Per-Interpreter GIL"),
        ("  7)   Costs  ", "Costs"),
    ],
)
def test_headings_lose_their_numbers(raw: str, expected: str) -> None:
    assert headings.clean(raw) == expected


@pytest.mark.parametrize(
    "raw",
    ["Contents", "3. Attendees", "Document control", "APPENDIX A", "References", "Any other business", "Copyright"],
)
def test_headings_without_content_are_noise(raw: str) -> None:
    assert headings.is_noise(raw)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ("Surge, power and noise tests", "results"),
        ("Lessons on the environment", "lessons"),
        ("Budget and final cost", "cost"),
        ("Public consultation summary", "people"),
        ("Summary", "summary"),
        ("Rationale", "purpose"),
        ("The Sallow estuary", ""),
    ],
)
def test_headings_announce_a_part_of_the_story(raw: str, part: str) -> None:
    assert headings.part_of(raw) == part


def test_titles_are_put_into_sentence_case_with_their_names_kept() -> None:
    names = headings.known_names(
        ["The pipe crosses the Sallow estuary near Ferry Road. Road works closed it.", "All road closures end in May."]
    )
    assert headings.sentence_case("TRAFFIC AND ROAD CLOSURES", names) == "Traffic and road closures"
    assert headings.sentence_case("THE SALLOW ESTUARY", names) == "The Sallow estuary"
    assert headings.sentence_case("Work At Ferry Road", names) == "Work at Ferry Road"
    assert headings.sentence_case("Use of the GIL in CPython", names) == "Use of the GIL in CPython"
    assert headings.sentence_case("background", names) == "Background"


def test_captions_lose_their_sources_numbers() -> None:
    assert headings.caption("Table 4. Cost by item (£ thousand)") == "Cost by item (£ thousand)"
    assert headings.caption("Figure 2.1: Route") == "Route"


def test_words_of_every_script_are_found() -> None:
    assert tokens("Pump P3's rate: 1,250 m³ – naïve") == ["pump", "p3", "rate", "1,250", "m³", "naïve"]
    assert tokens("水管道") == ["水管", "管道"]
    assert stem("tests") == stem("testing") == stem("tested") == "test"


def test_figures_dates_and_measures() -> None:
    assert figures("1,250 of 1250 and three") == {"1250", "3"}
    assert latest_date("from May 2023 to 8 July 2025") == (2025, 7)
    assert measures("On 27 May 2024 boreholes BH-16 and BH-17 lost 38 cubic metres.") == {"38"}


def test_file_names_sort_as_people_count() -> None:
    assert sorted(["10-b.md", "2-a.md", "1-c.md"], key=natural) == ["1-c.md", "2-a.md", "10-b.md"]


def source(filename: str, title: str, *sections: tuple[tuple[str, ...], int, str]) -> contracts.SourceOutline:
    return contracts.SourceOutline(
        source_id=filename,
        filename=filename,
        title=title,
        sections=tuple(
            contracts.SourceSection(heading_path=path, words=words, tables=0, lead=lead)
            for path, words, lead in sections
        ),
    )


DOSSIER = (
    source(
        "01-brief.md", "Weir bridge: brief",
        (("1. Background",), 200, "Weir bridge was closed by a flood of the river in 2019."),
        (("2. Cost",), 150, "The first budget of Weir bridge is 1.2 million pounds."),
        (("3. Document control",), 80, "Version 2 was issued in May."),
    ),
    source(
        "02-ground.md", "Weir bridge: ground survey",
        (("1. Ground conditions",), 300, "Rock lies below both banks of the river at Weir bridge."),
        (("2. Attendees",), 60, "J. Moss and L. Pike."),
    ),
    source(
        "03-final.md", "Weir bridge: final report",
        (("1. Budget and cost",), 200, "The final cost of Weir bridge was 1.3 million pounds."),
        (("2. Background",), 90, "The flood of the river closed Weir bridge."),
        (("3. Lessons learned",), 180, "The survey of Weir bridge missed the timber piles in the river."),
    ),
)  # fmt: skip


def plan(sources: tuple[contracts.SourceOutline, ...], **more: object) -> list[contracts.PlannedSection]:
    asked = {
        "title": "Weir bridge",
        "instructions": "",
        "language": "en",
        "intent": contracts.Intent(purpose="", audience="", questions=(), key_terms=()),
        "sources": sources,
        "max_sections": 6,
        "target_words": 1300,
        **more,
    }
    return list(plan_outline(contracts.OutlineInput(**asked)).sections)  # type: ignore[arg-type]


def test_the_same_subject_of_several_sources_is_one_section_in_a_readers_order() -> None:
    titles = [section.title for section in plan(DOSSIER)]
    assert titles == ["Background", "Ground conditions", "Budget and cost", "Lessons learned"]


def test_instructions_narrow_the_plan() -> None:
    assert [s.title for s in plan(DOSSIER, instructions="Only the cost.")] == ["Cost", "Budget and cost"]
    left = [s.title for s in plan(DOSSIER, instructions="Leave out the lessons.")]
    assert "Lessons learned" not in left
    assert "Ground conditions" in left


def test_sources_of_one_mould_about_different_things_stay_apart() -> None:
    things = (("Tea", "leaves"), ("Steel", "furnaces"), ("Whales", "oceans"), ("Clocks", "springs"))
    sources = tuple(
        source(
            f"{at}.md", f"{thing} standard",
            (("Motivation",), 200, f"{thing} of this kind come from {origin} that few know."),
            (("Rationale",), 200, f"The {origin} decide how {thing.lower()} behave."),
            (("Rejected ideas",), 200, f"Nothing but {origin} was tried for {thing.lower()}."),
        )
        for at, (thing, origin) in enumerate(things)
    )  # fmt: skip
    assert not subjects.share_a_subject(sources)
    titles = [section.title for section in plan(sources, title="Standards")]
    assert all(any(thing in title for title in titles) for thing, _ in things)


def test_a_single_source_keeps_its_authors_order() -> None:
    own = source(
        "a.md", "Handbook",
        (("Results",), 300, "The results were good in all of the pumps."),
        (("Costs",), 300, "The costs were low for a station of its size."),
        (("Background",), 300, "The background is a long dispute about water."),
    )  # fmt: skip
    assert [s.title for s in plan((own,))] == ["Results", "Costs", "Background"]


def test_sources_without_headings_are_planned_by_their_titles() -> None:
    bare = (source("tea_notes.txt", "", ((), 400, "Tea comes from leaves that dry in the sun.")),)
    [section] = plan(bare, title="")
    assert section.title == "Tea notes"
    assert section.queries


def test_the_audience_is_taken_from_the_instructions() -> None:
    asked = contracts.IntentInput(title="T", instructions="Write it for the parish council.", language="en", sources=())
    assert understand(asked).audience == "the parish council"


def _fact(number: int, text: str, source_name: str, heading: str) -> contracts.Fact:
    return contracts.Fact(
        fact_id=f"F{number}", kind="sentence", text=text, source=source_name, heading_path=(heading,), page=0,
        unit=f"u{number}", position=0, score=500,
    )  # fmt: skip


def write(*facts: contracts.Fact, words: int = 200) -> list[contracts.WrittenSentence]:
    asked = contracts.WriteInput(
        document_title="Weir bridge",
        language="en",
        audience="",
        section=contracts.Section(title="Cost", brief="Covers: Cost.", path=(), depth=1),
        siblings=("Ground conditions",),
        facts=facts,
        target_words=words,
        must_cite=True,
        forbidden_phrases=(),
    )
    blocks = write_section(asked).blocks
    return [s for block in blocks if isinstance(block, contracts.WrittenParagraph) for s in block.sentences]


def test_the_same_statement_in_two_sources_is_said_once_and_cites_both() -> None:
    written = write(
        _fact(1, "The final cost of the bridge was 1.3 million pounds in 2023.", "a.md", "Cost"),
        _fact(2, "The final cost of the bridge was 1.3 million pounds in 2023.", "b.md", "Cost"),
        _fact(3, "The loan of the bank covered half of the cost of the bridge.", "b.md", "Cost"),
    )
    assert [set(s.fact_ids) for s in written] == [{"F1", "F2"}, {"F3"}]


def test_two_values_of_different_dates_both_stay() -> None:
    written = write(
        _fact(1, "The budget of the bridge on 2 May 2021 was 1.2 million pounds.", "a.md", "Cost"),
        _fact(2, "The budget of the bridge on 3 June 2023 was 1.3 million pounds.", "b.md", "Cost"),
    )
    assert [s.fact_ids for s in written] == [("F1",), ("F2",)]


def test_what_belongs_to_a_sibling_is_left_to_it() -> None:
    written = write(
        _fact(1, "The final cost of the bridge was 1.3 million pounds in 2023.", "a.md", "Cost"),
        _fact(2, "Rock lies 3 metres below the bank on the east of the bridge.", "a.md", "Ground conditions"),
    )
    assert [s.fact_ids for s in written] == [("F1",)]
