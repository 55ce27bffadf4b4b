"""YAML with the places of its parts: what is read, what is refused, and that nothing crashes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.marked_yaml import Mark, MarkedYamlError, did_you_mean, part_at, read, schema_problems

_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inner": {"$ref": "#/$defs/Inner"}},
    "additionalProperties": False,
    "$defs": {
        "Inner": {
            "type": "object",
            "properties": {"at_most": {"type": "integer"}},
            "required": ["at_most"],
            "additionalProperties": False,
        }
    },
}


def test_values_and_their_places_are_read() -> None:
    marked = read("a: 1\nb:\n  - c: no\n  - '2'\n  - 1.5\n  - ~\n  - true\n")
    assert marked.value == {"a": 1, "b": [{"c": "no"}, "2", 1.5, None, True]}
    assert marked.marks["/b/0/c"] == Mark(3, 5)
    assert marked.marks["/b/1"] == Mark(4, 5)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1,\nb", 3, "not YAML"),
        ("a: 1\nb: &x 2", 2, "Anchors"),
        ("a: *x", 1, "Anchors"),
        ("a: !!python/object:os.system 1", 1, "Tags"),
        ("a: 1\na: 2", 2, "twice"),
        ("? [a]\n: 1", 1, "key must be a text"),
        ("--- 1\n--- 2", 2, "second document"),
        ("", 1, "empty"),
        ("# nothing", 1, "empty"),
        ("[" * 5000, 1, "deeper"),
        ("a:\n  \x07", 2, "does not allow"),
        ("- 1\n" * 30_000, 20_000, "more than 20000 values"),
        ("x" * 300_000, 1, "bytes"),
    ],
)
def test_what_could_be_misunderstood_or_is_too_much_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(MarkedYamlError, match=said) as caught:
        read(text)
    assert caught.value.problem.mark.line == line


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(MarkedYamlError, match="line 2, column 1: The text is not UTF-8"):
        read(b"a: 1\nb: \xff")


def test_a_schema_is_broken_at_a_line_and_with_a_hint() -> None:
    marked = read("name: x\ninner:\n  atmost: 3\nnmae: y\n")
    told = [str(problem) for problem in schema_problems(marked, _SCHEMA)]
    assert "line 4, column 1 (/nmae): There is no field 'nmae' here. Did you mean 'name'?" in told
    assert "line 3, column 3 (/inner/atmost): There is no field 'atmost' here. Did you mean 'at_most'?" in told
    assert any("/inner): " in line and "required" in line for line in told)


def test_a_word_far_from_all_gets_all_of_them() -> None:
    assert did_you_mean("zzz", ["one", "two"]) == " There are: one, two."
    assert did_you_mean("zzz", []) == ""


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", min_codepoint=32)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_plain)
@settings(max_examples=60)
def test_json_is_read_as_what_it_is_and_every_part_has_a_place(value: Any) -> None:
    if len(json.dumps(value)) > 900 or _has_odd(value):
        return  # YAML bounds the length of a key on one line, and forbids some characters
    marked = read(json.dumps(value, ensure_ascii=False))
    assert marked.value == value
    for pointer in marked.marks:
        part_at(marked.value, pointer)


def _has_odd(value: Any) -> bool:
    return any(
        ord(c) in (0x7F, 0xFEFF, 0xFFFE, 0xFFFF) or 0x80 <= ord(c) < 0xA0 for c in json.dumps(value, ensure_ascii=False)
    )


@given(st.text(alphabet="abc:-[]{}'\"#&*!|>?% \n\t,1.~", max_size=60))
@settings(max_examples=60)
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    line = 0
    try:
        marked = read(text)
    except MarkedYamlError as error:
        line = error.problem.mark.line
    assert line or "" in marked.marks
