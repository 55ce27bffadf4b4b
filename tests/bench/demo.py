"""Wall clock and memory of `lace demo`: start, read the dossier, write, compile to four formats, stop."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.processes import LACE, PeakMemory, scratch, started

_LONGEST_S = 300
_FILES = 4


def measure(rounds: int) -> list[Figure]:
    """As a newcomer meets it: on a data folder that does not exist yet."""
    found = []
    for _ in range(rounds):
        with scratch() as folder:
            found.append(_demo(folder))
    megabytes = [(peak.resident / 1e6, peak.proportional / 1e6) for _, peak in found]
    peak_memory = "`lace demo`, peak memory with Postgres, shared pages"
    return [
        Figure("`lace demo`, wall clock", "s", [seconds for seconds, _ in found]),
        Figure(f"{peak_memory} in each process (RSS)", "MB", [resident for resident, _ in megabytes], digits=0),
        Figure(f"{peak_memory} once (PSS)", "MB", [shared for _, shared in megabytes], digits=0),
    ]


def _demo(folder: Path) -> tuple[float, PeakMemory]:
    out = folder / "out"
    began = time.perf_counter()
    with (
        started([LACE, "demo", "--out", out], folder / "data") as process,
        PeakMemory(process, folder / "data") as peak,
    ):
        printed, _ = process.communicate(timeout=_LONGEST_S)
        seconds = time.perf_counter() - began
    # A document that was left out would make it quicker.
    if process.returncode != 0 or "warning:" in printed or len(list(out.iterdir())) != _FILES:
        raise RuntimeError(f"lace demo did not do all of its work ({process.returncode}): {printed}")
    return seconds, peak
