"""How long a question takes, by words and by words and vectors, and what of it is driver, SQL, gRPC and REST."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from typing import Any

import grpc
import httpx

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace.ingest.v1 import ingest_pb2, ingest_pb2_grpc, retrieval_pb2, retrieval_pb2_grpc
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_ingest.domain.vectors import EmbeddingModel
from lace_llm_gateway.adapters.local.minilm import MODEL, is_installed
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.search_library import Library, questions
from tests.bench.server import Places, running

SIZES = (10_000, 100_000)
CALLERS = (1, 16)
_QUESTIONS = 200
_AT_ONCE = 100
_DEPTH = 10
_DEADLINE_S = 60
_DIMENSIONS = 384

Ask = Callable[[str], Awaitable[object]]


@dataclass(frozen=True)
class Taken:
    """Milliseconds of the questions of one way, in one round."""

    p50: float
    p99: float


def measure(rounds: int, sizes: Sequence[int] = SIZES, most: int = _QUESTIONS) -> list[Figure]:
    """The figures at each size; all ways take turns, so that what else the machine does falls on all alike."""
    with (
        scratch() as folder,
        running(folder, LACE_INGEST_EMBEDDING="false", LACE_RETRIEVAL_MODEL_TIMEOUT_MS="30000") as places,
    ):
        return asyncio.run(_measure(places, rounds, sizes, questions()[:most]))


async def _measure(places: Places, rounds: int, sizes: Sequence[int], asked: Sequence[str]) -> list[Figure]:
    library, figures = Library.of(places), []
    for size in sizes:
        source_id = await library.grow(size)
        hybrid = is_installed()
        if hybrid:
            await library.add_vectors(EmbeddingModel("local", MODEL, _DIMENSIONS), indexed=size == max(sizes))
        else:
            print("hybrid is not measured: its questions are embedded by make embedder", file=sys.stderr)
        async with _ways(places, library, source_id, hybrid) as ways:
            figures += await _at_size(ways, size, rounds, asked)
        async with _stubs(places) as (_, retrieval, metadata):
            figures.append(await _many_at_once(retrieval, metadata, size, rounds, asked))
    return figures


async def _at_size(ways: Mapping[str, Ask], size: int, rounds: int, asked: Sequence[str]) -> list[Figure]:
    for ask in ways.values():
        await _timed(ask, asked[:8], 1)  # to warm it up
    found = [
        {(name, callers): await _timed(ask, asked, callers) for callers in CALLERS for name, ask in ways.items()}
        for _ in range(rounds)
    ]
    figures = []
    for callers in CALLERS:
        for name in ways:
            what = f"{name}, {size:,} units, {callers} at once"
            figures.append(Figure(f"{what}, p50", "ms", [each[name, callers].p50 for each in found]))
            figures.append(Figure(f"{what}, p99", "ms", [each[name, callers].p99 for each in found]))
    return figures


async def _timed(ask: Ask, asked: Sequence[str], callers: int) -> Taken:
    waiting, took = iter(asked), []

    async def caller() -> None:
        for question in waiting:
            began = time.perf_counter()
            await ask(question)
            took.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(caller() for _ in range(callers)))
    cuts = quantiles(took, n=100)
    return Taken(cuts[49], cuts[98])


async def _many_at_once(
    retrieval: Any,
    metadata: tuple[tuple[str, str], ...],
    size: int,
    rounds: int,
    asked: Sequence[str],
) -> Figure:
    """A run asks for all sections of its document in one request."""
    queries = [retrieval_pb2.Query(text=text, limit=_DEPTH) for text in asked[:_AT_ONCE]]
    request = retrieval_pb2.SearchRequest(queries=queries, mode=retrieval_pb2.SEARCH_MODE_LEXICAL)
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await retrieval.Search(request, metadata=metadata, timeout=_DEADLINE_S)
        took.append((time.perf_counter() - began) * 1000 / len(queries))
    return Figure(f"lexical, gRPC, {size:,} units, {len(queries)} questions in one request, each", "ms", took)


@asynccontextmanager
async def _ways(places: Places, library: Library, source_id: str, hybrid: bool) -> AsyncIterator[dict[str, Ask]]:
    """Each way to ask, from the least that there can be to what a program outside sees."""
    async with AsyncExitStack() as stack:
        sources, retrieval, metadata = await stack.enter_async_context(_stubs(places))
        database = library.database()
        stack.push_async_callback(database.close)
        http = await stack.enter_async_context(_http(places))
        work, tenant_id = PostgresWork(database, lambda news: []), library.tenant_id

        async def nothing(question: str) -> object:
            async with database.transaction(tenant_id) as tx:
                return await tx.fetch_all("SELECT 1 WHERE :text = ''", {"text": question})

        async def sql(question: str) -> object:
            async with work(tenant_id) as unit_of_work:
                asked = [Query("", question)]
                return await unit_of_work.lexical.candidates(tenant_id, Scope(frozenset()), asked, _DEPTH)

        async def hop(question: str) -> object:
            wanted = ingest_pb2.GetSourceRequest(source_id=source_id)
            return await sources.GetSource(wanted, metadata=metadata, timeout=_DEADLINE_S)

        def by_grpc(mode: retrieval_pb2.SearchMode.ValueType) -> Ask:
            async def ask(question: str) -> object:
                queries = [retrieval_pb2.Query(text=question, limit=_DEPTH)]
                request = retrieval_pb2.SearchRequest(queries=queries, mode=mode)
                answer = await retrieval.Search(request, metadata=metadata, timeout=_DEADLINE_S)
                if answer.mode != mode:
                    raise RuntimeError(answer.mode_reason)
                return answer

            return ask

        async def by_rest(question: str) -> object:
            body = {"queries": [{"text": question, "limit": _DEPTH}], "mode": "lexical"}
            return (await http.post("/v1/search", json=body)).raise_for_status()

        ways: dict[str, Ask] = {
            "floor: an empty SELECT": nothing,
            "floor: the SQL of BM25 at the driver": sql,
            "floor: one source by gRPC": hop,
            "lexical, gRPC": by_grpc(retrieval_pb2.SEARCH_MODE_LEXICAL),
            "lexical, REST": by_rest,
        }
        if hybrid:
            numbers, both = count(), by_grpc(retrieval_pb2.SEARCH_MODE_HYBRID)
            # What was asked before is not embedded again: here each question is a new one.
            ways["hybrid, gRPC, the question embedded"] = lambda question: both(f"{question} {next(numbers)}")
        yield ways


@asynccontextmanager
async def _stubs(places: Places) -> AsyncIterator[tuple[Any, Any, tuple[tuple[str, str], ...]]]:
    """The services of sources and of retrieval, and what a call carries."""
    async with (
        grpc.aio.insecure_channel(places.addresses["control"]) as control,
        grpc.aio.insecure_channel(places.addresses["ingest"]) as ingest,
    ):
        request = control_pb2.AuthenticateRequest(bearer=places.token)
        answer = await control_pb2_grpc.AuthServiceStub(control).Authenticate(request, timeout=_DEADLINE_S)
        metadata = (("authorization", f"Bearer {answer.identity}"),)
        yield ingest_pb2_grpc.SourceServiceStub(ingest), retrieval_pb2_grpc.RetrievalServiceStub(ingest), metadata


def _http(places: Places) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{places.gateway_port}",
        headers={"Authorization": f"Bearer {places.token}"},
        timeout=_DEADLINE_S,
        limits=httpx.Limits(max_connections=max(CALLERS)),
    )
