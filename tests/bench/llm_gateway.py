"""What the model gateway adds to a call: beside the model itself, the least that any hop adds, and LiteLLM's proxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Protocol

import grpc
import psutil
import uvloop

from lace.control.v1 import control_pb2, control_pb2_grpc
from tests.bench.figures import Figure
from tests.bench.llm_callers import EmptyRouteCaller, EmptyRpcCaller, GatewayCaller, HttpCaller, Streamed
from tests.bench.llm_double import STREAMED
from tests.bench.llm_programs import LITELLM_KEY, Program, lace_service, litellm_proxy, python_program
from tests.bench.processes import scratch
from tests.bench.server import Places, running

_CONCURRENT = (1, 16, 64)
_STREAMS = (1, 16)
_SECONDS = 1.5
_WARM_S = 0.7
_DIRECT, _BARE, _RPC, _ROUTE = "direct", "bare Python hop", "empty gRPC call", "empty FastAPI route"
_GRPC, _REST, _LITELLM = "LACE by gRPC", "LACE by REST", "LiteLLM proxy"


class Calling(Protocol):
    """Whatever can be called."""

    async def call(self) -> None:
        """One call."""


class Streaming(Protocol):
    """Whatever can be asked for a stream."""

    async def stream(self) -> Streamed:
        """One stream."""


@dataclass(frozen=True)
class Target:
    """What is measured: how its callers are made, and the processes that it is."""

    name: str
    open: Callable[[int], Awaitable[Sequence[Any]]]
    pids: tuple[int, ...] = ()


@dataclass
class Taken:
    """What one round took at one width."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def p50_ms(self) -> float:
        """Half of the calls took no longer."""
        return 1000 * median(self.times)

    @property
    def p99_ms(self) -> float:
        """One call of a hundred took longer."""
        return 1000 * quantiles(self.times, n=100)[98] if len(self.times) > 1 else self.p50_ms

    @property
    def per_s(self) -> float:
        """Calls in a second."""
        return len(self.times) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time of the target's processes for each call."""
        return 1000 * self.cpu_s / len(self.times)


@dataclass
class TakenStreams:
    """What the streams of one round took."""

    streams: list[Streamed]
    seconds: float

    @property
    def first_ms(self) -> float:
        """Half of the streams had their first piece by then."""
        return 1000 * median(stream.first_s for stream in self.streams)

    @property
    def pieces_per_s(self) -> float:
        """Tokens that came through in a second."""
        return STREAMED * len(self.streams) / self.seconds


Round = Mapping[tuple[str, int], Taken]
StreamRound = Mapping[tuple[str, int], TakenStreams]


def measure(rounds: int) -> list[Figure]:
    """All targets in turn at each width, so that what else the machine does falls on all of them alike."""
    with scratch() as folder, ExitStack() as stack:
        double = stack.enter_context(python_program("tests.bench.llm_double"))
        url = f"http://127.0.0.1:{double.port}/v1"
        places = stack.enter_context(running(folder, ["control"]))
        model = {
            "LACE_LOG_LEVEL": "warning",
            "OPENAI_API_KEY": "sk-of-the-benchmark",
            "OPENAI_BASE_URL": url,
            "LACE_LLM_PROVIDER": "openai",
        }
        programs = {
            _DIRECT: double,
            _BARE: stack.enter_context(python_program("tests.bench.llm_hops", "bare", f"{url}/chat/completions")),
            _RPC: stack.enter_context(python_program("tests.bench.llm_hops", "rpc")),
            _ROUTE: stack.enter_context(python_program("tests.bench.llm_hops", "route")),
            _GRPC: stack.enter_context(lace_service("llm_gateway", places, folder, folder / "llm", model)),
            _REST: stack.enter_context(lace_service("gateway", places, folder, folder / "gateway", {})),
            _LITELLM: stack.enter_context(litellm_proxy(folder / "litellm", url)),
        }
        return uvloop.run(_measure(places, programs, rounds))


async def _measure(places: Places, programs: Mapping[str, Program], rounds: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        targets = [target async for target in _targets(places, programs, stack)]
        callers = {target.name: await target.open(max(_CONCURRENT)) for target in targets}
        taken: list[Round] = []
        streamed: list[StreamRound] = []
        for target in targets:
            await _repeat(callers[target.name][:16], _WARM_S)
        for _ in range(rounds):
            taken.append({(t.name, width): await _round(t, callers[t.name][:width])
                          for width in _CONCURRENT for t in targets})  # fmt: skip
            streamed.append({(t.name, width): await _stream_round(callers[t.name][:width])
                             for width in _STREAMS for t in targets if t.name not in (_RPC, _ROUTE)})  # fmt: skip
        memory = {target.name: [psutil.Process(pid).memory_info().rss for pid in target.pids] for target in targets}
    return [*_figures(taken, programs, memory), *_stream_figures(streamed)]


async def _targets(places: Places, programs: Mapping[str, Program], stack: AsyncExitStack) -> AsyncIterator[Target]:
    identity = await _identity(places)
    rpc = await stack.enter_async_context(_channel(programs[_RPC].port))
    gateway = await stack.enter_async_context(_channel(programs[_GRPC].port))
    bearer = ("authorization", f"Bearer {places.token}")

    def http(name: str, *headers: tuple[str, str], kind: type[HttpCaller] = HttpCaller) -> Callable[[int], Any]:
        async def opened(count: int) -> Sequence[HttpCaller]:
            made = [kind(programs[name].port, headers) for _ in range(count)]
            for caller in made:
                stack.push_async_callback(caller.close)
            return made

        return opened

    async def rpcs(count: int) -> Sequence[Any]:
        return [EmptyRpcCaller(rpc)] * count

    async def calls(count: int) -> Sequence[Any]:
        return [GatewayCaller(gateway, identity)] * count

    own = {name: (program.pid,) for name, program in programs.items()}
    yield Target(_DIRECT, http(_DIRECT), own[_DIRECT])
    yield Target(_BARE, http(_BARE), own[_BARE])
    yield Target(_RPC, rpcs, own[_RPC])
    yield Target(_ROUTE, http(_ROUTE, kind=EmptyRouteCaller), own[_ROUTE])
    yield Target(_GRPC, calls, own[_GRPC])
    yield Target(_REST, http(_REST, bearer), own[_GRPC] + own[_REST])
    yield Target(_LITELLM, http(_LITELLM, ("authorization", f"Bearer {LITELLM_KEY}")), own[_LITELLM])


@asynccontextmanager
async def _channel(port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
        yield channel


async def _identity(places: Places) -> str:
    """The identity that the first tenant's token stands for; it is good for some minutes."""
    async with grpc.aio.insecure_channel(places.addresses["control"]) as control:
        request = control_pb2.AuthenticateRequest(bearer=places.token)
        answer = await control_pb2_grpc.AuthServiceStub(control).Authenticate(request, timeout=30)
        return str(answer.identity)


async def _round(target: Target, callers: Sequence[Calling]) -> Taken:
    processes = [psutil.Process(pid) for pid in target.pids]
    before = _cpu_s(processes)
    taken = await _repeat(callers, _SECONDS)
    taken.cpu_s = _cpu_s(processes) - before
    return taken


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


async def _repeat(callers: Sequence[Calling], seconds: float) -> Taken:
    """All callers call again and again for so long; the calls that were begun are waited for."""
    taken = Taken()
    began = time.perf_counter()

    async def repeat(caller: Calling) -> None:
        while (at := time.perf_counter()) - began < seconds:
            await caller.call()
            taken.times.append(time.perf_counter() - at)

    await asyncio.gather(*map(repeat, callers))
    taken.seconds = time.perf_counter() - began
    return taken


async def _stream_round(callers: Sequence[Streaming]) -> TakenStreams:
    streams: list[Streamed] = []
    began = time.perf_counter()

    async def repeat(caller: Streaming) -> None:
        while time.perf_counter() - began < _SECONDS:
            streams.append(await caller.stream())

    await asyncio.gather(*map(repeat, callers))
    return TakenStreams(streams, time.perf_counter() - began)


def _figures(taken: Sequence[Round], programs: Mapping[str, Program], memory: Mapping[str, list[int]]) -> list[Figure]:
    found: list[Figure] = []
    for width in _CONCURRENT:
        at = f"{width} at a time" if width > 1 else "one at a time"
        found.append(Figure(f"direct, p50, {at}", "ms", [r[_DIRECT, width].p50_ms for r in taken]))
        for name in (_BARE, _GRPC, _REST, _LITELLM):
            found.append(Figure(f"{name}: added, p50, {at}", "ms", [_added(r, name, width, "p50_ms") for r in taken]))
            found.append(Figure(f"{name}: added, p99, {at}", "ms", [_added(r, name, width, "p99_ms") for r in taken]))
        for name in (_GRPC, _REST):
            floors = [_floor(r, name, width) for r in taken]
            found.append(Figure(f"floor of {name}: p50, {at}", "ms", floors))
            ratios = [_added(r, name, width, "p50_ms") / floor for r, floor in zip(taken, floors, strict=True)]
            found.append(Figure(f"{name} ÷ its floor, {at}", "", ratios))
    for name in (_DIRECT, _BARE, _GRPC, _REST, _LITELLM):
        found.append(Figure(f"{name}: calls, 64 at a time", "1/s", [r[name, 64].per_s for r in taken], 0))
    for name in (_BARE, _GRPC, _REST, _LITELLM):
        found.append(
            Figure(f"{name}: processor time of a call, 16 at a time", "ms", [r[name, 16].cpu_ms for r in taken])
        )
    for name in (_BARE, _GRPC, _REST, _LITELLM):
        found.append(Figure(f"{name}: memory after all calls", "MiB", [sum(memory[name]) / 2**20], 0))
        found.append(Figure(f"{name}: time to start", "s", [programs[name].start_s]))
    return found


def _added(taken: Round, name: str, width: int, which: str) -> float:
    return float(getattr(taken[name, width], which) - getattr(taken[_DIRECT, width], which))


def _floor(taken: Round, name: str, width: int) -> float:
    """What the parts that a hop of this shape is made of add when they do nothing."""
    floor = _added(taken, _BARE, width, "p50_ms") + taken[_RPC, width].p50_ms
    return floor + taken[_ROUTE, width].p50_ms if name == _REST else floor


def _stream_figures(taken: Sequence[StreamRound]) -> list[Figure]:
    found: list[Figure] = []
    for width in _STREAMS:
        at = f"{width} streams at a time" if width > 1 else "one stream at a time"
        direct = [r[_DIRECT, width] for r in taken]
        found.append(Figure(f"direct: first token, p50, {at}", "ms", [each.first_ms for each in direct]))
        for name in (_BARE, _GRPC, _REST, _LITELLM):
            later = [r[name, width].first_ms - r[_DIRECT, width].first_ms for r in taken]
            found.append(Figure(f"{name}: first token later by, {at}", "ms", later))
        for name in (_DIRECT, _BARE, _GRPC, _REST, _LITELLM):
            rates = [r[name, width].pieces_per_s for r in taken]
            found.append(Figure(f"{name}: tokens, {at}", "1/s", rates, 0))
    return found
