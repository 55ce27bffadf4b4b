"""Random typed ids that sort by the time of their making."""

from __future__ import annotations

import os
import threading
import time

# Crockford's alphabet in lower case: its characters ascend in ASCII, so that text order is time order.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # two characters at a time
_WORD = (1 << 30) - 1  # six characters: a number that the interpreter shifts quickest


class _Monotonic:
    """128-bit values, milliseconds before randomness, strictly ascending within this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        now = time.time_ns() // 1_000_000
        with self._lock:
            # Within one millisecond, or after the clock was set back, count on from the last value.
            if now > self._last >> _RANDOM_BITS:
                self._last = now << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
            else:
                self._last += 1
            return self._last


_source = _Monotonic()


def _encode(value: int) -> str:
    """26 characters; written out, as every call and every event has an id or two."""
    one, two, three, four = value >> 90 & _WORD, value >> 60 & _WORD, value >> 30 & _WORD, value & _WORD
    return (
        f"{_PAIRS[value >> 120]}"
        f"{_PAIRS[one >> 20]}{_PAIRS[one >> 10 & 1023]}{_PAIRS[one & 1023]}"
        f"{_PAIRS[two >> 20]}{_PAIRS[two >> 10 & 1023]}{_PAIRS[two & 1023]}"
        f"{_PAIRS[three >> 20]}{_PAIRS[three >> 10 & 1023]}{_PAIRS[three & 1023]}"
        f"{_PAIRS[four >> 20]}{_PAIRS[four >> 10 & 1023]}{_PAIRS[four & 1023]}"
    )


def new_id(prefix: str) -> str:
    """A new id such as `run_01kaj3…`: the prefix, an underscore and 26 characters, ascending in this process."""
    return f"{prefix}_{_encode(_source.next())}"
