"""Whether the instrument sees everything: what it counted in an undisturbed run beside what the other ends counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lace_standalone.services import ALL_SERVICES
from tests.chaos.database import COMMIT, READ
from tests.chaos.installation import Installation
from tests.chaos.outside import BLOB, GRPC, HTTP, SERVED
from tests.chaos.scenario import Client
from tests.doubles.openai_server import OpenAIDouble

_GONE_S = 10.0
_MADE_S = 60.0


@dataclass(frozen=True)
class Compared:
    """One kind of thing: what this side of the wire counted, and what the other side did."""

    what: str
    counted: int
    told: int

    @property
    def is_equal(self) -> bool:
        """Whether nothing was missed."""
        return self.counted == self.told

    def __str__(self) -> str:
        return f"{self.what:<58} {self.counted:>6} {self.told:>6} {'equal' if self.is_equal else 'NOT EQUAL'}"


async def compare(installation: Installation, provider: OpenAIDouble) -> list[Compared]:
    """Start every service anew, make one document, end them all; count on both sides.

    The server adds a connection's numbers when it ends, so the services are stopped before each reading. What
    commits without being told to is switched off: vacuuming, and the wake-ups of listening sessions.
    """
    await installation.stop_services()
    await _without_vacuum(installation)
    marks = {service: len(installation.journal(service)) for service in ALL_SERVICES}
    before, asked = await _server_counts(installation), len(provider.requests)
    installation.environ["CHAOS_DEAF"] = "1"
    await installation.start_services()
    async with Client(installation.url, installation.token, _MADE_S) as client:
        await client.make("counted")
    await installation.stop_services()
    del installation.environ["CHAOS_DEAF"]
    after = await _server_counts(installation)
    lines = [line for service in ALL_SERVICES for line in installation.journal(service)[marks[service] :]]
    kinds = Counter(line["kind"] for line in lines)
    links = {line["path"] for line in lines if line["kind"] == BLOB}
    transactions = kinds[COMMIT] + kinds[READ] + kinds["connect"]
    return [
        Compared("transactions committed: taps, pg_stat_database", transactions, after - before),
        Compared("gRPC calls: clients, servers", kinds[GRPC], kinds[SERVED]),
        Compared("blobs: links, files there", len(links), sum(Path(link).exists() for link in links)),
        Compared("requests to the model: client, server", kinds[HTTP], len(provider.requests) - asked),
    ]


async def _without_vacuum(installation: Installation) -> None:
    async with await _aside(installation) as connection:
        await connection.execute("ALTER SYSTEM SET autovacuum = off")
        await connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0)


async def _server_counts(installation: Installation) -> int:
    """Commits in the installation's database, once nobody is connected to it."""
    async with asyncio.timeout(_GONE_S), await _aside(installation) as connection:
        while await _rows(connection, "SELECT pid FROM pg_stat_activity WHERE datname = 'lace'"):
            await asyncio.sleep(0.05)
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        [row] = await _rows(connection, "SELECT xact_commit FROM pg_stat_database WHERE datname = 'lace'")
        return int(row[0])


async def _aside(installation: Installation) -> psycopg.AsyncConnection[Any]:
    """A connection to another database of the server, which is counted there."""
    return await psycopg.AsyncConnection.connect(installation.dsn, dbname="postgres", autocommit=True)


async def _rows(connection: psycopg.AsyncConnection[Any], query: str) -> list[Any]:
    return await (await connection.execute(query.encode())).fetchall()
