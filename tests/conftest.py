"""What every test may ask for: one Postgres per session with all schemas, logins to it, and a tenant of its own."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from hypothesis import settings as hypothesis_settings

from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.db.migrations import role_password, upgrade
from lace_platform.ids import new_id
from lace_standalone.embedded_postgres import EmbeddedPostgres

# The machine is shared: how long one example takes says nothing about the code.
hypothesis_settings.register_profile("lace", deadline=None, max_examples=60)
hypothesis_settings.load_profile("lace")

SERVICES = ("control", "runs", "ingest", "llm_gateway", "compiler", "provenance")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Of the thousands of tests that are made here none is garbage before the end: looking for some takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where LACE_REQUIRE_REAL_PARTS=1 asks for every real part, a test that is skipped for want of one has failed."""
    report = yield
    required = os.environ.get("LACE_REQUIRE_REAL_PARTS") == "1"
    if required and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("real_parts"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}; LACE_REQUIRE_REAL_PARTS=1 asks for every part"
    return report


@dataclass(frozen=True)
class PostgresServer:
    """The session's server: the superuser's DSN and the secret that the roles' passwords come from."""

    admin_dsn: str
    role_secret: str

    def password(self, role: str) -> str:
        """The password of a role."""
        return role_password(self.role_secret, role)

    def database(self, service: str, *, pool_size: int = 4) -> Database:
        """A service's own login; the caller closes it."""
        role = f"lace_{service}"
        return Database(self.admin_dsn, schema=service, role=role, password=self.password(role), pool_size=pool_size)

    def system_database(self, service: str, *, pool_size: int = 4) -> SystemDatabase:
        """A service's cross-tenant login; the caller closes it."""
        role = f"lace_{service}_system"
        return SystemDatabase(
            self.admin_dsn, schema=service, role=role, password=self.password(role), pool_size=pool_size
        )

    def listener(self, service: str) -> Listener:
        """A listener under a service's login; the caller starts and closes it."""
        role = f"lace_{service}"
        return Listener(self.admin_dsn, role, self.password(role))


@pytest.fixture(autouse=True)
def logs_apart() -> None:
    """Services that live through the session log at any time: not into what a test reads of its own output."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for the session's servers: not pytest's own, whose parents another run may close to other accounts."""
    folder = Path(tempfile.mkdtemp(prefix="lace-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(scratch: Path) -> AsyncIterator[PostgresServer]:
    """The embedded server with the schemas of all services that are installed, at their newest revision."""
    server = EmbeddedPostgres(scratch / "postgres", durable=False)
    dsn = await server.start()
    try:
        role_secret = "role-secret-of-the-test-session"
        await upgrade(dsn, [name for name in SERVICES if importlib.util.find_spec(f"lace_{name}")], role_secret)
        yield PostgresServer(dsn, role_secret)
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def database(postgres: PostgresServer) -> AsyncIterator[Callable[[str], Database]]:
    """`database("runs")`: a service's own login, one pool per service for the whole session."""
    opened: dict[str, Database] = {}
    async with contextlib.AsyncExitStack() as stack:

        def open_database(service: str) -> Database:
            if service not in opened:
                opened[service] = postgres.database(service)
                stack.push_async_callback(opened[service].close)
            return opened[service]

        yield open_database


@pytest.fixture(scope="session")
async def system_database(postgres: PostgresServer) -> AsyncIterator[Callable[[str], SystemDatabase]]:
    """`system_database("runs")`: a service's cross-tenant login, one pool per service for the whole session."""
    opened: dict[str, SystemDatabase] = {}
    async with contextlib.AsyncExitStack() as stack:

        def open_database(service: str) -> SystemDatabase:
            if service not in opened:
                opened[service] = postgres.system_database(service)
                stack.push_async_callback(opened[service].close)
            return opened[service]

        yield open_database


@pytest.fixture
def tenant_id() -> str:
    """A tenant that no other test uses."""
    return new_id("ten")
