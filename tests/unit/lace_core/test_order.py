"""Order keys: there is always room between two, before the first and after the last."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.order import between, is_key, spread

_keys = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6).filter(is_key)


@given(_keys, _keys)
def test_a_key_always_fits_between_two(one: str, other: str) -> None:
    if one != other:
        low, high = sorted((one, other))
        made = between(low, high)
        assert low < made < high
        assert is_key(made)


@given(_keys)
def test_a_key_fits_at_either_end(key: str) -> None:
    assert between("", key) < key < between(key, "")
    assert is_key(between("", key))
    assert is_key(between(key, ""))


@given(st.integers(0, 2**32))
def test_insertions_anywhere_keep_their_order(seed: int) -> None:
    draw = random.Random(seed)
    keys: list[str] = []
    for _ in range(60):
        at = draw.randint(0, len(keys))
        keys.insert(at, between(keys[at - 1] if at else "", keys[at] if at < len(keys) else ""))
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("at_front", [True, False])
def test_keys_grow_slowly_at_one_end(at_front: bool) -> None:
    key = between("", "")
    for _ in range(200):
        key = between("", key) if at_front else between(key, "")
    assert len(key) <= 60


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 35, 36, 100, 1300, 3000])
def test_spread_keys_are_keys_in_order(count: int) -> None:
    keys = spread(count)
    assert len(keys) == count
    assert keys == sorted(set(keys))
    assert all(map(is_key, keys))
    for low, high in zip(["", *keys], [*keys, ""], strict=True):
        assert is_key(between(low, high))


@pytest.mark.parametrize(("low", "high"), [("b", "a"), ("a", "a"), ("a", "a0"), ("A", ""), ("", "é"), ("a0", "b")])
def test_what_leaves_no_room_is_refused(low: str, high: str) -> None:
    with pytest.raises(ValueError):
        between(low, high)
