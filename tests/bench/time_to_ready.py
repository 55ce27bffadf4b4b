"""Time to ready of `lace up`: from the start of the process to the line with the URL."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.processes import LACE, scratch, started


def measure(rounds: int) -> list[Figure]:
    """On a new data folder, where the database is made first, and then on the same folder again."""
    new, existing = [], []
    for _ in range(rounds):
        with scratch() as folder:
            new.append(_seconds_to_ready(folder / "data"))
            existing.append(_seconds_to_ready(folder / "data"))
    return [
        Figure("`lace up` to ready, new data folder", "s", new),
        Figure("`lace up` to ready, existing data folder", "s", existing),
    ]


def _seconds_to_ready(data_dir: Path) -> float:
    began = time.perf_counter()
    with started([LACE, "up"], data_dir) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        if not line.startswith("URL"):
            raise RuntimeError(f"lace up did not become ready: {line or 'it ended'}")
    return seconds
