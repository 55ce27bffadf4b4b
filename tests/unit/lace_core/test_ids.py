"""Derived ids: typed, stable, and never the same for other parts."""

from __future__ import annotations

import base64
import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from lace_core.ids import derive

_parts = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=4)


def test_the_form_is_that_of_the_documentation() -> None:
    framed = (1).to_bytes(8, "big") + b"a" + (2).to_bytes(8, "big") + b"bc"
    expected = base64.b32encode(hashlib.sha256(framed).digest()).decode().lower()[:26]
    assert derive("nod", "a", "bc") == f"nod_{expected}"


@given(_parts)
def test_an_id_is_a_prefix_and_26_letters(parts: list[str]) -> None:
    assert re.fullmatch(r"blk_[a-z2-7]{26}", derive("blk", *parts))


@given(_parts, _parts)
def test_only_the_same_parts_give_the_same_id(one: list[str], other: list[str]) -> None:
    assert (derive("x", *one) == derive("x", *other)) == (one == other)


def test_parts_are_framed_by_their_length() -> None:
    assert len({derive("x", *parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("", "abc"), ("abc", ""))}) == 5


@given(_parts)
def test_the_characters_are_those_of_base32(parts: list[str]) -> None:
    framed = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (part.encode() for part in parts))
    expected = base64.b32encode(hashlib.sha256(framed).digest()).decode().lower()[:26]
    assert derive("x", *parts) == f"x_{expected}"
