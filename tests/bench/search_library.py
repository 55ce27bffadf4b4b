"""A library of any size, made of pieces of the collections, put where the service keeps its own."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.migrations import role_password
from tests.bench.processes import ROOT
from tests.bench.server import Places

_COLLECTIONS = Path(os.environ.get("LACE_SHARED", ROOT.parent / "shared")) / "corpora" / "chunkeval"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_UNITS_OF_A_SOURCE = 100
_PIECES = (5, 20)
_PIECE_WORDS = 6
_MADE_UP = 20_000
# Directions at random, all of one length: how near they are costs the same as with those of a model.
_VECTORS = """
    INSERT INTO ingest.unit_vectors (set_id, space_id, tenant_id, unit_id, part, embedding)
    SELECT wanted.set_id, wanted.space_id, wanted.tenant_id, unit.unit_id, 0, ingest.l2_normalize(ARRAY(
        SELECT random() - 0.5 FROM generate_series(1, space.dimensions) AS at WHERE unit.unit_id <> ''
    )::real[]::ingest.vector)
    FROM ingest.vector_sets AS wanted JOIN ingest.vector_spaces AS space USING (space_id)
    JOIN ingest.source_units AS unit
        ON unit.tenant_id = wanted.tenant_id AND unit.source_id = wanted.source_id
        AND unit.extraction = wanted.extraction
    WHERE wanted.space_id = %s AND wanted.embedded < wanted.units
"""
_EMBEDDED = "UPDATE ingest.vector_sets SET embedded = units, last_place = units WHERE space_id = %s"
_TABLES = ("sources", "source_units", "lexical_blocks", "lexical_postings", "lexical_trigrams")


def questions() -> list[str]:
    """Those of the collections; where they are not at hand, words of the made-up language."""
    if not _COLLECTIONS.exists():
        chance = random.Random(2)
        return [" ".join(_made_up(chance, 8)) for _ in range(200)]
    import csv

    with (_COLLECTIONS / "questions.csv").open(encoding="utf-8", newline="") as file:
        return [row["question"] for row in csv.DictReader(file)]


@dataclass(frozen=True)
class Library:
    """The tenant whose library it is, in a running installation."""

    places: Places
    tenant_id: str

    @classmethod
    def of(cls, places: Places) -> Library:
        """The first tenant's."""
        with psycopg.connect(places.dsn) as connection:
            row = connection.execute("SELECT tenant_id FROM control.tenants").fetchone()
        assert row is not None
        return cls(places, row[0])

    def database(self) -> Database:
        """The service's own login; the caller closes it."""
        password = role_password(self.places.role_secret, "lace_ingest")
        return Database(self.places.dsn, schema="ingest", role="lace_ingest", password=password, pool_size=16)

    async def grow(self, units: int) -> str:
        """Up to so many units, kept and posted as the service does; the id of one of the sources."""
        database = self.database()
        work = PostgresWork(database, lambda news: [])
        source_id = ""
        with psycopg.connect(self.places.dsn, autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM ingest.source_units").fetchone()
            assert row is not None
            for source, made in _sources(row[0], units):
                async with work(self.tenant_id) as unit_of_work:
                    await unit_of_work.sources.add(self.tenant_id, source)
                    await unit_of_work.units.add(self.tenant_id, source, made)
                    await unit_of_work.commit()
                source_id = source.source_id
            for table in _TABLES:  # as autovacuum does, but before the clock runs
                connection.execute(f"VACUUM ANALYZE ingest.{table}")
        await database.close()
        return source_id

    async def add_vectors(self, model: EmbeddingModel, *, indexed: bool) -> None:
        """One for each unit that has none, and the index over them."""
        password = role_password(self.places.role_secret, "lace_ingest_system")
        system = SystemDatabase(self.places.dsn, schema="ingest", role="lace_ingest_system", password=password)
        queue = PostgresVectorQueue(system)
        space_id = await queue.enqueue(self.tenant_id, model)
        with psycopg.connect(self.places.dsn, autocommit=True) as connection:
            connection.execute(_VECTORS, (space_id,))
            connection.execute(_EMBEDDED, (space_id,))
            for table in ("unit_vectors", "vector_sets"):
                connection.execute(f"VACUUM ANALYZE ingest.{table}")
        if indexed:
            await queue.index(self.tenant_id, space_id, 1)
        await system.close()


def _sources(have: int, wanted: int) -> Iterator[tuple[Source, list[Unit]]]:
    chance = random.Random(have)
    texts = _texts()
    for first in range(have, wanted, _UNITS_OF_A_SOURCE):
        number = first // _UNITS_OF_A_SOURCE
        name, sentences = chance.choices(texts, [len(found) for _, found in texts])[0]
        hashed = sha256_hex(f"source {number}".encode())
        size = min(_UNITS_OF_A_SOURCE, wanted - first)
        source = Source(
            source_id=f"src_{hashed[:26]}", filename=f"{number}.md", title=f"{name} {number}", format=SourceFormat.MD,
            media_type="text/markdown", size_bytes=1, sha256=hashed, raw_uri="", created_at=_NOW,
            created_by="prn_bench", state=SourceState.READY, extraction="bench/1", language="en", unit_count=size,
        )  # fmt: skip
        made = [_unit(chance, number, place, sentences) for place in range(size)]
        yield source, made


def _unit(chance: random.Random, number: int, place: int, sentences: Sequence[str]) -> Unit:
    """Pieces of sentences from one region of a text, as a document has its own subject; no two units say the same."""
    region = len(sentences) // 3 + 1
    start = number * 7919 % len(sentences)
    pieces = []
    for _ in range(chance.randint(*_PIECES)):
        words = sentences[(start + chance.randrange(region)) % len(sentences)].split()
        first = chance.randrange(max(1, len(words) - _PIECE_WORDS + 1))
        pieces.append(" ".join(words[first : first + _PIECE_WORDS]))
    text = " ".join(pieces)
    hashed = sha256_hex(f"unit {number} {place} {text}".encode())
    spans = (Span(0, len(text)),)
    return Unit(f"unt_{hashed[:26]}", place, UnitKind.PARAGRAPH, text, hashed, spans, (f"Section {place // 10}",))


def _texts() -> list[tuple[str, list[str]]]:
    if not _COLLECTIONS.exists():
        chance = random.Random(1)
        return [("made up", [" ".join(_made_up(chance, chance.randint(5, 25))) for _ in range(10_000)])]
    found = []
    for path in sorted(_COLLECTIONS.glob("*.md")):
        split = re.split(r"(?<=[.!?])\s+|\n+", path.read_text(encoding="utf-8"))
        found.append((path.stem, [text.strip() for text in split if 20 < len(text.strip()) < 400]))
    return found


def _made_up(chance: random.Random, count: int) -> list[str]:
    """Words whose frequencies are like those of a language (Zipf)."""
    return [f"w{min(int(chance.paretovariate(0.9)), _MADE_UP)}q" for _ in range(count)]
