"""Rules of build, wording, claims and sources: each finds what it is for, says where, and nothing else."""

from __future__ import annotations

import pytest

from lace_core import ir
from lace_core.suites.facts import Facts, SourceStanding
from lace_core.suites.stale import quotes_gone

from .written_documents import Text, codes, document, found, quoted, table

_LONG = "The pumps that were ordered in the autumn of that year came late, and so the old ones ran on."


def _one(*texts: Text, language: str = "en") -> ir.Artifact:
    return document(("One", texts), language=language)


@pytest.mark.parametrize(
    ("rule", "artifact", "expected"),
    [
        ("rule: sections_required, titles: [one, Harrow Bay > ONE]", _one("It rains."), []),
        ("rule: sections_required, titles: [Oen]", _one("It rains."), ["SECTION_MISSING"]),
        ("rule: sections_ordered, titles: [A, B, C]", document(("A", []), ("C", [])), []),
        ("rule: sections_ordered, titles: [A, B]", document(("B", []), ("A", [])), ["SECTION_MISPLACED"]),
        ("rule: max_depth, at_most: 2", document(("A", []), ("> B", [])), []),
        ("rule: max_depth, at_most: 1", document(("A", []), ("> B", [])), ["SECTION_TOO_DEEP"]),
        ("rule: word_count, at_least: 2, at_most: 4", _one("It rains again."), []),
        ("rule: word_count, at_least: 4", _one("It rains again."), ["TOO_SHORT"]),
        ("rule: word_count, at_most: 2", _one("It rains again."), ["TOO_LONG"]),
        (
            "rule: word_count, at_most: 2, scope: section",
            document(("A", ["It rains again."]), ("B", ["So."])),
            ["TOO_LONG"],
        ),
        ("rule: word_count, at_most: 2, sections: [B]", document(("A", ["It rains again."]), ("B", ["So."])), []),
        ("rule: no_empty_sections", document(("A", []), ("> B", ["It rains."])), []),
        ("rule: no_empty_sections", document(("A", ["It rains."]), ("B", [])), ["SECTION_EMPTY"]),
        ("rule: sections_cited", _one("It rains."), []),
        ("rule: sections_cited", _one(("It rains.", "")), ["SECTION_UNCITED"]),
        ("rule: sections_cited, at_least: 2", _one("It rains."), ["SECTION_UNCITED"]),
        ("rule: tables_captioned", _one(table("t", ["A", "B"], ["1", "2"], caption="Two")), []),
        ("rule: tables_captioned", _one(table("t", ["A", "B"], ["1", "2"])), ["CAPTION_MISSING"]),
        ("rule: sentence_length, at_most: 20", _one(_LONG), []),
        ("rule: sentence_length, at_most: 19", _one(_LONG), ["SENTENCE_TOO_LONG"]),
        ("rule: passive_voice, at_most_percent: 50", _one("The main was laid then.", "It is long."), []),
        ("rule: passive_voice, at_most_percent: 49", _one("The main was laid then.", "It is long."), ["PASSIVE_SHARE"]),
        ("rule: forbidden_words, words: [art of]", _one("A state of the art of it."), ["WORD_FORBIDDEN"]),
        ("rule: forbidden_words, words: [art]", _one("The artful party."), []),
        ("rule: forbidden_words, words: [one]", _one("It rains."), ["WORD_FORBIDDEN"]),
        ("rule: forbidden_words, patterns: ['clear(ly)?,']", _one("Clearly, it rains."), ["WORD_FORBIDDEN"]),
        ("rule: glossary, terms: [{term: main, avoid: [pipeline]}]", _one("The Pipeline leaks."), ["TERM_AVOIDED"]),
        ("rule: glossary, terms: [{term: main, avoid: [pipeline]}]", _one("The main leaks."), []),
        ("rule: heading_case, case: sentence", document(("Cost and funding", ["It rains."])), []),
        ("rule: heading_case, case: sentence", document(("Cost And funding", ["It rains."])), ["HEADING_CASE"]),
        ("rule: heading_case, case: sentence", document(("The Sallow crossing", ["At the Sallow it rains."])), []),
        ("rule: heading_case, case: title", document(("Cost and Funding", [])), []),
        ("rule: heading_case, case: title", document(("Cost and funding", [])), ["HEADING_CASE"]),
        ("rule: min_sources, at_least: 2", _one("It rains.", ("It snows.", "b")), []),
        ("rule: min_sources, at_least: 3", _one("It rains.", ("It snows.", "b")), ["SOURCES_FEW"]),
        ("rule: min_sources, at_least: 2, scope: section", document(("A", ["It rains."]), ("B", [])), ["SOURCES_FEW"]),
    ],
)
def test_a_rule_finds_what_it_is_for(rule: str, artifact: ir.Artifact, expected: list[str]) -> None:
    result = found(rule, artifact)
    assert codes(result) == expected
    assert result.status == ("failed" if expected else "passed")
    assert result.finding_count == len(expected)


@pytest.mark.parametrize(
    "rule",
    ["no_empty_sections", "tables_captioned", "number_consistency", "sections_cited", "heading_case, case: title",
     "max_depth, at_most: 1", "quote_share, at_most_percent: 1", "llm_judge, criterion: x",
     "answers, question: What is the cost?"],
)  # fmt: skip
def test_a_section_that_does_not_exist_fails_the_check_and_is_no_error(rule: str) -> None:
    if rule.startswith("max_depth"):
        result = found("rule: sections_required, titles: [Conclusions]", _one("It rains."))
    else:
        result = found(f"rule: {rule}, sections: [Conclusions]", _one("It rains."))
    assert (result.status, codes(result)) == ("failed", ["SECTION_MISSING"])
    assert "'Conclusions'" in result.message


def test_a_finding_leads_to_its_place_by_ids_and_quotes_it() -> None:
    artifact = document(("A", ["It rains."]), ("> B", ["It snows and snows."]))
    (finding,) = found("rule: sentence_length, at_most: 3", artifact).findings
    (place,) = finding.places
    assert place.pointer == "/nodes/nod_1/blocks/blk_1_0/parts/sen_1_0"
    assert (place.section, place.text) == (("Harrow Bay", "A", "B"), "It snows and snows.")
    assert place.evidence_ids == ("evd_1_0",)
    assert "4 words, 3 are allowed; split it" in finding.message


def test_the_documents_own_glossary_holds_too() -> None:
    term = ir.GlossaryTerm(term="main", definition="", avoid=("pipeline",))
    artifact = _one("The pipeline leaks.")
    rules = ir.Constraints(glossary=(term,))
    root = ir.Node(node_id="nod_root", parent_id=None, order_key="i", title="x", constraints=rules)
    ruled = ir.Artifact(artifact_id="art_1", title="x", nodes=(root, *artifact.nodes[1:]))
    assert codes(found("rule: glossary", ruled)) == ["TERM_AVOIDED"]


def test_quotations_are_counted_by_their_words() -> None:
    said = ir.Sentence(sentence_id="sen_q", text="It rained for days.")
    artifact = _one("It rained for six days.", ir.Quote(block_id="blk_q", sentences=(said,)))
    assert codes(found("rule: quote_share, at_most_percent: 40", artifact)) == ["QUOTE_SHARE"]
    assert codes(found("rule: quote_share, at_most_percent: 45", artifact)) == []


@pytest.mark.parametrize(
    ("sentence", "stated"),
    [
        ("The contractor caused the loss.", True),
        ("In May the contractor caused the loss, which the Board regretted.", False),
        ("The loss was caused by the contractor.", True),
        ("The contractor did not cause the loss.", False),
        ("The contractor may have caused the loss.", False),
        ("It is false that the contractor caused the loss.", False),
        ("The weather caused the loss.", False),
    ],
)
def test_a_forbidden_claim_is_found_where_it_is_stated_and_not_where_it_is_denied(sentence: str, stated: bool) -> None:
    result = found("rule: forbidden_claim, claim: The contractor caused the loss.", _one(sentence))
    assert codes(result) == (["CLAIM_STATED"] if stated else [])


def test_a_forbidden_claim_is_found_in_a_table() -> None:
    costs = table("t", ["Item", "Cost (£ million)"], ["Bridge", "4.2"], ["Road", "3.1"])
    assert codes(found("rule: forbidden_claim, pattern: 'bridge . 4\\.2'", _one(costs))) == ["CLAIM_STATED"]


def test_stale_citations_are_told_apart() -> None:
    artifact = _one("It rains.", ("It snows.", "b"), ("It hails.", "c"), ("It thaws.", "d"))
    standing = {
        "a": SourceStanding(newest_source_id="a2", newest_version=2),
        "b": SourceStanding(newest_source_id="b2", newest_version=3),
        "c": SourceStanding(is_gone=True),
        "d": SourceStanding(),
    }
    facts = Facts(standing=standing, quotes_gone=frozenset({"evd_0_1"}))
    result = found("rule: stale_citations", artifact, facts)
    assert codes(result) == ["SOURCE_OUTDATED", "QUOTE_GONE", "SOURCE_GONE"]
    assert "a.md has a version 2 (a2), which still says this" in result.findings[0].message
    lenient = found("rule: stale_citations, when: quote_gone", artifact, facts)
    assert codes(lenient) == ["QUOTE_GONE", "SOURCE_GONE"]


def test_staleness_nobody_was_asked_about_is_skipped_and_not_passed() -> None:
    result = found("rule: stale_citations", _one("It rains."))
    assert (result.status, result.message) == ("skipped", "Nobody was asked how the sources stand.")


def test_quotes_are_looked_for_in_the_newest_version_and_else_at_their_span() -> None:
    standing = {"a": SourceStanding(newest_source_id="a2", newest_version=2)}
    evidence = [quoted("evd_1", "It rains.", "a"), quoted("evd_2", "It pours.", "a"), quoted("evd_3", "It snows.", "b"),
                quoted("evd_4", "It hails.", "c")]  # fmt: skip
    units = {"unt_a": "It rains.", "unt_b": "It snows.", "unt_c": "So it hails."}
    newest = {"a2": {"u": "Since noon:", "v": "it rains."}}
    assert quotes_gone(evidence, units, standing, newest) == {"evd_2", "evd_4"}


@pytest.mark.parametrize("rule", ["passive_voice, at_most_percent: 1", "answers, question: Was kostet es?"])
def test_what_reads_english_alone_says_so_of_other_languages(rule: str) -> None:
    result = found(f"rule: {rule}", _one("Es regnet.", language="de-AT"))
    assert (result.status, "this is de" in result.message) == ("skipped", True)
