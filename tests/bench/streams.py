"""A thousand subscribers on one run: how late and how dear a delivery is, beside a raw ASGI sender in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import psycopg

from tests.bench.event_rows import EventRows
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.programs import Program, program
from tests.bench.server import Places, running

_IDLE_S = 3.0
_RAW = "raw ASGI"
_SENDERS = (_RAW, "SSE", "WebSocket")
_SIZE_OF_A_FRAME = 1000


@dataclass(frozen=True)
class Load:
    """So many subscribers, and events at that rate."""

    subscribers: int
    rate: float
    events: int

    def __str__(self) -> str:
        return f"{self.subscribers} subscribers, {self.rate:.0f} events/s"


LOADS = (Load(1000, 2, 12), Load(100, 20, 50))


@dataclass(frozen=True)
class Delivery:
    """Age of an event at its subscriber in ms, from its commit on; CPU of the sender per delivery in µs."""

    p50_ms: float
    p99_ms: float
    cpu_us: float


def measure(rounds: int) -> list[Figure]:
    """All senders are connected all the time and take turns, so that what else the machine does falls on all alike."""
    with (
        scratch() as folder,
        running(folder, LACE_GATEWAY_HEARTBEAT_MS="60000") as places,
        program("raw_sender") as raw,
        program("subscribers") as clients,
        psycopg.connect(places.dsn, autocommit=True) as connection,
    ):
        bench = _Bench(places, raw, clients, EventRows.of_the_first_tenant(connection))
        kib = {name: bench.connect(name, LOADS[0]) for name in _SENDERS}
        for name in _SENDERS:
            bench.connect(name, LOADS[1])
            bench.deliver(name, LOADS[1])  # to warm it up
        found = [
            {(name, load): bench.deliver(name, load) for load in LOADS for name in _SENDERS} for _ in range(rounds)
        ]
    return [*_figures(found), *(Figure(f"Memory per idle subscriber, {n}", "KiB", [kib[n]], 1) for n in _SENDERS)]


def _figures(found: Sequence[Mapping[tuple[str, Load], Delivery]]) -> Iterator[Figure]:
    for load in LOADS:
        for name in _SENDERS:
            of = [each[name, load] for each in found]
            yield Figure(f"Delivery, {load}, {name}, p50", "ms", [each.p50_ms for each in of])
            yield Figure(f"Delivery, {load}, {name}, p99", "ms", [each.p99_ms for each in of])
            yield Figure(f"CPU per delivery, {load}, {name}", "µs", [each.cpu_us for each in of], digits=1)
        for name in _SENDERS[1:]:
            pairs = [(each[name, load], each[_RAW, load]) for each in found]
            yield Figure(f"Delivery p50, {load}, {name} ÷ raw ASGI", "", [a.p50_ms / b.p50_ms for a, b in pairs])
            yield Figure(f"CPU per delivery, {load}, {name} ÷ raw ASGI", "", [a.cpu_us / b.cpu_us for a, b in pairs])


class _Bench:
    """Both senders and their subscribers."""

    def __init__(self, places: Places, raw: Program, clients: Program, rows: EventRows) -> None:
        self._places = places
        self._raw = raw
        self._raw_port = int(raw.line())
        self._clients = clients
        self._rows = rows
        self._idle: dict[bool, list[float]] = {True: [], False: []}

    def connect(self, name: str, load: Load) -> float:
        """Open the streams of one sender; KiB of its memory per stream."""
        group = _group(name, load)
        if name == _RAW:
            path, port = f"/{group}", self._raw_port
        else:
            path, port = f"/v1/runs/{group}/stream", self._places.gateway_port
            self._rows.add_run(group)
        before = self._sender(name).memory_full_info().pss
        self._clients.ask(
            "subscribe", group=group, port=port, path=path, token=self._places.token, count=load.subscribers,
            websocket=name == "WebSocket",
        )  # fmt: skip
        time.sleep(_IDLE_S)
        return float(self._sender(name).memory_full_info().pss - before) / 1024 / load.subscribers

    def deliver(self, name: str, load: Load) -> Delivery:
        """All events of a load, and what they cost beyond what the sender does while nothing happens."""
        idle = self._cpu_s(name)
        time.sleep(_IDLE_S)
        self._idle[name == _RAW].append((self._cpu_s(name) - idle) / _IDLE_S)
        idle_share = median(self._idle[name == _RAW])
        began, cpu = time.perf_counter(), self._cpu_s(name)
        begins = self._emit(name, load)
        deliveries = load.events * load.subscribers
        found = self._clients.ask("take", group=_group(name, load), count=deliveries, begins=begins)
        busy = self._cpu_s(name) - cpu - idle_share * (time.perf_counter() - began)
        if found["count"] != deliveries:
            raise RuntimeError(f"{name}, {load}: {found['count']} deliveries in place of {deliveries}")
        return Delivery(found["p50"], found["p99"], 1e6 * busy / deliveries)

    def _emit(self, name: str, load: Load) -> dict[str, float]:
        """All events; when each was committed, by its mark, where events are committed."""
        if name == _RAW:
            self._raw.tell(f"/{_group(name, load)} {load.events} {load.rate} {_SIZE_OF_A_FRAME * 'x'}")
            self._raw.line()
            return {}
        begins = {}
        for _ in range(load.events):
            began = time.perf_counter()
            mark, committed_at = self._rows.append(_group(name, load), "3 sentences")
            begins[mark] = committed_at
            time.sleep(max(0.0, began + 1 / load.rate - time.perf_counter()))
        return begins

    def _sender(self, name: str) -> psutil.Process:
        return psutil.Process(self._raw.pid if name == _RAW else self._places.pid)

    def _cpu_s(self, name: str) -> float:
        """CPU time of all threads: to the nanosecond where the kernel tells it, else to the hundredth of a second."""
        sender = self._sender(name)
        clocks = list(Path(f"/proc/{sender.pid}/task").glob("*/schedstat"))
        if clocks:
            return sum(int(clock.read_text().split()[0]) for clock in clocks) / 1e9
        times = sender.cpu_times()
        return float(times.user + times.system)


def _group(name: str, load: Load) -> str:
    """The run, or what stands for one."""
    return f"run_bench_{name.split(maxsplit=1)[0].lower()}_{load.subscribers}"
