"""Whether the same files give the same again: taken in twice, and read twice more by processes of another hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from tests.bench.figures import Figure
from tests.bench.processes import ROOT, scratch
from tests.bench.server import Places, running
from tests.doubles.generated_documents import FORMATS, make

_FILES = int(os.environ.get("LACE_BENCH_FILES", "1000"))
_TABLES = ("sources", "source_units", "extractions", "lexical_blocks", "lexical_postings")
_FAILED = "SELECT count(*) FROM ingest.sources WHERE state <> 'ready'"
_UNITS = "SELECT unit_id, text_hash, spans_json::text FROM ingest.source_units"
_LONGEST_S = 3600.0
_POLL_S = 0.2

Units = dict[str, str]
"""What each unit says, by its id: the hash of its text and its spans."""


@dataclass(frozen=True)
class Taken:
    """The state of the database after all files were taken in, and the seconds that it took."""

    rows: int
    units: Units
    seconds: float


def measure(rounds: int) -> list[Figure]:
    """Each round with other files, on a database of its own."""
    return [_combined(found) for found in zip(*(_round(number) for number in range(rounds)), strict=True)]


def _combined(found: Sequence[Figure]) -> Figure:
    first = found[0]
    return Figure(first.what, first.unit, [value for figure in found for value in figure.rounds], first.digits)


def _round(number: int) -> list[Figure]:
    with scratch() as folder:
        files = _generated(folder / "files", number)
        with running(folder, LACE_LOG_LEVEL="warning") as places:
            first, again = (_take_in(places, files) for _ in range(2))
        apart = [_read_apart(folder / "files", seed) for seed in ("1", "2")]
    differing = sum(len(first.units.items() ^ other.items()) for other in (again.units, *apart))
    return [
        Figure("Files of five formats", "", [len(files)], 0),
        Figure("Units read out of them", "", [len(first.units)], 0),
        Figure("Rows after the first time", "", [first.rows], 0),
        Figure("New rows after the second time", "", [again.rows - first.rows], 0),
        Figure("Units that differ in any of four readings, by id, text or span", "", [differing], 0),
        Figure("The first time", "files/min", [60 * len(files) / first.seconds], 0),
        Figure("The second time", "files/min", [60 * len(files) / again.seconds], 0),
    ]


def _generated(folder: Path, number: int) -> list[Path]:
    folder.mkdir()
    kinds = list(FORMATS)
    for at in range(_FILES):
        kind = kinds[at % len(kinds)]
        (folder / f"{at:04}.{kind}").write_bytes(FORMATS[kind](make(1_000_000 * number + at, 1 + at % 4)))
    return sorted(folder.iterdir())


def _take_in(places: Places, files: Sequence[Path]) -> Taken:
    """All files in one request. Raises RuntimeError where one was not taken or could not be read."""
    headers = {"authorization": f"Bearer {places.token}"}
    began = time.perf_counter()
    with httpx.Client(base_url=f"http://127.0.0.1:{places.gateway_port}", headers=headers, timeout=600) as client:
        parts = [("files", (path.name, path.read_bytes())) for path in files]
        key = {"idempotency-key": uuid.uuid4().hex}
        answer = client.post("/v1/sources:ingest", files=parts, headers=key)
        if answer.status_code != 202 or answer.json()["rejected"]:
            raise RuntimeError(answer.text[:2000])
        _wait(client, answer.json()["run_id"])
    return _state(places, time.perf_counter() - began)


def _wait(client: httpx.Client, run_id: str) -> None:
    ends = time.monotonic() + _LONGEST_S
    while (state := client.get(f"/v1/runs/{run_id}").json()["state"]) != "succeeded":
        if state in ("failed", "cancelled") or time.monotonic() > ends:
            raise RuntimeError(f"the run {run_id} is {state}")
        time.sleep(_POLL_S)


def _state(places: Places, seconds: float) -> Taken:
    with psycopg.connect(places.dsn) as connection:
        [failed] = connection.execute(_FAILED).fetchone() or (0,)
        if failed:
            raise RuntimeError(f"{failed} sources were not read")
        counts = [connection.execute(f"SELECT count(*) FROM ingest.{table}").fetchone() for table in _TABLES]
        units = {
            unit_id: _told(text_hash, json.loads(spans)) for unit_id, text_hash, spans in connection.execute(_UNITS)
        }
    return Taken(sum(count[0] for count in counts if count), units, seconds)


def _told(text_hash: str, spans: object) -> str:
    return f"{text_hash} {json.dumps(spans, separators=(',', ':'))}"


def _read_apart(folder: Path, seed: str) -> Units:
    """The same files read in a process of their own, without service or database."""
    environ = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C"}
    command: list[str | Path] = [sys.executable, "-m", "tests.bench.reingest", folder]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True)
    found: Units = json.loads(done.stdout)
    return found


def _read_all(folder: Path) -> Units:
    from lace_ingest.adapters.reading.extraction_child import Order, read_document
    from lace_ingest.domain.formats import SourceFormat
    from lace_ingest.domain.limits import ExtractionLimits

    units: Units = {}
    for path in sorted(folder.iterdir()):
        order = Order(path.name, SourceFormat(path.suffix[1:]), ExtractionLimits())
        for unit in read_document(order, path.read_bytes()).units:
            units[unit.unit_id] = _told(unit.text_hash, [[span.start, span.end] for span in unit.spans])
    return units


if __name__ == "__main__":
    print(json.dumps(_read_all(Path(sys.argv[1]))))
