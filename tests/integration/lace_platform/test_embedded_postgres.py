"""The embedded server: data survive stop and kill -9, one owner at a time, long paths, passwords."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from lace_standalone.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

MakeServer = Callable[..., EmbeddedPostgres]


@pytest.fixture(scope="session")
def folder(scratch: Path) -> Path:
    """One folder for all that leave it sound and stopped: making a cluster takes half a second."""
    return scratch / "embedded"


@pytest.fixture
async def make_server(folder: Path) -> AsyncIterator[MakeServer]:
    """Makes servers, by default on the test's folder, and stops them at its end whatever happens."""
    made: list[EmbeddedPostgres] = []

    def make(place: Path = folder, *, durable: bool = False) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(place, durable=durable))
        return made[-1]

    yield make
    for server in made:
        await server.stop()


def _postmaster(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return len(connection.execute("SELECT n FROM kept").fetchall())


def _fill(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")


async def test_data_survive_a_stop_and_the_server_is_gone_after_it(folder: Path, make_server: MakeServer) -> None:
    server = make_server()
    _fill(await server.start())
    first = _postmaster(folder)
    await server.stop()
    assert not _is_running(first)
    again = make_server()
    assert _count(await again.start()) == 100
    await again.stop()
    await again.stop()


async def test_data_survive_a_kill_of_the_server(folder: Path, make_server: MakeServer) -> None:
    server = make_server(durable=True)
    _fill(await server.start())
    os.kill(_postmaster(folder), signal.SIGKILL)
    await server.stop()
    assert (folder / "cluster" / "PG_VERSION").exists()
    assert _count(await server.start()) == 100
    await server.stop()


@pytest.mark.slow
async def test_a_server_whose_owner_was_killed_is_taken_over(folder: Path, make_server: MakeServer) -> None:
    """The owner is a process of its own that dies without a word; its server lives on until the next start."""
    owner = (
        "import asyncio, os, pathlib, sys, psycopg\n"
        "from lace_standalone.embedded_postgres import EmbeddedPostgres\n"
        "dsn = asyncio.run(EmbeddedPostgres(pathlib.Path(sys.argv[1])).start())\n"
        "make = 'CREATE TABLE IF NOT EXISTS kept AS SELECT generate_series(1, 100) AS n'\n"
        "psycopg.connect(dsn, autocommit=True).execute(make)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", owner, str(folder)], check=False, timeout=60)
    left_over = _postmaster(folder)
    assert _is_running(left_over)
    server = make_server()
    assert _count(await server.start()) == 100
    assert _postmaster(folder) != left_over
    await server.stop()


@pytest.mark.slow
async def test_a_stale_pid_file_that_names_a_living_stranger_is_no_hindrance(
    folder: Path, make_server: MakeServer
) -> None:
    server = make_server(durable=True)
    _fill(await server.start())
    pid_file = folder / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    os.kill(_postmaster(folder), signal.SIGKILL)
    await server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert _count(await server.start()) == 100
    await server.stop()


async def test_a_folder_has_one_owner_at_a_time(folder: Path, make_server: MakeServer) -> None:
    first, second = make_server(), make_server()
    dsn = await first.start()
    with pytest.raises(EmbeddedPostgresError, match="another process"):
        await second.start()
    with pytest.raises(EmbeddedPostgresError, match="already started"):
        await first.start()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    await first.stop()
    assert await second.start()
    await second.stop()


@pytest.mark.slow
async def test_a_path_too_long_or_too_odd_for_a_socket_gets_a_short_private_one(
    folder: Path, make_server: MakeServer
) -> None:
    deep = folder.parent / ("a rather long name, with 'quotes' " + "x" * 60) / ("y" * 60)
    server = make_server(deep)
    dsn = await server.start()
    place = Path(str(psycopg.conninfo.conninfo_to_dict(dsn)["host"]))
    assert len(str(place)) < 80
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    _fill(dsn)
    await server.stop()
    assert not place.exists()


async def test_nobody_gets_in_without_the_password_and_only_its_owner_reads_it(
    folder: Path, make_server: MakeServer
) -> None:
    server = make_server()
    dsn = await server.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(psycopg.conninfo.make_conninfo(dsn, password="guess"))
        assert stat.S_IMODE((folder / "superuser.password").stat().st_mode) == 0o600
        with psycopg.connect(dsn) as connection:
            settings: dict[str, str] = dict(
                connection.execute(
                    "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                    (["listen_addresses", "data_checksums", "password_encryption", "max_connections"],),
                ).fetchall()
            )
            ((order,),) = connection.execute(
                "SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY['b','a','B','_']) x"
            ).fetchall()
        assert settings == {
            "listen_addresses": "",
            "data_checksums": "on",
            "password_encryption": "scram-sha-256",
            "max_connections": "200",
        }
        assert order == ["B", "_", "a", "b"], "by code point, on every system"
    finally:
        await server.stop()


async def test_durable_is_the_default(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    with psycopg.connect(await server.start()) as connection:
        values = connection.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
    await server.stop()
    assert values == ("on", "on")


@pytest.mark.slow
async def test_a_broken_cluster_says_why_it_does_not_start(scratch: Path, make_server: MakeServer) -> None:
    folder = scratch / "broken"
    server = make_server(folder)
    await server.start()
    await server.stop()
    (folder / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match="pg_control"):
        await server.start()
    await server.stop()
