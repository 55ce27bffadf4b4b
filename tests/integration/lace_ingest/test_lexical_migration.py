"""Units of before blocks of postings are found after them, and a server without unaccent is no hindrance."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.documents import Unit, UnitKind
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_platform.db.database import Database
from lace_platform.ids import new_id
from tests.contract.lace_ingest.test_lexical import keep, search, source
from tests.integration.lace_ingest.test_moved_sources import _ROLES, _database, _upgrade

_SOURCE = """
    INSERT INTO ingest.sources VALUES (%(tenant)s, 'src_1', 'a.md', 'A tall title', 'md', 'text/markdown', 9,
        repeat('0', 64), 'lace-sources/x', 'ready', '', '', 0, 1, 3, 'x/1', '[]', '{}', 'run_1', 'prn_1', now(), now())
"""
_UNIT = """
    INSERT INTO ingest.source_units VALUES (%(tenant)s, %(unit)s, 'src_1', 'x/1', %(place)s, 'paragraph', %(text)s,
        %(hash)s, '{Heads of title}', 0, 1, '[]', NULL, '', 3, '', 3)
"""
_TEXTS = ["", *(f"A bridge of word{place % 7} and iron {'title ' * (place % 3)}" for place in range(300))]


@asynccontextmanager
async def _work(postgres: Any, dsn: str) -> AsyncIterator[UnitsOfWork]:
    database = Database(dsn, schema="ingest", role=_ROLES[0], password=postgres.password(_ROLES[0]))
    try:
        yield PostgresWork(database, lambda readout: [])
    finally:
        await database.close()


async def _keep_as_before(dsn: str, tenant_id: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(_SOURCE.encode(), {"tenant": tenant_id})
        for place, text in enumerate(_TEXTS):
            digest = hashlib.sha256(text.encode()).hexdigest()
            values = {"tenant": tenant_id, "unit": f"unt_{place:03}", "place": place, "text": text, "hash": digest}
            await connection.execute(_UNIT.encode(), values)


async def _candidates(work: UnitsOfWork, tenant_id: str) -> Sequence[Sequence[Candidate]]:
    queries = [Query("q", text) for text in ("title iron", "word3 heads", "bridge", "tal", "briige")]
    async with work(tenant_id) as unit_of_work:
        return await unit_of_work.lexical.candidates(tenant_id, Scope(frozenset()), queries, 200)


async def test_units_of_before_are_found_as_if_they_were_read_now(postgres: Any) -> None:
    before, now = new_id("ten"), new_id("ten")
    async with _database(postgres) as (dsn, login):
        await asyncio.to_thread(_upgrade, dsn, login, "0001")
        await _keep_as_before(dsn, before)
        await asyncio.to_thread(_upgrade, dsn, login, "head")
        async with _work(postgres, dsn) as work:
            units = [
                Unit(f"unt_{place:03}", place, UnitKind.PARAGRAPH, text, "0" * 64, (), ("Heads of title",))
                for place, text in enumerate(_TEXTS)
            ]
            await keep(work, now, source("a.md", title="A tall title"), *units)
            found = await _candidates(work, before)
            assert found == await _candidates(work, now)
            assert [len(each) for each in found] == [200, 200, 200, 0, 200]


async def test_without_unaccent_accents_matter_and_all_else_works(
    postgres: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    tenant_id = new_id("ten")
    async with _database(postgres) as (dsn, login):
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.execute(f"REVOKE CREATE ON DATABASE {login} FROM {login}".encode())
        await asyncio.to_thread(_upgrade, dsn, login, "head")
        async with _work(postgres, dsn) as work:
            units = [Unit(new_id("unt"), 0, UnitKind.PARAGRAPH, "Café bridges", "0" * 64, ())]
            await keep(work, tenant_id, source("a.md"), *units)
            assert await search(work, tenant_id, "café", "bridge") == [["Café bridges"], ["Café bridges"]]
            assert await search(work, tenant_id, "caffee") == [[]]
            async with work(tenant_id) as unit_of_work:
                assert await unit_of_work.lexical.lexemes(tenant_id, "en", ["Café"]) == {"Café": {"café"}}
    assert "search_keeps_accents" in capfd.readouterr().err
