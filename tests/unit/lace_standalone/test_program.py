"""A server as a program."""

from __future__ import annotations

import sys

from lace_standalone.program import run_until_stopped


def test_threads_that_compute_let_the_loop_in_soon() -> None:
    found: list[float] = []

    async def main() -> None:
        found.append(sys.getswitchinterval())

    before = sys.getswitchinterval()
    try:
        run_until_stopped(main())
    finally:
        sys.setswitchinterval(before)
    assert found[0] <= 0.001
