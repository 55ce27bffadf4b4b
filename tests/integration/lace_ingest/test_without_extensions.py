"""A server without any extension: the service migrates, finds by words, and takes up vectors once pgvector is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.retrieval.query import Query, Scope, VectorSearch
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.migrations import upgrade
from lace_platform.ids import new_id

NAME = "without_extensions"
TEXT = "The toll of the bridge was raised."


@dataclass(frozen=True)
class Bare:
    """The service's logins to a database whose server offers no extension, and the administrator's."""

    admin_dsn: str
    database: Database
    system: SystemDatabase


@pytest.fixture
async def bare(postgres: Any) -> AsyncIterator[Bare]:
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {NAME}")
        # Where this is not set, the folder of the server's own installation is searched (PostgreSQL 18).
        await connection.execute(f"ALTER DATABASE {NAME} SET extension_control_path = '/nowhere'")
    dsn = make_conninfo(postgres.admin_dsn, dbname=NAME)
    await upgrade(dsn, ["ingest"], postgres.role_secret)
    database = Database(dsn, schema="ingest", role="lace_ingest", password=postgres.password("lace_ingest"))
    role = "lace_ingest_system"
    system = SystemDatabase(dsn, schema="ingest", role=role, password=postgres.password(role))
    yield Bare(dsn, database, system)
    await database.close()
    await system.close()
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as connection:
        await connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.mark.slow
async def test_words_are_enough_and_vectors_come_when_pgvector_does(bare: Bare, tenant_id: str) -> None:
    queue, work = PostgresVectorQueue(bare.system), PostgresWork(bare.database, lambda news: [])
    assert not await queue.ready()
    unit = Unit(new_id("unt"), 0, UnitKind.PARAGRAPH, TEXT, sha256_hex(TEXT.encode()), (Span(0, len(TEXT)),))
    source = Source(
        source_id=new_id("src"), filename="a.md", title="T", format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=9, sha256="0" * 64, raw_uri="lace-sources/x", created_at=datetime(2026, 5, 6, tzinfo=UTC),
        created_by="prn_1", state=SourceState.READY, extraction="x/1", unit_count=1,
    )  # fmt: skip
    scope, model = Scope(frozenset()), EmbeddingModel("local", "tiny", 2)
    async with work(tenant_id) as uow:
        await uow.sources.add(tenant_id, source)
        await uow.units.add(tenant_id, source, [unit])
        await uow.commit()
    async with work(tenant_id) as uow:
        [found] = await uow.lexical.candidates(tenant_id, scope, [Query("q", "bridge toll")], 5)
        assert [one.unit_id for one in found] == [unit.unit_id]
        coverage = await uow.vectors.coverage(tenant_id, scope)
        assert (coverage.units, coverage.embedded) == (1, {})
        assert (await uow.vectors.candidates(tenant_id, scope, model, [], 5, 9)).search is VectorSearch.NONE

    async with await psycopg.AsyncConnection.connect(bare.admin_dsn, autocommit=True) as connection:
        await connection.execute(f"ALTER DATABASE {NAME} RESET extension_control_path")
    await bare.system.engine.dispose()
    assert await queue.ready()
    assert await queue.take([await queue.enqueue(tenant_id, model)], "one", 60) is not None
