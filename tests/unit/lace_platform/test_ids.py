"""Ids: their form, their order, and that no two are the same."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lace_platform import ids
from lace_platform.clock import utc_now
from lace_platform.ids import new_id

FORM = re.compile(r"run_[0-9a-hjkmnp-tv-z]{26}")


def test_an_id_is_its_prefix_and_26_characters() -> None:
    assert FORM.fullmatch(new_id("run"))


def test_ids_ascend_in_text_order_even_within_a_millisecond() -> None:
    made = [new_id("run") for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000


def test_ids_of_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id("evt"), range(4000)))
    assert len(set(made)) == 4000


def test_ids_ascend_though_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id("evt")
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000)
    assert new_id("evt") > first


@pytest.mark.parametrize("value", [0, 1, 31, 1 << 30, (1 << 128) - 1, 0x0123456789ABCDEF0123456789ABCDEF])
def test_an_id_is_its_number_in_crockfords_digits(value: int) -> None:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    assert ids._encode(value) == "".join(digits[value >> 5 * place & 31] for place in range(25, -1, -1))


def test_the_time_is_at_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of two processes sort by their milliseconds, whatever their random parts."""
    later, earlier = ids._Monotonic(), ids._Monotonic()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 1_000_000)
    second = later.next()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    assert ids._encode(earlier.next()) < ids._encode(second)


def test_the_clock_is_aware_and_utc() -> None:
    offset = utc_now().utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
