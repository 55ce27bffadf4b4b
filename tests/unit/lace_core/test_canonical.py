"""Canonical JSON and text: hand-made vectors, and RFC 8785's reference implementation where the rules agree."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lace_core.canonical import (
    canonical_json,
    canonical_json_of_text,
    canonical_number,
    canonical_text,
    hash_json,
    nfc_length,
    sha256_hex,
)

_GOLDEN = Path(__file__).parents[2] / "golden" / "canonical"
_VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['name']}")
    for path in sorted(_GOLDEN.glob("*.json"))
    for vector in json.loads(path.read_text()).get("vectors", [])
]


def _of(kind: str) -> list[dict[str, Any]]:
    """The entries of every file that has a list of that name."""
    found = [json.loads(path.read_text()).get(kind, []) for path in sorted(_GOLDEN.glob("*.json"))]
    return [entry for entries in found for entry in entries]


_text = st.text(st.characters(codec="utf-8"), max_size=10)
_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_floats = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("vector", _VECTORS)
def test_golden_vectors(vector: dict[str, str]) -> None:
    written = canonical_json_of_text(vector["json"])
    assert written == vector["canonical"].encode()
    assert sha256_hex(written) == vector["sha256"]


@pytest.mark.parametrize("refused", _of("refused"), ids=lambda refused: refused["name"])
def test_what_has_no_canonical_form_is_refused(refused: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        canonical_json_of_text(refused["json"])


@pytest.mark.parametrize("vector", _of("texts"), ids=lambda v: v["name"])
def test_golden_texts(vector: dict[str, str]) -> None:
    assert canonical_text(vector["text"]) == vector["canonical"]
    assert sha256_hex(canonical_text(vector["text"]).encode()) == vector["sha256"]


@pytest.mark.parametrize("vector", _of("lengths"), ids=lambda v: v["name"])
def test_golden_lengths(vector: dict[str, Any]) -> None:
    assert nfc_length(vector["text"]) == vector["nfc_length"]


@pytest.mark.parametrize("vector", _of("alike"), ids=lambda v: v["name"])
def test_outputs_that_are_the_same_have_one_hash(vector: dict[str, Any]) -> None:
    written = [canonical_json_of_text(output) for output in vector["outputs"]]
    assert set(written) == {vector["canonical"].encode()}
    assert sha256_hex(written[0]) == vector["sha256"]


@pytest.mark.parametrize("vector", _of("different"), ids=lambda v: v["name"])
def test_outputs_that_differ_have_different_hashes(vector: dict[str, Any]) -> None:
    hashes = {sha256_hex(canonical_json_of_text(output)) for output in vector["outputs"]}
    assert len(hashes) == len(vector["outputs"])


@given(_values)
def test_agrees_with_the_reference_implementation_where_the_number_rules_do(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.dictionaries(_text, _floats | _values, max_size=3))
def test_a_second_pass_changes_nothing(value: dict[str, Any]) -> None:
    once = canonical_json(value)
    assert canonical_json_of_text(once) == once


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=9))
def test_a_number_is_rounded_half_up_to_six_digits(value: Decimal) -> None:
    rounded = Decimal(canonical_number(str(value)))
    scaled = abs(value) * 10**6
    whole = int(scaled) + (1 if scaled - int(scaled) >= Decimal("0.5") else 0)
    assert abs(rounded) * 10**6 == whole
    assert rounded == 0 or (rounded < 0) == (value < 0)


@given(_floats)
def test_floats_are_written_without_exponent_and_trailing_zeros(value: float) -> None:
    text = canonical_json(value).decode()
    assert "e" not in text.lower()
    assert text == "0" or not text.endswith(("0", ".")) or "." not in text
    assert text != "-0"


def test_one_is_one_however_it_is_given() -> None:
    assert len({canonical_json(one) for one in (1, 1.0, Decimal("1.000000"), Decimal("1E+0"))}) == 1
    assert hash_json([1.0, -0.0]) == hash_json([1, 0]) == hashlib.sha256(b"[1,0]").hexdigest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("Infinity")])
def test_no_number_without_a_value(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json({"a": [value]})


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["é", {"a": "\udc00x"}], {"é": "\ud800"}])
def test_no_lone_surrogates(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1: 2}, {"é": {2: 3}}, {None: 1}, b"raw", {"a": object()}, {1, 2}])
def test_what_json_does_not_have_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_nesting_is_written_or_refused_but_never_overflows() -> None:
    def nested(depth: int) -> str:
        return "[" * depth + "]" * depth

    assert canonical_json_of_text(nested(400)) == nested(400).encode()
    with pytest.raises(ValueError, match="deep"):
        canonical_json_of_text(nested(200_000))


def test_tuples_are_arrays() -> None:
    assert canonical_json((1, ("a", None))) == b'[1,["a",null]]'


@given(_text)
def test_canonical_text_is_stable(text: str) -> None:
    once = canonical_text(text)
    assert canonical_text(once) == once
    assert "\r" not in once
