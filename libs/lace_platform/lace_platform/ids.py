"""Random typed ids that sort by the time of their making."""

from __future__ import annotations

import os
import threading
import time

# Crockford's alphabet in lower case: its characters ascend in ASCII, so that text order is time order.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_LENGTH = 26
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # two characters at a time
_SHIFTS = range(5 * (_LENGTH - 2), -1, -10)


class _Monotonic:
    """128-bit values, milliseconds before randomness, strictly ascending within this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
        with self._lock:
            # Within one millisecond, or after the clock was set back, count on from the last value.
            self._last = fresh if fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS else self._last + 1
            return self._last


_source = _Monotonic()


def _encode(value: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def new_id(prefix: str) -> str:
    """A new id such as `run_01kaj3…`: the prefix, an underscore and 26 characters, ascending in this process."""
    return f"{prefix}_{_encode(_source.next())}"
