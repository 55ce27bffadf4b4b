"""Policies that are wrong: each defect has a code, a line and a column, and nothing else is ever raised."""

from __future__ import annotations

import json
from typing import Any, get_args

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.constraints import FIELDS
from lace_core.errors import LaceError, Reason
from lace_core.ir import Constraints
from lace_core.marked_yaml import MOST_BYTES
from lace_core.policies.chain import at_key, reference_of
from lace_core.policies.checking import check_files
from lace_core.policies.findings import CODES, PolicyRefused
from lace_core.policies.model import Lockable, Rules, policy_schema
from lace_core.policies.parsing import examine, parse

HEAD = "policy: house\nversion: 1\n"


def _found(text: str | bytes) -> list[tuple[str, int, int]]:
    parsed, findings = examine(text)
    assert (parsed is None) == any(finding.severity == "error" for finding in findings)
    assert {finding.code for finding in findings} <= set(CODES)
    return [(finding.code, finding.line, finding.column) for finding in findings]


WRONG: dict[str, tuple[str | bytes, tuple[str, int, int]]] = {
    "unknown key": (f"{HEAD}constraints:\n  max_wrods: 5\n", ("POLICY_KEY_UNKNOWN", 4, 3)),
    "unknown top key": (f"{HEAD}constraint: {{}}\n", ("POLICY_KEY_UNKNOWN", 3, 1)),
    "key missing": ("policy: house\n", ("POLICY_KEY_MISSING", 1, 1)),
    "wrong type": (f"{HEAD}constraints:\n  must_cite: maybe\n", ("POLICY_TYPE", 4, 3)),
    "not an object": ("- house\n", ("POLICY_TYPE", 1, 1)),
    "number out of range": ("policy: house\nversion: 0\n", ("POLICY_VALUE", 2, 1)),
    "name with capitals": ("policy: House\nversion: 1\n", ("POLICY_VALUE", 1, 1)),
    "unknown lock": (f"{HEAD}constraints: {{locked: [max_word]}}\n", ("POLICY_VALUE", 3, 24)),
    "words cross": (f"{HEAD}constraints:\n  min_words: 9\n  max_words: 3\n", ("POLICY_VALUE", 4, 3)),
    "term avoided": (
        f"{HEAD}constraints: {{glossary: [{{term: a, avoid: [b]}}, {{term: b}}]}}\n",
        ("POLICY_VALUE", 3, 44),
    ),
    "open bracket": (f"{HEAD}sections:\n  - title: 'Cost [a'\n    constraints: {{}}\n", ("POLICY_PATTERN", 4, 5)),
    "no such RE2": (f"{HEAD}redaction: {{patterns: ['(?=x)']}}\n", ("POLICY_PATTERN", 3, 24)),
    "matches nothing": (f"{HEAD}redaction: {{patterns: ['a*']}}\n", ("POLICY_PATTERN", 3, 24)),
    "unknown provider": (f"{HEAD}models: {{allow: [opnai]}}\n", ("POLICY_VALUE", 3, 18)),
    "extends itself": (f"{HEAD}extends: house\n", ("POLICY_LOOP", 3, 1)),
    "repeated key": (f"{HEAD}version: 2\n", ("POLICY_KEY_REPEATED", 3, 1)),
    "not YAML": ("policy: [a\nversion: {\n", ("POLICY_NOT_YAML", 2, 8)),
    "empty": ("", ("POLICY_NOT_YAML", 1, 1)),
    "binary": (b"\x00\x01\xfe\xff", ("POLICY_NOT_UTF8", 1, 1)),
    "NUL": (b"policy: house\nversion: \x00\n", ("POLICY_NOT_YAML", 2, 1)),
    "escaped NUL": (f'{HEAD}description: "a\\0b"\n', ("POLICY_NOT_YAML", 3, 14)),
    "10 MB": ("#" * 10_000_000, ("POLICY_TOO_LARGE", 1, 1)),
    "deep": ("[" * 100_000, ("POLICY_TOO_DEEP", 1, 33)),
    "aliases": ("a: &a [x, x]\nb: &b [*a, *a]\n", ("POLICY_ALIAS", 1, 4)),
    "tag": ("policy: !!python/object/apply:os.system [echo]\n", ("POLICY_TAG", 1, 9)),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_a_defect_has_its_code_and_its_place(text: str | bytes, expected: tuple[str, int, int]) -> None:
    assert expected in _found(text)


def test_an_unknown_key_comes_with_the_nearest_that_is_known() -> None:
    _, findings = examine(WRONG["unknown key"][0])
    assert "Did you mean 'max_words'?" in findings[0].message
    assert findings[0].pointer == "/constraints/max_wrods"


def test_all_defects_are_told_in_the_order_of_the_text() -> None:
    found = _found(f"{HEAD}constraint: {{}}\nmodels: {{allow: []}}\nsection: []\n")
    assert [code for code, _, _ in found] == ["POLICY_KEY_UNKNOWN", "POLICY_VALUE", "POLICY_KEY_UNKNOWN"]
    assert [line for _, line, _ in found] == [3, 4, 5]


def test_the_failure_tells_every_place() -> None:
    with pytest.raises(PolicyRefused) as failure:
        parse(f"{HEAD}constraint: {{}}\nsection: []\n")
    assert failure.value.reason is Reason.POLICY_INVALID
    assert failure.value.message.startswith("Line 3, column 1: ")
    assert [detail.description.split(": ")[0] for detail in failure.value.details] == ["3:1", "4:1"]


# -- what extends what --------------------------------------------------------------------------------------------


def _policy(name: str, extends: str = "", version: int = 1, more: str = "") -> bytes:
    head = f"policy: {name}\nversion: {version}\n"
    return f"{head}{f'extends: {extends}' if extends else ''}\n{more}".encode()


def test_a_circle_is_shown_in_the_message() -> None:
    found = check_files({"a": _policy("a", "b"), "b": _policy("b", "c@1"), "c": _policy("c", "a")})
    (finding,) = found["a"].findings
    assert (finding.code, finding.line, finding.pointer) == ("POLICY_LOOP", 3, "/extends")
    assert finding.message == "Policies extend one another in a circle: a@1 → b@1 → c@1 → a@1."
    with pytest.raises(PolicyRefused) as failure:
        raise at_key(parse(_policy("a", "b").decode()), "/extends", "LOOP", "A circle.")
    assert failure.value.reason is Reason.POLICY_LOOP


def test_what_is_extended_is_the_newest_unless_a_version_is_named() -> None:
    house = {"one": _policy("house"), "two": _policy("house", version=2)}
    newest = check_files({**house, "team": _policy("team", "house")})["team"].chain
    named = check_files({**house, "team": _policy("team", "house@1")})["team"].chain
    assert newest is not None
    assert named is not None
    assert (newest[1].name, named[1].name) == ("house@2", "house@1")


def test_what_is_extended_and_not_there_is_a_warning_without_a_server() -> None:
    checked = check_files({"team": _policy("team", "house@7")})["team"]
    assert [(found.code, found.severity) for found in checked.findings] == [("POLICY_PARENT_UNKNOWN", "warning")]
    assert checked.is_valid
    assert checked.chain is None


def test_two_texts_cannot_be_one_version() -> None:
    checked = check_files({"a": _policy("house"), "b": _policy("house", more="description: Other.\n")})
    assert [found.code for each in checked.values() for found in each.findings] == ["POLICY_VALUE"] * 2


def test_a_long_chain_ends() -> None:
    texts = {f"p{at}": _policy(f"p{at}", f"p{at + 1}") for at in range(40)} | {"p40": _policy("p40")}
    assert [found.code for found in check_files(texts)["p0"].findings] == ["POLICY_VALUE"]


@pytest.mark.parametrize("name", ["House", "house@", "house@0", "house@1.0", "", "a b", "house@12345678"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(LaceError) as failure:
        reference_of(name)
    assert failure.value.reason is Reason.INVALID_ARGUMENT


# -- the schema ---------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_knows_every_constraint() -> None:
    schema = policy_schema()
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(FIELDS) == set(Rules.__struct_fields__) - {"locked"} == set(get_args(Lockable))
    assert set(Constraints.__struct_fields__) == set(Rules.__struct_fields__)
    assert jsonschema_rs.is_valid(schema, {"policy": "house", "version": 1})
    assert not jsonschema_rs.is_valid(schema, {"policy": "house", "version": 1, "constraint": {}})


# -- whatever comes ----------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(
    ["policy", "version", "extends", "constraints", "sections", "title", "glossary", "term", "avoid", "locked",
     "models", "allow", "redaction", "patterns", "publish", "prompts", "house_rules", "all", "a~/b", "", "é",
     "\ud800", "\x00"]
)  # fmt: skip
_LETTERS = "policy:version1house{}[]&*!|>-#'\"\n \t~\\%@\x00é\ud800"
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | _KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=60, deadline=None)
@given(_VALUES)
def test_no_value_raises_anything_else(value: Any) -> None:
    parsed, findings = examine(json.dumps(value))
    assert (parsed is None) == bool(findings)


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="policy:version1house{}[]&*!|>-#'\"\n \t~\\%@\x00é\ud800", max_size=120) | st.binary(max_size=120)
)
def test_no_text_raises_anything_else(text: str | bytes) -> None:
    for finding in examine(text)[1]:
        assert min(finding.line, finding.column) >= 1
        assert finding.code in CODES


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=30))
def test_no_pattern_or_title_raises_anything_else(pattern: str, title: str) -> None:
    text = json.dumps(
        {
            "policy": "house", "version": 1, "redaction": {"patterns": [pattern]},
            "sections": [{"title": title, "constraints": {"forbidden_phrases": [pattern]}}],
            "models": {"allow": [pattern]}, "prompts": {pattern: "0" * 64},
        }
    )  # fmt: skip
    examine(text)


def test_the_largest_policy_is_read() -> None:
    line = "    - {term: term%05d, avoid: [word%05d]}\n"
    text = f"{HEAD}constraints:\n  glossary:\n" + "".join(line % (at, at) for at in range(500))
    assert len(text) < MOST_BYTES
    assert parse(text).policy.constraints.constraints().glossary is not None
