"""Searches by words, by vectors and by both: what is asked of models, and what an answer says where they are away."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.retrieval.memory_vectors import MemoryVectorQueue
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall, Models, TokenCounts
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.retrieval.query_vectors import QueryVectors
from lace_ingest.app.retrieval.ranking import Stages
from lace_ingest.app.retrieval.search import search
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.hits import Candidate, Correction, Found
from lace_ingest.domain.retrieval.query import Mode, Query, Search, VectorSearch
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel, UnitVector

MODEL = EmbeddingModel("local", "tiny", 2)
CALLER = Caller("ten_a", "prn_a")
DEFAULTS = {key: setting.default for key, setting in SETTINGS.items()}
# What each unit says, and where it lies; the question lies at (1, 0).
UNITS = {
    "unt_words": ("The toll of the bridge was raised.", [0.0, 1.0]),
    "unt_sense": ("Crossing the river became dearer.", [1.0, 0.1]),
    "unt_other": ("A ferry sank.", [-1.0, 0.0]),
}
QUESTION = "What was the toll of the bridge?"


@dataclass
class World:
    """A library of three units, and models that can be away, slow or refuse."""

    work: MemoryWork = field(default_factory=MemoryWork)
    settings: dict[str, Any] = field(default_factory=dict)
    refused: LaceError | None = None
    slow: bool = False
    control_away: bool = False
    embedded: list[str] = field(default_factory=list)
    reranked: list[tuple[str, list[str]]] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)

    async def embed(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        await self._answering(call)
        self.embedded.extend(texts)
        return EmbeddedTexts(MODEL, tuple(array("f", [1.0, 0.0]) for _ in texts))

    async def rerank(self, call: ModelCall, query: str, documents: Sequence[str]) -> Sequence[float]:
        await self._answering(call)
        self.reranked.append((query, list(documents)))
        return [1.0 if "ferry" in document else -float(len(document)) for document in documents]

    async def _answering(self, call: ModelCall) -> None:
        self.calls.append(call)
        if self.refused:
            raise self.refused
        if self.slow:
            await asyncio.Event().wait()

    async def count(self, call: ModelCall, texts: Sequence[str], *, provider: str, model: str) -> TokenCounts:
        return TokenCounts(tuple(map(len, texts)), "bound")

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        if self.control_away:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "away")
        return {**DEFAULTS, **self.settings}

    def changed(self) -> int:
        return 0

    @property
    def models(self) -> Models:
        return Models(QueryVectors(self), self, self, DEFAULTS, self)

    async def library(self, *with_vectors: str) -> None:
        """One source; these of its first units have vectors."""
        units = [
            Unit(name, at, UnitKind.PARAGRAPH, text, sha256_hex(text.encode()), (Span(0, len(text)),))
            for at, (name, (text, _)) in enumerate(UNITS.items())
        ]
        source = Source(
            source_id="src_a", filename="a.md", title="T", format=SourceFormat.MD, media_type="text/markdown",
            size_bytes=9, sha256="0" * 64, raw_uri="lace-sources/x", created_at=datetime(2026, 5, 6, tzinfo=UTC),
            created_by="prn_a", state=SourceState.READY, extraction="x/1", unit_count=len(units),
        )  # fmt: skip
        async with self.work("ten_a") as work:
            await work.sources.add("ten_a", source)
            await work.units.add("ten_a", source, units)
            await work.commit()
        queue = MemoryVectorQueue(self.work, lambda: 0.0)
        space_id = await queue.enqueue("ten_a", MODEL)
        if with_vectors:
            taken = await queue.take([space_id], "one", 60)
            assert taken is not None
            texts = await queue.units(taken, len(with_vectors))
            vectors = [UnitVector(text.unit_id, 0, array("f", UNITS[text.unit_id][1])) for text in texts]
            await queue.store(taken, "one", texts, vectors)

    async def ask(
        self, mode: Mode = Mode.AUTO, *, models: Models | None = None, run_id: str = "run_1", **settings: Any
    ) -> Found:
        pinned = {f"retrieval.{key}": value for key, value in settings.items()}
        given: Any = None  # a search needs neither intake, files, reader nor clock
        made = Ingest(self.work, given, given, given, given, 1, models=models or self.models)
        return await search(made, CALLER, Search((Query("q", QUESTION),), mode=mode, settings=pinned, run_id=run_id))


@pytest.fixture
def world() -> World:
    return World()


def ids(found: Found) -> list[str]:
    return [hit.unit_id for hit in found.hits[0]]


async def test_words_and_vectors_together_find_what_either_finds(world: World) -> None:
    await world.library(*UNITS)
    found = await world.ask()
    assert set(ids(found)) == set(UNITS)
    assert ids(found)[-1] == "unt_other"
    assert (found.mode, found.mode_reason, found.vectors) == (Mode.HYBRID, "", VectorSearch.EXACT)
    words = next(hit for hit in found.hits[0] if hit.unit_id == "unt_words")
    sense = next(hit for hit in found.hits[0] if hit.unit_id == "unt_sense")
    assert words.scores.lexical and words.scores.dense == 0 and words.scores.rerank  # noqa: PT018 - one hit
    assert sense.scores.lexical is None
    assert sense.method == "hybrid+features"


async def test_words_alone_ask_no_model_and_take_no_other_order(world: World) -> None:
    await world.library(*UNITS)
    found = await world.ask(Mode.LEXICAL)
    assert ids(found) == ["unt_words"]
    [hit] = found.hits[0]
    assert (hit.method, hit.score) == ("bm25", hit.scores.lexical)
    assert (found.vectors, world.calls) == (VectorSearch.NONE, [])


async def test_vectors_alone_are_ordered_by_the_cosine(world: World) -> None:
    await world.library(*UNITS)
    found = await world.ask(Mode.DENSE)
    assert ids(found) == ["unt_sense", "unt_words", "unt_other"]
    assert [hit.score for hit in found.hits[0]] == [hit.scores.dense for hit in found.hits[0]]


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.HYBRID, Mode.DENSE])
async def test_without_vectors_it_is_by_words_and_says_so_and_asks_no_model(world: World, mode: Mode) -> None:
    await world.library()
    found = await world.ask(mode)
    assert (found.mode, ids(found)) == (Mode.LEXICAL, ["unt_words"])
    assert found.mode_reason == "No unit in scope has a vector of local yet."
    assert found.hits[0][0].method == "bm25+features"
    assert world.calls == []


async def test_an_embedder_that_is_away_is_a_reason_and_no_failure(world: World) -> None:
    await world.library(*UNITS)
    world.refused = LaceError(Reason.PROVIDER_UNAVAILABLE, "Nobody there.")
    found = await world.ask()
    assert found.mode is Mode.LEXICAL
    assert found.mode_reason == "local did not answer (PROVIDER_UNAVAILABLE): Nobody there."


async def test_an_embedder_that_is_slow_is_not_waited_for(world: World) -> None:
    await world.library(*UNITS)
    world.slow = True
    found = await world.ask(model_timeout_ms=10)
    assert (found.mode, found.mode_reason) == (Mode.LEXICAL, "local did not answer within 0.01 s.")


async def test_units_that_still_wait_for_their_vectors_are_found_by_words_and_counted(world: World) -> None:
    await world.library("unt_words")
    found = await world.ask()
    assert (found.mode, found.units_without_vector) == (Mode.HYBRID, 2)
    assert ids(found) == ["unt_words"]


async def test_the_setting_chooses_where_the_search_does_not(world: World) -> None:
    await world.library(*UNITS)
    world.settings["retrieval.mode"] = "lexical"
    found = await world.ask()
    assert (found.mode, found.mode_reason) == (Mode.LEXICAL, "The setting retrieval.mode says so.")
    assert (await world.ask(Mode.HYBRID)).mode is Mode.HYBRID


async def test_pinned_settings_hold_and_go_to_the_model_with_their_run(world: World) -> None:
    await world.library(*UNITS)
    world.control_away = True
    await world.ask(mode=Mode.AUTO, rerank="off")
    [call] = world.calls
    assert (call.run_id, call.settings["retrieval.rerank"], call.settings["llm.embedding_provider"]) == (
        "run_1", "off", "local",
    )  # fmt: skip


async def test_a_request_changes_what_it_may_and_nothing_else(world: World) -> None:
    await world.library(*UNITS)
    assert (await world.ask(run_id="", rerank="off")).hits[0][0].method == "hybrid"
    for settings, reason in (
        ({"exact_units": 1}, Reason.SETTING_SCOPE_FORBIDDEN),
        ({"rerank": "magic"}, Reason.SETTING_INVALID),
        ({"magic": 1}, Reason.SETTING_UNKNOWN),
    ):
        with pytest.raises(LaceError) as refused:
            await world.ask(run_id="", **settings)
        assert refused.value.reason is reason


async def test_while_control_is_away_the_process_own_settings_hold(world: World) -> None:
    await world.library(*UNITS)
    world.control_away = True
    assert (await world.ask()).mode is Mode.HYBRID


async def test_a_model_reranks_where_it_is_wanted(world: World) -> None:
    await world.library(*UNITS)
    found = await world.ask(rerank="model", rerank_weight=1000)
    assert ids(found)[0] == "unt_other"
    assert found.hits[0][0].method == "hybrid+model"
    [(query, documents)] = world.reranked
    assert (query, len(documents)) == (QUESTION, 3)


async def test_features_take_the_place_of_a_reranker_that_does_not_answer(world: World) -> None:
    await world.library(*UNITS)
    models = world.models
    await models.queries.of(ModelCall(CALLER, DEFAULTS, 1), [QUESTION])
    world.refused = LaceError(Reason.PROVIDER_RATE_LIMITED, "Wait.")
    found = await world.ask(rerank="model", models=models)
    assert found.mode is Mode.HYBRID
    assert found.mode_reason.startswith("The model that reranks did not answer (PROVIDER_RATE_LIMITED)")
    assert found.hits[0][0].method == "hybrid+features"


async def test_a_question_is_embedded_once_for_a_tenant(world: World) -> None:
    await world.library(*UNITS)
    models = world.models
    for _ in range(3):
        await world.ask(models=models)
    assert world.embedded == [QUESTION]
    other = ModelCall(Caller("ten_b", "prn_b"), DEFAULTS, 1)
    await models.queries.of(other, [QUESTION, QUESTION])
    assert world.embedded == [QUESTION, QUESTION]


async def test_the_least_used_question_is_forgotten_first(world: World) -> None:
    vectors, call = QueryVectors(world, most=2), ModelCall(CALLER, DEFAULTS, 1)
    for text in ("a", "b", "a", "c", "a", "b"):
        await vectors.of(call, [text])
    assert world.embedded == ["a", "b", "c", "b"]


def test_features_look_for_the_word_that_was_taken_for_a_misspelt_one() -> None:
    taken = Candidate("unt_words", Decimal(1), 1, (Correction("brigde", "bridg"),))
    asked = Query("q", "What did the Brigde, the old one, cost?")
    stages = Stages(asked, [taken], {}, {})
    assert stages.corrected() == "What did the bridg the old one, cost?"
    assert Stages(asked, [], {}, {}).corrected() == asked.text
