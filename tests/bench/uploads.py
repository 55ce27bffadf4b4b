"""What gateway and ingest hold while a large file is sent through them, each in a process of its own, and how fast."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import ExitStack

import httpx

from tests.bench.figures import Figure
from tests.bench.llm_programs import Program, lace_service
from tests.bench.memory import Peak
from tests.bench.processes import scratch
from tests.bench.server import Places, running
from tests.doubles.repeated_words import RepeatedWords

# As many as the settings allow at most.
_BYTES = int(os.environ.get("LACE_BENCH_UPLOAD_BYTES", str(1 << 30)))
_WARM_BYTES = 1 << 20


def measure(rounds: int) -> list[Figure]:
    """The same size in every round, each time with other bytes, so that nothing is there already."""
    limit = {"LACE_INGEST_MAX_BYTES": str(1 << 30), "LACE_LOG_LEVEL": "warning"}
    with scratch() as folder, ExitStack() as stack:
        places = stack.enter_context(running(folder, ["control", "runs"], **limit))
        ingest = stack.enter_context(lace_service("ingest", places, folder, folder / "ingest", limit))
        gateway = stack.enter_context(lace_service("gateway", places, folder, folder / "gateway", limit))
        _send(places, gateway, _WARM_BYTES)
        found = [_round(places, gateway, ingest) for _ in range(rounds)]
    size = _BYTES / 2**20
    return [
        Figure(f"An upload of {size:.0f} MiB by REST", "MiB/s", [size / seconds for seconds, _, _ in found], 1),
        Figure("More memory held meanwhile, gateway", "MiB", [held / 2**20 for _, held, _ in found], 1),
        Figure("More memory held meanwhile, ingest", "MiB", [held / 2**20 for _, _, held in found], 1),
    ]


def _round(places: Places, gateway: Program, ingest: Program) -> tuple[float, int, int]:
    before = [Peak.now(program.pid) for program in (gateway, ingest)]
    with Peak(gateway.pid) as of_gateway, Peak(ingest.pid) as of_ingest:
        began = time.perf_counter()
        _send(places, gateway, _BYTES)
        seconds = time.perf_counter() - began
    return seconds, of_gateway.bytes - before[0], of_ingest.bytes - before[1]


def _send(places: Places, gateway: Program, size: int) -> None:
    """As JSON, which it is not: its reading ends at once. Raises RuntimeError where it was not taken."""
    content = RepeatedWords(size, head=uuid.uuid4().hex.encode())
    headers = {"authorization": f"Bearer {places.token}", "idempotency-key": uuid.uuid4().hex}
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", headers=headers, timeout=600) as client:
        answer = client.post("/v1/sources:ingest", files=[("files", ("large.json", content))])  # type: ignore[list-item]
    if answer.status_code != 202:
        raise RuntimeError(answer.text)
