"""Changing, hashing and comparing documents, and how that grows with them; each size in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.bench.figures import Figure

SIZES = (1_000, 10_000, 100_000)
_LONGEST_S = 300


def measure(rounds: int, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Milliseconds and megabytes for documents of so many blocks, ten in a section, three cited sentences in each."""
    figures = []
    for size in sizes:
        found = [_measured(size) for _ in range(rounds)]
        for name in found[0]:
            what, unit = name.rsplit(", ", 1)
            figures.append(Figure(f"{size:,} blocks: {what}", unit, [one[name] for one in found]))
    return figures


def _measured(size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.apply_program", str(size)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LONGEST_S).stdout
    found: dict[str, float] = json.loads(told)
    return found
