"""Embedding and reranking as use cases: limits before the call, tries, budgets, the circuit, and the ledger."""

from __future__ import annotations

import asyncio
import itertools
from array import array
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.blob_payloads import BlobPayloads
from lace_llm_gateway.adapters.genai_spans import SpanObserver
from lace_llm_gateway.app.calls.admission import AdmissionLimits
from lace_llm_gateway.app.measuring.embed import EmbedOrder, embed
from lace_llm_gateway.app.measuring.measure import Caller, Measures
from lace_llm_gateway.app.measuring.rerank import RerankOrder, rerank
from lace_llm_gateway.domain.breaker import BreakerPolicy
from lace_llm_gateway.domain.calls import Call, CallState, CountMethod
from lace_llm_gateway.domain.measures import Embedded, Ranked, Reranked
from lace_llm_gateway.domain.measuring_models import measuring_models
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from tests.doubles.budget_world import Told
from tests.doubles.open_gateway import open_gateway

CALLER = Caller("ten_1", "prn_1", "run_1", "retrieve", None)
SMALL, LOCAL = "text-embedding-3-small", "all-minilm-l6-v2"
BUSY = LaceError(Reason.PROVIDER_RATE_LIMITED, "Wait.", retryable=True, retry_after=3.0)
DOWN = LaceError(Reason.PROVIDER_UNAVAILABLE, "Down.", retryable=True)


@dataclass
class Scripted:
    """Measures as it is told, behind the ports of both kinds; a None among the script waits for ever."""

    name: str
    default_model: str = ""
    counted: list[int] | None = None
    script: deque[Any] = field(default_factory=deque)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def configured(self, model: str) -> bool:
        return True

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        return self.counted

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        self.asked.append((tuple(texts), model, dimensions))
        given = await self._next()
        return given if given is not None else vectors(len(texts), dimensions or 1536, model)

    async def rerank(self, query: str, documents: Sequence[str], model: str, top_n: int, timeout_s: float) -> Reranked:
        self.asked.append((query, tuple(documents), model, top_n))
        given = await self._next()
        return given if given is not None else Reranked((Ranked(0, 0.5), Ranked(1, 0.5), Ranked(2, 0.9)), model, 30)

    async def _next(self) -> Any:
        if not self.script:
            return None
        step = self.script.popleft()
        if step is None:
            await asyncio.sleep(3600)
        if isinstance(step, LaceError):
            raise step
        return step

    async def close(self) -> None:
        return


def vectors(count: int, dimensions: int, model: str = SMALL, tokens: int | None = 9) -> Embedded:
    return Embedded(tuple(array("f", [0.5] * dimensions) for _ in range(count)), f"{model}-v1", tokens)


@dataclass
class World:
    measures: Measures
    provider: Scripted
    local: Scripted
    quotas: Told
    waits: list[float]

    async def row(self) -> Call:
        """The only call in the ledger."""
        [call] = await self.measures.gateway.ledger.of_run("ten_1", "run_1", 10, None)
        return call

    async def embed(self, *texts: str, **more: Any) -> tuple[Embedded, Call]:
        order = EmbedOrder(texts or ("The bridge is open.",), **{"provider": "openai", **more})
        return await embed(self.measures, CALLER, order)

    async def rerank(self, **more: Any) -> tuple[Reranked, Call]:
        order = RerankOrder("open?", ("a", "b", "c"), **{"provider": "rerank", "model": "r-1", **more})
        return await rerank(self.measures, CALLER, order)


@pytest.fixture
async def world(tmp_path: Any) -> AsyncIterator[World]:
    quotas, waits = Told(), list[float]()
    ids = (f"id_{number}" for number in itertools.count(1))
    provider, local = Scripted("openai"), Scripted("local", counted=[7])

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with open_gateway(
        {},
        quotas=quotas,
        limits=AdmissionLimits(tenant_concurrency=1, tenant_queue=0),
        settings={"llm.embedding_provider": "local", "llm.rerank_provider": "local"},
        sleep=sleep,
        observer=SpanObserver(),
        payloads=BlobPayloads(FolderBlobStore(tmp_path, UrlSigner("secret"))),
        new_id=lambda prefix: next(ids),
    ) as gateway:
        measures = Measures(gateway, {"openai": provider, "local": local}, {"rerank": provider, "local": local})
        yield World(measures, provider, local, quotas, waits)


async def test_a_call_is_in_the_ledger_with_its_tokens_and_cost(world: World) -> None:
    embedded, call = await world.embed("The bridge is open.", "It rains.")
    assert len(embedded.vectors) == 2
    row = await world.row()
    assert row.call_id == call.call_id
    settled = row.settlement
    assert settled is not None
    assert (settled.state, settled.response_api) == (CallState.SUCCEEDED, "embedding")
    assert (row.key.provider, row.key.model, settled.answered_model) == ("openai", SMALL, f"{SMALL}-v1")
    assert (settled.input_tokens, settled.count_method, settled.cost_micro_usd) == (9, CountMethod.PROVIDER, 1)
    assert (row.principal_id, row.key.step_id, row.prompt_sample) == ("prn_1", "retrieve", "The bridge is open.")
    assert len(settled.output_hash) == len(row.key.input_hash) == 64
    assert row.held.lease_id == call.held.lease_id


async def test_the_settings_choose_where_nothing_is_named(world: World) -> None:
    world.local.script.append(vectors(1, 384, LOCAL, None))
    _, call = await world.embed("a", provider="")
    assert (call.key.provider, call.key.model) == ("local", LOCAL)
    assert call.settlement is not None
    assert (call.settlement.input_tokens, call.settlement.count_method) == (7, CountMethod.TOKENIZER)
    _, other = await world.embed("a", provider="", settings={"llm.embedding_provider": "openai"})
    assert other.key.provider == "openai"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"provider": "nobody"}, Reason.PROVIDER_UNKNOWN),
        ({"provider": "local", "model": "other"}, Reason.MODEL_UNKNOWN),
        ({"dimensions": 4000}, Reason.INVALID_ARGUMENT),
        ({"model": "text-embedding-ada-002", "dimensions": 512}, Reason.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_asked_for_is_never_sent(world: World, more: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(LaceError) as raised:
        await world.embed("a", **more)
    assert raised.value.reason is reason
    assert world.provider.asked == world.local.asked == []
    settled = (await world.row()).settlement
    assert settled is not None
    assert (settled.error_code, settled.response_api) == (reason.value, "embedding")


async def test_a_text_that_is_too_long_is_refused_and_named(world: World) -> None:
    world.local.counted = [5, 257]
    with pytest.raises(LaceError, match="text 1 has 257 tokens") as raised:
        await world.embed("a", "b", provider="local")
    assert raised.value.reason is Reason.CONTEXT_TOO_LONG
    assert world.local.asked == []
    settled = (await world.row()).settlement
    assert settled is not None
    assert (settled.state, settled.error_code, settled.tries) == (CallState.FAILED, "CONTEXT_TOO_LONG", 0)


async def test_too_many_texts_and_too_many_tokens_together(world: World) -> None:
    with pytest.raises(LaceError, match="takes 2048") as raised:
        await world.embed(*["a"] * 2049)
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    with pytest.raises(LaceError, match="300000 are allowed") as raised:
        await world.embed(*["bridge " * 1000] * 301)
    assert raised.value.reason is Reason.CONTEXT_TOO_LONG
    assert world.provider.asked == []


async def test_a_server_of_ones_own_has_no_limits_that_are_made_up(world: World) -> None:
    world.provider.script.append(vectors(1, 5, "own", None))
    embedded, call = await world.embed("a bridge", model="own-model")
    assert len(embedded.vectors[0]) == 5
    assert call.settlement is not None
    assert (call.settlement.cost_micro_usd, call.settlement.count_method) == (0, CountMethod.BOUND)
    assert call.settlement.input_tokens >= 2


async def test_what_may_pass_is_tried_again_as_the_provider_asks(world: World) -> None:
    world.provider.script += [BUSY, DOWN]
    _, call = await world.embed()
    assert world.waits == [3.0, 1.0]
    assert call.settlement is not None
    assert call.settlement.tries == 3


@pytest.mark.parametrize(
    "given", [vectors(2, 1536), vectors(1, 384), Embedded((array("f", [float("nan")] * 1536),), SMALL)]
)
async def test_vectors_that_cannot_be_used_are_no_answer(world: World, given: Embedded) -> None:
    world.provider.script.append(given)
    with pytest.raises(LaceError) as raised:
        await world.embed()
    assert raised.value.reason is Reason.PROVIDER_OUTPUT_INVALID
    assert len(world.provider.asked) == 1


async def test_the_budget_is_asked_before_the_provider(world: World) -> None:
    world.quotas.put(tokens_per_day=10)
    with pytest.raises(LaceError) as raised:
        await world.embed("bridge " * 50)
    assert raised.value.reason is Reason.QUOTA_EXCEEDED
    assert world.provider.asked == []
    settled = (await world.row()).settlement
    assert settled is not None
    assert settled.error_code == "QUOTA_EXCEEDED"


async def test_a_tenant_has_its_places_and_gives_them_back(world: World) -> None:
    world.provider.script.append(None)
    first = asyncio.create_task(world.embed())
    while not world.provider.asked:
        await asyncio.sleep(0)
    with pytest.raises(LaceError) as raised:
        await world.embed()
    assert raised.value.reason is Reason.RATE_LIMITED
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await world.embed())[0].vectors
    rows = await world.measures.gateway.ledger.of_run("ten_1", "run_1", 10, None)
    assert sorted(row.settlement.state.value for row in rows if row.settlement) == ["cancelled", "failed", "succeeded"]


async def test_a_provider_that_is_down_is_not_asked_for_ever(world: World) -> None:
    world.provider.script += [DOWN] * 100
    for _ in range(10):
        with pytest.raises(LaceError):
            await world.embed()
    asked = len(world.provider.asked)
    with pytest.raises(LaceError) as raised:
        await world.embed()
    assert raised.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(world.provider.asked) == asked < 30


async def test_documents_come_best_first_and_of_equals_the_first(world: World) -> None:
    reranked, call = await world.rerank()
    assert [(ranked.index, ranked.score) for ranked in reranked.results] == [(2, 0.9), (0, 0.5), (1, 0.5)]
    best, _ = await world.rerank(top_n=1)
    assert [ranked.index for ranked in best.results] == [2]
    assert call.settlement is not None
    assert (call.settlement.response_api, call.settlement.input_tokens) == ("rerank", 30)


@pytest.mark.parametrize(
    "results",
    [
        (Ranked(0, 1.0), Ranked(0, 1.0), Ranked(1, 0.0)),
        (Ranked(0, 1.0), Ranked(1, 1.0), Ranked(3, 0.0)),
        (Ranked(0, 1.0), Ranked(1, 1.0)),
        (Ranked(0, 1.0), Ranked(1, float("nan")), Ranked(2, 0.0)),
    ],
)
async def test_an_order_that_cannot_be_used_is_no_answer(world: World, results: tuple[Ranked, ...]) -> None:
    world.provider.script.append(Reranked(results, "r-1"))
    with pytest.raises(LaceError) as raised:
        await world.rerank()
    assert raised.value.reason is Reason.PROVIDER_OUTPUT_INVALID


async def test_a_reranker_without_a_model_says_that_one_must_be_named(world: World) -> None:
    with pytest.raises(LaceError, match="Name a model") as raised:
        await world.rerank(model="")
    assert raised.value.reason is Reason.MODEL_UNKNOWN


def test_the_catalogue_makes_sense() -> None:
    names = [(model.kind, model.provider, model.model) for model in measuring_models()]
    assert len(names) == len(set(names))
    for model in measuring_models():
        assert bool(model.price_micro_usd) == bool(model.price_date)
        assert 0 <= model.price_micro_usd < 10_000_000
        assert (model.kind == "embedding") == (model.dimensions > 0)


async def test_what_is_private_is_not_sent_to_be_measured(world: World) -> None:
    await world.embed("Write to jo@example.org.", "Or to al@example.org.", "Or to jo@example.org.")
    first, second, third = world.provider.asked[0][0]
    assert first == "Write to REDACTED_EMAIL_1_00000000."
    assert second == third == "Or to REDACTED_EMAIL_1_00000000."  # the same words, whatever stands beside them
    order = RerankOrder("Whose is jo@example.org?", ("al@example.org", "no", "jo@example.org"), provider="rerank")
    await rerank(world.measures, CALLER, replace(order, model="r-1"))
    query, documents, *_ = world.provider.asked[-1]
    assert "@" not in query + "".join(documents)


@pytest.mark.parametrize(
    ("setting", "provider", "sent"), [("off", "openai", True), ("remote", "local", True), ("all", "local", False)]
)
async def test_settings_say_where_texts_are_measured_as_they_are(
    world: World, setting: str, provider: str, sent: bool
) -> None:
    world.local.script.append(vectors(1, 384, LOCAL))
    await world.embed("jo@example.org", provider=provider, settings={"llm.redaction": setting})
    asked = (world.local if provider == "local" else world.provider).asked
    assert (asked[0][0] == ("jo@example.org",)) is sent


async def test_patterns_that_cannot_be_read_are_told_before_the_call_and_are_in_the_ledger(world: World) -> None:
    with pytest.raises(LaceError) as failure:
        await world.embed(settings={"llm.redaction_patterns": ["("]})
    assert failure.value.reason is Reason.SETTING_INVALID
    settled = (await world.row()).settlement
    assert settled is not None
    assert settled.error_code == "SETTING_INVALID"
    assert world.provider.asked == []


@pytest.mark.parametrize("reported", [-9, 10**30])
async def test_counts_that_cannot_be_are_not_taken_from_a_provider(world: World, reported: int) -> None:
    world.provider.script.append(vectors(1, 1536, tokens=reported))
    _, call = await world.embed("The bridge is open.")
    assert call.settlement is not None
    assert 0 < call.settlement.input_tokens < 100
    assert call.settlement.count_method is not CountMethod.PROVIDER


async def test_a_fault_of_our_own_leaves_no_circuit_shut(world: World) -> None:
    measures = replace(world.measures, breaker=BreakerPolicy(min_calls=1, open_s=0), circuits={})
    order = EmbedOrder(("It rains.",), provider="openai", settings={"llm.retries": 0})
    world.provider.script.extend([DOWN, "no vectors"])
    with pytest.raises(LaceError):
        await embed(measures, CALLER, order)
    with pytest.raises(AttributeError):  # the one trial of the half-open circuit
        await embed(measures, CALLER, order)
    embedded, _ = await embed(measures, CALLER, order)
    assert len(embedded.vectors) == 1


async def test_every_try_is_told_to_traces_and_metrics(world: World) -> None:
    def count(error: str) -> float:
        labels = {"gen_ai_operation_name": "embeddings", "gen_ai_provider_name": "openai"}
        labels |= {"gen_ai_request_model": SMALL, "error_type": error}
        return REGISTRY.get_sample_value("gen_ai_client_operation_duration_seconds_count", labels) or 0.0

    before = count(""), count("PROVIDER_RATE_LIMITED")
    world.provider.script.append(BUSY)
    await world.embed()
    assert (count(""), count("PROVIDER_RATE_LIMITED")) == (before[0] + 1, before[1] + 1)
