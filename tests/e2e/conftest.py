"""A whole installation, in one process or in one per service, and its public API as a client meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from lace_cli.main import run
from lace_client import LaceClient
from lace_platform.config import load_process_config
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.program import installation_beside
from tests.doubles.separate_processes import SeparateProcesses, parts_from_environment

IN_ONE_PROCESS = "one process"
SEPARATE = "separate processes"

Command = Callable[..., Awaitable[tuple[int, str, str]]]
Lace = Callable[..., Awaitable[str]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What looks into one process is not for separate ones: it is left out there, not passed over."""
    left_out = [item for item in items if item.get_closest_marker("one_process") and _kind_of(item) == SEPARATE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def _kind_of(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("installation") if callspec is not None else None


@dataclass(frozen=True)
class RunningInstallation:
    """Where the API is, the token for it, and where the installation keeps its bytes and rows."""

    url: str
    token: str
    data_dir: Path
    admin_dsn: str
    kind: str


@pytest.fixture(
    scope="session",
    params=[
        IN_ONE_PROCESS,
        # Embedded Postgres, and a real broker and a real S3 server, beside them.
        pytest.param(SEPARATE, marks=[pytest.mark.real_parts, pytest.mark.timeout(300)]),
    ],
)
async def installation(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[RunningInstallation]:
    """All services on a database of their own: workers of theirs would take the runs of other tests."""
    start = _in_one_process if request.param == IN_ONE_PROCESS else _in_separate_processes
    data_dir = scratch / str(request.param).replace(" ", "-")
    server = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await server.start()
    try:
        async with start(data_dir, dsn) as running:
            yield running
    finally:
        await server.stop()


@asynccontextmanager
async def _in_one_process(data_dir: Path, dsn: str) -> AsyncIterator[RunningInstallation]:
    environ = {
        "LACE_DATA_DIR": str(data_dir),
        "LACE_GATEWAY_PORT": "0",
        "LACE_LOG_LEVEL": "warning",
        # Where the embedder is installed it would be at work beside every test; test_hybrid_search.py has its own.
        "LACE_INGEST_EMBEDDING": "false",
    }
    config = load_process_config(env_file=None, environ=environ)
    # On a loop of its own: on the tests' loop a blocking test would starve it, and its worker would lose its runs.
    with installation_beside(replace(config, dsn=dsn)) as running:
        yield RunningInstallation(running.url, running.token, data_dir, dsn, IN_ONE_PROCESS)


@asynccontextmanager
async def _in_separate_processes(data_dir: Path, dsn: str) -> AsyncIterator[RunningInstallation]:
    parts = parts_from_environment()
    if not parts:
        pytest.skip("no Kafka or no S3 server: set LACE_TEST_KAFKA and LACE_TEST_S3")
    processes = SeparateProcesses(data_dir, dsn, parts)
    try:
        await processes.start()
        yield RunningInstallation(processes.url, processes.token, data_dir, dsn, SEPARATE)
    finally:
        codes = processes.stop()
    assert set(codes.values()) == {0}, codes


@pytest.fixture
async def api(installation: RunningInstallation) -> AsyncIterator[httpx.AsyncClient]:
    """The REST API under the first tenant's token."""
    headers = {"authorization": f"Bearer {installation.token}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30, verify=False) as client:
        yield client


@pytest.fixture
def client(installation: RunningInstallation) -> Iterator[LaceClient]:
    """The typed client, which blocks: where the tests' own loop must go on, call it by `asyncio.to_thread`."""
    with LaceClient(installation.url, installation.token) as opened:
        yield opened


@pytest.fixture
def command(
    installation: RunningInstallation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Command:
    """Runs a command line, in a thread as the services answer on this loop: its exit code, and what it printed."""
    monkeypatch.setenv("LACE_URL", installation.url)
    monkeypatch.setenv("LACE_TOKEN", installation.token)
    monkeypatch.chdir(tmp_path)

    async def call(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def lace(command: Command) -> Lace:
    """Runs a command line that must succeed; what it printed."""

    async def call(*arguments: str) -> str:
        code, out, err = await command(*arguments)
        assert code == 0, err
        return out

    return call
