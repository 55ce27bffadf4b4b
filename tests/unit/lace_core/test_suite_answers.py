"""Competency questions: what answers, what does not, and that it abstains rather than passes where that is unclear."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lace_core import ir
from lace_core.suites.facts import Facts, SourceStanding
from lace_core.suites.questions import kind_of, root

from .written_documents import codes, document, found, quoted, table

_DOCUMENT = document(
    ("Background", ["Harrow Bay is a coastal town of 38,400 people.", "The Board serves 16,900 connected properties."]),
    (
        "Cost",
        [
            ("The final cost of the scheme is £30.64 million.", "b"),
            "The Board raised the budget on 18 June 2024.",
            "The bridge is planned to be completed in May 2027.",
            "The cost of the tunnel is not known.",
        ],
    ),
    (
        "Design",
        [
            "The new main is 12.4 kilometres long.",
            "Lantern Ground Survey carried out the site survey.",
            "The Board appointed Halden Partners in 2023.",
            "Iron was chosen because the soil is mild.",
            "The Ferry Road Pumping Station was built in 1961.",
            ("The weir is 3 metres high.", ""),
        ],
    ),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What was the final cost of the scheme?", "The final cost of the scheme is £30.64 million."),
        ("How many connected properties does the Board serve?", "The Board serves 16,900 connected properties."),
        ("When did the Board raise the budget?", "The Board raised the budget on 18 June 2024."),
        ("How long is the new main?", "The new main is 12.4 kilometres long."),
        ("What is the length of the new main?", "The new main is 12.4 kilometres long."),
        ("Who carried out the site survey?", "Lantern Ground Survey carried out the site survey."),
        ("Who was appointed by the Board?", "The Board appointed Halden Partners in 2023."),
        ("Why was iron chosen?", "Iron was chosen because the soil is mild."),
        ("When was the pumping station built?", "The Ferry Road Pumping Station was built in 1961."),
        ("When is the bridge planned to be completed?", "The bridge is planned to be completed in May 2027."),
    ],
)
def test_a_question_is_answered_by_the_sentence_that_says_it(question: str, answer: str) -> None:
    result = found(f"rule: answers, question: '{question}'", _DOCUMENT)
    assert result.status == "passed"
    assert [place.text for place in result.answers] == [answer]


@pytest.mark.parametrize(
    ("question", "code", "said"),
    [
        ("What is the capital of France?", "QUESTION_UNANSWERED", "capital, france"),
        ("When did the pumping station close?", "QUESTION_UNCLEAR", "does not speak of: close"),
        ("When was the bridge completed?", "QUESTION_UNCLEAR", "may be or is planned"),
        ("What is the cost of the tunnel?", "QUESTION_UNCLEAR", "holds no number"),
        ("Who built the pumping station?", "QUESTION_UNCLEAR", "holds no name"),
        ("How many people does the Board serve?", "QUESTION_UNCLEAR", "does not speak of"),
        ("How high is the weir?", "QUESTION_UNCLEAR", "cites no evidence"),
        ("What was the final cost of the scheme in 2019?", "QUESTION_UNCLEAR", "does not hold 2019"),
        ("What is it?", "QUESTION_UNCLEAR", "names nothing"),
    ],
)
def test_what_is_not_plainly_answered_does_not_pass_and_the_nearest_is_told(
    question: str, code: str, said: str
) -> None:
    result = found(f"rule: answers, question: '{question}'", _DOCUMENT)
    assert (result.status, codes(result), result.answers) == ("failed", [code], ())
    assert said in result.message


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("What is the cost of the bridge?", "The cost of the bridge rose by 4 per cent."),
        ("What is the cost of the bridge?", "The cost of the bridge was discussed by 12 members."),
        (
            "When was the programme completed?",
            "The programme was completed thirteen weeks after the date of 30 May 2025.",
        ),
        ("When was the bridge built?", "The bridge was built by the firm that was founded in 1961."),
        ("How long is the new main?", "The new main, at a depth of 3 m, is long."),
        ("Who was the surveyor of Calder Hill?", "The surveyor visited Thornley after Calder Hill."),
        ("Who led the survey?", "The survey led to a redesign, which Halden Partners drew."),
        ("Where does the main run?", "The main did run in 2019."),
        ("Why was iron chosen?", "Iron was chosen by the firm that led the survey."),
        ("How many pumps failed?", "In 3 of the years pumps of another kind did not run, and some failed."),
    ],
)
def test_what_stands_elsewhere_in_the_sentence_is_no_answer(question: str, sentence: str) -> None:
    result = found(f"rule: answers, question: '{question}'", document(("One", [sentence])))
    assert (result.status, result.answers) == ("failed", ()), result.message


def test_a_sentence_that_its_evidence_does_not_support_answers_nothing_unless_a_person_accepted_it() -> None:
    artifact = document(("Cost", ["The bridge cost £4.2 million."]))
    wrong = quoted("evd_0_0", "The bridge cost £5.2 million.")
    node = replace(artifact.nodes[1], evidence=(wrong,))
    lying = replace(artifact, nodes=(artifact.nodes[0], node))
    rule = "rule: answers, question: How much did the bridge cost?"
    assert "does not support it (contradicted)" in found(rule, lying).message
    assert found(rule, lying, Facts(accepted=frozenset({"sen_0_0"}))).status == "passed"


def test_an_answer_must_stand_in_the_sections_that_are_named() -> None:
    rule = "rule: answers, question: How long is the new main?, sections: [{}]"
    assert found(rule.format("Design"), _DOCUMENT).status == "passed"
    elsewhere = found(rule.format("Cost"), _DOCUMENT)
    assert codes(elsewhere) == ["ANSWER_ELSEWHERE"]
    assert elsewhere.findings[0].places[0].section == ("Harrow Bay", "Design")


def test_the_documents_own_questions_are_asked_where_they_stand() -> None:
    rule = "rule: own_questions"
    assert found(rule, _DOCUMENT).status == "skipped"
    asked = ("How long is the new main?", "What is the capital of France?")
    root, background, cost, design = _DOCUMENT.nodes

    def asking(node: ir.Node, *questions: str) -> ir.Node:
        return replace(node, constraints=ir.Constraints(competency_questions=questions))

    of_root = replace(_DOCUMENT, nodes=(asking(root, asked[0]), background, cost, design))
    assert [place.text for place in found(rule, of_root).answers] == ["The new main is 12.4 kilometres long."]
    elsewhere = replace(_DOCUMENT, nodes=(root, background, asking(cost, *asked), design))
    result = found(rule, elsewhere)
    assert codes(result) == ["QUESTION_UNCLEAR", "QUESTION_UNANSWERED"] or codes(result) == ["QUESTION_UNANSWERED"] * 2
    assert [finding.places[0].node_id for finding in result.findings] == [cost.node_id] * 2
    assert result.findings[1].message.startswith(f"{asked[1]} No sentence speaks of this")


def test_sources_are_counted_by_number_name_series_and_label() -> None:
    artifact = document(("A", [("The bridge cost £4.2 million.", "a"), ("The bridge cost £4.2 million.", "b")]))
    rule = "rule: answers, question: How much did the bridge cost?, "
    assert found(f"{rule} min_sources: 2", artifact).status == "passed"
    assert codes(found(f"{rule} min_sources: 3", artifact)) == ["ANSWER_SOURCES_FEW"]
    assert found(f"{rule} cite_sources: [B.md]", artifact).status == "passed"
    assert codes(found(f"{rule} min_sources: 2, cite_sources: [b.md]", artifact)) == ["ANSWER_SOURCES_FEW"]
    assert found(f"{rule} cite_labels: [a]", artifact).status == "passed"
    assert codes(found(f"{rule} cite_labels: [a, b]", artifact)) == ["ANSWER_SOURCES_FEW"]
    facts = Facts(standing={"a": SourceStanding(series=("src_first",))})
    assert codes(found(f"{rule} cite_sources: [src_first]", artifact)) == ["ANSWER_SOURCES_FEW"]
    assert found(f"{rule} cite_sources: [src_first]", artifact, facts).status == "passed"


def test_words_that_mean_the_same_and_words_that_must_be_there_are_the_authors_to_name() -> None:
    artifact = document(("A", ["The outturn of the scheme was £30.64 million."]))
    rule = "rule: answers, question: What was the final cost of the scheme?"
    assert found(rule, artifact).status == "failed"
    assert found(f"{rule}, same: [[cost, outturn, final]]", artifact).status == "passed"
    mentions = "rule: answers, question: What was the outturn of the scheme?, mentions: [{}]"
    assert found(mentions.format("£30.64 million"), artifact).status == "passed"
    assert "does not mention 31" in found(mentions.format("'31'"), artifact).message


def test_a_row_of_a_table_answers_where_its_quote_is_the_table() -> None:
    costs = table("t", ["Item", "Cost (£ million)"], ["Bridge", "4.2"], ["Road", "3.1"])
    cited = replace(costs, rows=tuple(replace(row, evidence_ids=("evd_t",)) for row in costs.rows))
    artifact = document(("Money", [cited]))
    whole = quoted("evd_t", "Item | Cost (£ million)\nBridge | 4.2\nRoad | 3.1")
    artifact = replace(artifact, nodes=(artifact.nodes[0], replace(artifact.nodes[1], evidence=(whole,))))
    result = found("rule: answers, question: What is the cost of the bridge?", artifact)
    assert [place.text for place in result.answers] == ["Bridge | 4.2"]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did it open?", "date"),
        ("In which year was it built?", "date"),
        ("How many pumps are there?", "number"),
        ("What is the total capacity?", "number"),
        ("How much does it cost?", "number"),
        ("Who built it?", "name"),
        ("By whom was it built?", "name"),
        ("Where does it run?", "place"),
        ("Why was it built?", "reason"),
        ("What did the boreholes find?", "any"),
    ],
)
def test_the_kind_of_answer_is_read_off_the_question(question: str, kind: str) -> None:
    assert kind_of(question) == kind


@pytest.mark.parametrize(
    ("one", "other"),
    [("serve", "serves"), ("raise", "raised"), ("plan", "planned"), ("properties", "property"), ("led", "lead"),
     ("built", "build"), ("costs", "cost"), ("crossing", "cross"), ("length", "long"), ("loss", "losses")],
)  # fmt: skip
def test_forms_of_a_word_have_one_root(one: str, other: str) -> None:
    assert root(one) == root(other)


@pytest.mark.parametrize(("one", "other"), [("open", "close"), ("need", "new"), ("string", "stream"), ("bus", "bush")])
def test_other_words_have_other_roots(one: str, other: str) -> None:
    assert root(one) != root(other)
