"""Sentences verified in a second by one core, and how that and its memory grow; each size in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.bench.figures import Figure

SIZES = (1_000, 10_000, 100_000)
_LONGEST_S = 1200


def measure(rounds: int, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Sentences of the example dossier over the paragraphs in which they stand, as they are, turned and falsified."""
    figures = []
    for size in sizes:
        found = [_measured(size) for _ in range(rounds)]
        for name in found[0]:
            what, unit = name.rsplit(", ", 1)
            figures.append(Figure(f"{size:,} sentences: {what}", unit, [one[name] for one in found], 1))
    return figures


def _measured(size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.verify_program", str(size)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LONGEST_S).stdout
    found: dict[str, float] = json.loads(told)
    return found
