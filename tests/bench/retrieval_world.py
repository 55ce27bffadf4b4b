"""The service's own parts with a library in them: real Postgres, the worker that embeds, the use case that searches."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sqlite3
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_core.settings import SETTINGS
from lace_ingest.adapters.blob_files import BlobFiles
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.reading.child_reader import ChildReader
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.adapters.spool import Spool
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall, Models, TokenCounts
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.retrieval.query_vectors import QueryVectors
from lace_ingest.app.retrieval.search import search
from lace_ingest.app.vectors import Embedding, Outside
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.query import Mode, Query, Search
from lace_ingest.domain.sources import as_read, new_source
from lace_ingest.domain.vectors import EmbeddingModel
from lace_llm_gateway.adapters.local.lexical import scores
from lace_llm_gateway.adapters.local.minilm import MODEL, MiniLm
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.clock import utc_now
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.migrations import role_password, upgrade
from lace_standalone.embedded_postgres import EmbeddedPostgres

TENANT = "ten_bench"
_RUN = "run_bench"  # all settings are a run's to pin
CALLER = Caller(TENANT, "prn_bench")
_SECRET = "role secret of the benchmark"
_VECTORS = Path(tempfile.gettempdir()) / "lace-bench-vectors.sqlite"
_ROLE, _SYSTEM_ROLE = "lace_ingest", "lace_ingest_system"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_QUERIES = 100
_LONGEST = 256  # as the gateway's list of models has it


class LocalModel:
    """The model of the provider local, whose vectors are kept in a file between measurements."""

    def __init__(self, path: Path = _VECTORS) -> None:
        self._kept = sqlite3.connect(path, check_same_thread=False)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (text TEXT PRIMARY KEY, vector BLOB NOT NULL)")
        self._model: MiniLm | None = None

    async def embed(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        """See app.model_ports.Embedder.embed."""
        vectors = await asyncio.to_thread(self._vectors, texts)
        return EmbeddedTexts(EmbeddingModel("local", MODEL, len(vectors[0])), tuple(vectors))

    async def count(self, call: ModelCall, texts: Sequence[str], *, provider: str, model: str) -> TokenCounts:
        """See app.model_ports.TokenCounter.count."""
        return TokenCounts(tuple(map(self._loaded().count, texts)), "tokenizer")

    async def resolve(self, caller: Caller, settings: Mapping[str, Any]) -> EmbeddingModel:
        """See app.model_ports.EmbeddingModels.resolve."""
        return (await self.embed(ModelCall(caller, settings, 60), ["length"])).model

    def close(self) -> None:
        """Keeps what was computed."""
        self._kept.commit()
        self._kept.close()

    def _vectors(self, texts: Sequence[str]) -> list[array[float]]:
        return [self._vector(text, f"/{number}") for number, text in enumerate(texts)]

    def _vector(self, text: str, place: str) -> array[float]:
        key = hashlib.sha256(f"{MODEL}\n{text}".encode()).hexdigest()
        row = self._kept.execute("SELECT vector FROM vectors WHERE text = ?", (key,)).fetchone()
        if row is not None:
            return array("f", row[0])
        if self._loaded().count(text) > _LONGEST:
            raise LaceError(Reason.CONTEXT_TOO_LONG, "The text is too long.", details=[Detail(place, "too long")])
        vector = self._loaded().vector(text)
        self._kept.execute("INSERT INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
        self._kept.commit()
        return vector

    def _loaded(self) -> MiniLm:
        self._model = self._model or MiniLm.load()
        return self._model


class LexicalReranker:
    """The provider local without a model; see app.model_ports.Reranker."""

    async def rerank(self, call: ModelCall, query: str, documents: Sequence[str]) -> Sequence[float]:
        """BM25 over the documents."""
        return scores(query, documents)


class FixedSettings:
    """The defaults, with some of them changed."""

    def __init__(self) -> None:
        self.values: Mapping[str, Any] = {key: setting.default for key, setting in SETTINGS.items()}

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        """See app.vector_ports.StoredSettings.of."""
        return self.values

    def changed(self) -> int:
        """Never."""
        return 0


@dataclass(frozen=True)
class World:
    """A library in Postgres, and searches of it."""

    ingest: Ingest
    worker: Embedding
    queue: PostgresVectorQueue
    model: LocalModel
    settings: FixedSettings

    async def embed(self) -> float:
        """Gives all units their vectors; seconds taken."""
        began = time.monotonic()
        while await self.worker.round():
            pass
        return time.monotonic() - began

    async def index(self) -> None:
        """Makes the index that answers beyond `retrieval.exact_units`."""
        space_id = await self.queue.enqueue(TENANT, await self.model.resolve(CALLER, self.settings.values))
        if not await self.queue.index(TENANT, space_id, 1):
            raise RuntimeError("no index was made")

    async def ranks(self, questions: Sequence[str], mode: Mode, depth: int, **settings: Any) -> list[list[str]]:
        """The ids of the best units for each question, best first; a setting is named without its group."""
        values = {**self.settings.values, **{f"retrieval.{key}": value for key, value in settings.items()}}
        found: list[list[str]] = []
        for start in range(0, len(questions), _QUERIES):
            queries = tuple(Query(str(at), text, depth) for at, text in enumerate(questions[start : start + _QUERIES]))
            answer = await search(self.ingest, CALLER, Search(queries, mode=mode, settings=values, run_id=_RUN))
            if mode is not Mode.AUTO and answer.mode is not mode:
                raise RuntimeError(f"the search was {answer.mode}: {answer.mode_reason}")
            found.extend([hit.unit_id for hit in hits] for hits in answer.hits)
        return found


@asynccontextmanager
async def holding(folder: Path, documents: Mapping[str, ExtractedDocument]) -> AsyncIterator[World]:
    """A database in the folder with these documents read and ready, until the end of the block."""
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    dsn = await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await upgrade(dsn, ["ingest"], _SECRET)
        own = {role: role_password(_SECRET, role) for role in (_ROLE, _SYSTEM_ROLE)}
        database = Database(dsn, schema="ingest", role=_ROLE, password=own[_ROLE])
        system = SystemDatabase(dsn, schema="ingest", role=_SYSTEM_ROLE, password=own[_SYSTEM_ROLE])
        for opened in (database, system):
            stack.push_async_callback(opened.close)
        model, settings = LocalModel(), FixedSettings()
        stack.callback(model.close)
        queue = PostgresVectorQueue(system)
        leases = map(str, itertools.count())
        outside = Outside(
            queue=queue,
            models=model,
            embedder=model,
            settings=settings,
            wait=asyncio.sleep,
            progress=lambda units, embedded: None,
            new_lease=lambda: next(leases),
            monotonic=time.monotonic,
        )
        ingest = Ingest(
            units_of_work=PostgresWork(database, lambda news: []),
            intake=Spool(),
            files=BlobFiles(FolderBlobStore(folder / "blobs", UrlSigner(_SECRET))),
            reader=ChildReader(1),
            now=utc_now,
            max_bytes=1 << 30,
            models=Models(QueryVectors(model), LexicalReranker(), settings, settings.values, model),
        )
        await _keep(ingest, documents)
        yield World(ingest, Embedding(outside), queue, model, settings)


async def _keep(ingest: Ingest, documents: Mapping[str, ExtractedDocument]) -> None:
    async with ingest.units_of_work(TENANT) as work:
        for name, document in documents.items():
            source = new_source(
                TENANT, f"{name}.md", SourceFormat.MD, size_bytes=1, sha256=sha256_hex(name.encode()), raw_uri="",
                labels=(), created_at=_NOW, created_by=CALLER.principal_id,
            )  # fmt: skip
            ready = as_read(await work.sources.add(TENANT, source), document, "")
            await work.units.add(TENANT, ready, document.units)
            await work.sources.settle(TENANT, ready)
        await work.commit()
