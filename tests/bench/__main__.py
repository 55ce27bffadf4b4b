"""Measures the installation as its users meet it: `python -m tests.bench [NAME …] [--rounds N] [--write PAGE]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import (
    apply,
    demo,
    diffs,
    extraction,
    gateway_overhead,
    history,
    ingest,
    kill,
    llm_gateway,
    machine,
    noop_runs,
    reingest,
    replay,
    retrieval,
    run_latency,
    search,
    streams,
    time_to_ready,
    uploads,
    verify,
)
from tests.bench.figures import Figure, table, write_section

BENCHMARKS: Mapping[str, Callable[[int], list[Figure]]] = {
    "ready": time_to_ready.measure,
    "demo": demo.measure,
    "runs": noop_runs.measure,
    "latency": run_latency.measure,
    "kill": kill.measure,
    "gateway": gateway_overhead.measure,
    "streams": streams.measure,
    "replay": replay.measure,
    "llm": llm_gateway.measure,
    "ingest": ingest.measure,
    "extraction": extraction.measure,
    "reingest": reingest.measure,
    "uploads": uploads.measure,
    "apply": apply.measure,
    "diff": diffs.measure,
    "history": history.measure,
    "verify": verify.measure,
    "search": search.measure,
    "retrieval": retrieval.measure,
}


def main() -> None:
    """Measure, print, and write where that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks; see docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all where left out")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3); medians are shown")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, between its markers")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    for name in arguments.names or BENCHMARKS:
        figures = BENCHMARKS[name](arguments.rounds)
        text = f"`make bench ARGS={name}` on {machine.description()}:\n\n{table(figures)}"
        print(text, end="\n\n", flush=True)
        if arguments.write:
            write_section(arguments.write, name, text)


if __name__ == "__main__":
    main()
