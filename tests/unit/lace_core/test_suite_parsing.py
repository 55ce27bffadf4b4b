"""Suites as people write them: what is read, and that every mistake is told by line, column and pointer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_core.marked_yaml import read
from lace_core.suites.checks import RULES
from lace_core.suites.suite import Suite, json_schema, parse

_HEAD = "lace_suite: 1\nname: one\nchecks:\n"
_EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "suites").glob("*.yaml"))


def _refused(text: str) -> LaceError:
    with pytest.raises(LaceError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("file", _EXAMPLES, ids=lambda file: file.name)
def test_the_examples_fit_the_language_and_its_schema(file: Path) -> None:
    suite = parse(file.read_text(encoding="utf-8")).suite
    schema = jsonschema_rs.validator_for(json_schema())
    assert schema.is_valid(read(file.read_text(encoding="utf-8")).value)
    assert msgspec.convert(msgspec.to_builtins(suite), Suite) == suite


def test_the_schema_is_json_and_names_every_rule() -> None:
    text = json.dumps(json_schema())
    assert all(f'"{rule}"' in text for rule in RULES)


def test_an_unknown_rule_is_told_where_it_stands_and_what_was_meant() -> None:
    error = _refused(_HEAD + "- rule: max_depth\n  at_most: 3\n- rule: anwsers\n  question: x\n")
    assert error.reason is Reason.SUITE_RULE_UNKNOWN
    assert error.message == "line 6, column 3 (/checks/1/rule): There is no rule 'anwsers'. Did you mean 'answers'?"
    assert error.details[0].field == "/checks/1/rule"


@pytest.mark.parametrize(
    ("checks", "pointer", "said"),
    [
        ("- rule: max_depth\n", "/checks/0", "required"),
        ("- rule: max_depth\n  at_most: deep\n", "/checks/0/at_most", "integer"),
        ("- rule: max_depth\n  at_most: 3\n  at_mots: 3\n", "/checks/0/at_mots", "Did you mean 'at_most'"),
        ("- rule: word_count\n  at_least: 9\n  at_most: 3\n", "/checks/0/at_least", "Nothing is at least 9"),
        ("- at_most: 3\n", "/checks/0/rule", "needs a rule"),
        ("- rule: 3\n", "/checks/0/rule", "needs a rule"),
        ("- 3\n", "/checks/0", "object"),
        ("  []\n", "/checks", "less than 1 item"),
        ("- {rule: no_empty_sections, id: A B}\n", "/checks/0/id", "match"),
        ("- {rule: no_empty_sections, id: a}\n- {rule: max_depth, at_most: 1, id: a}\n", "/checks/0/id", "2 checks"),
        ("- {rule: forbidden_claim}\n", "/checks/0", "claim or a pattern"),
        ("- {rule: forbidden_claim, claim: a, pattern: b}\n", "/checks/0", "one of them"),
        ("- {rule: forbidden_words}\n", "/checks/0", "Give words or patterns"),
        ("- {rule: forbidden_claim, pattern: '(?=a)'}\n", "/checks/0/pattern", "cannot be read"),
        ("- {rule: forbidden_claim, pattern: '(a)\\1'}\n", "/checks/0/pattern", "back-references"),
        ("- {rule: forbidden_words, patterns: [a, 'b*']}\n", "/checks/0/patterns/1", "where there is nothing"),
        ("- {rule: forbidden_words, patterns: ['(((a{1000}){1000}){1000})']}\n", "/checks/0/patterns/0", "cannot be"),
        ("- {rule: readability, formula: fog}\n", "/checks/0/formula", "fog"),
        ("- {rule: llm_judge, criterion: x}\n" * 11, "/checks/10", "more than 10 checks for a model"),
        ("- {rule: no_empty_sections}\n" * 201, "/checks", "200"),
    ],
)
def test_each_mistake_has_a_pointer_and_says_what_is_wrong(checks: str, pointer: str, said: str) -> None:
    error = _refused(_HEAD + checks)
    assert error.reason is Reason.SUITE_INVALID
    assert (pointer, True) in [(detail.field, said in detail.description) for detail in error.details], error.details
    assert all(detail.description.startswith("line ") for detail in error.details)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("name: x\nchecks: [{rule: no_empty_sections}]\n", ""),
        ("lace_suite: 2\nname: x\nchecks: [{rule: no_empty_sections}]\n", "/lace_suite"),
        ("lace_suite: 1\nname: Not a name\nchecks: [{rule: no_empty_sections}]\n", "/name"),
        ("[1, 2]", ""),
        ("just text", ""),
        ("a: [", ""),
    ],
)
def test_what_is_no_suite_is_refused(text: str, pointer: str) -> None:
    error = _refused(text)
    assert error.reason is Reason.SUITE_INVALID
    assert pointer in [detail.field for detail in error.details]


def test_all_mistakes_are_told_at_once() -> None:
    error = _refused(_HEAD + "- {rule: max_depth, at_most: x}\n- {rule: max_depth, deep: 1}\n")
    assert {detail.field.split("/")[2] for detail in error.details} == {"0", "1"}
    assert error.message.endswith("more)")


def test_a_pattern_made_to_backtrack_takes_no_time() -> None:
    from .written_documents import codes, document, found

    suspect = document(("One", ["a" * 5000 + "!"]))
    began = time.perf_counter()
    result = found("rule: forbidden_claim, pattern: '(a+)+b'", suspect)
    assert codes(result) == []
    assert time.perf_counter() - began < 2


_WORDS = st.sampled_from(
    ["rule", "answers", "max_depth", "at_most", "id", "3", "-1", "[]", "{}", "'x'", "question", "pattern", "a b", "~"]
)


@given(st.lists(st.tuples(_WORDS, _WORDS), max_size=6))
@settings(max_examples=60)
def test_whatever_stands_in_a_check_is_read_or_refused_with_a_place(pairs: list[tuple[str, str]]) -> None:
    body = ", ".join(f"{key}: {value}" for key, value in pairs if key not in ("[]", "{}"))
    refused = None
    try:
        parse(f"{_HEAD}- {{{body}}}\n")
    except LaceError as error:
        refused = error
    assert refused is None or refused.reason in (Reason.SUITE_INVALID, Reason.SUITE_RULE_UNKNOWN)
    assert refused is None or all(detail.description.startswith("line ") for detail in refused.details)
