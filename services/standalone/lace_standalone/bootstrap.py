"""Starts a whole installation in this process: the embedded database, every service, and the first tenant."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from lace_platform.config import ProcessConfig
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.folder import DataFolder
from lace_standalone.ports import addresses, is_free
from lace_standalone.services import ALL_SERVICES, GATEWAY, RPC_SERVICES, hosting, load

# The services talk among themselves: free ports, so that two installations on one machine do not meet.
_LOOPBACK = "127.0.0.1"
_PORT_VARIABLE = "LACE_GATEWAY_PORT"

_log = structlog.get_logger(__name__)


class TokenLostError(Exception):
    """The first tenant is there and its token is not; a secret is shown once and kept nowhere else."""


class PortTakenError(Exception):
    """The port that was asked for is another program's."""


@dataclass(frozen=True)
class Installation:
    """A running installation: its address, its first tenant's token, and how many seconds its start took."""

    url: str
    token: str
    docs_url: str | None
    started_in_s: float


@asynccontextmanager
async def run(config: ProcessConfig) -> AsyncIterator[Installation]:
    """All services in this process until the end of the block; stopped in the reverse order of their start.

    Raises AlreadyRunningError, EmbeddedPostgresError, PortTakenError, TokenLostError.
    """
    began = time.monotonic()
    folder = DataFolder(config.data_dir)
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.held())
        # Other programs make and start the database: meanwhile this one reads its own modules.
        loading = asyncio.create_task(asyncio.to_thread(load, ALL_SERVICES))
        stack.push_async_callback(_settled, loading)
        dsn = config.dsn or await stack.enter_async_context(_embedded_postgres(config))
        _check_gateway_port(config)
        config = replace(
            config,
            dsn=dsn,
            addresses=addresses(_LOOPBACK, RPC_SERVICES),
            any_gateway_port=_PORT_VARIABLE not in config.environ,
        )
        # Before anything else is imported: two threads in one circle of imports may each see half of a module.
        await loading
        await _migrate(config)
        url = await stack.enter_async_context(_services(config))
        token = await _token(config, folder)
        folder.announce(url)
        installation = Installation(
            url, token, f"{url}/docs" if config.docs_enabled else None, time.monotonic() - began
        )
        _log.info("installation_ready", url=url, seconds=round(installation.started_in_s, 2))
        try:
            yield installation
        finally:
            _log.info("installation_stopping")


@asynccontextmanager
async def _embedded_postgres(config: ProcessConfig) -> AsyncIterator[str]:
    server = EmbeddedPostgres(config.data_dir / "postgres")
    starting = asyncio.create_task(server.start())
    try:
        yield await asyncio.shield(starting)
    finally:
        # Whoever interrupts the start must wait for it: a server half started could not be stopped.
        await _settled(starting)
        await server.stop()


async def _settled(task: asyncio.Task[object]) -> None:
    with contextlib.suppress(Exception):
        await task


async def _migrate(config: ProcessConfig) -> None:
    from lace_platform.db.migrations import upgrade

    await upgrade(config.dsn, RPC_SERVICES, config.db_role_secret)


@asynccontextmanager
async def _services(config: ProcessConfig) -> AsyncIterator[str]:
    from lace_platform.host import open_platform

    async with open_platform(config) as platform, hosting(config, platform, ALL_SERVICES) as running:
        host = f"[{config.gateway_host}]" if ":" in config.gateway_host else config.gateway_host
        yield f"http://{host}:{running[GATEWAY].port}"


async def _token(config: ProcessConfig, folder: DataFolder) -> str:
    kept = folder.token()
    if kept is not None:
        return kept
    from lace_standalone.first_tenant import make_first_tenant

    secret = await make_first_tenant(config)
    if not secret:
        raise TokenLostError(
            f"The token of this installation is no longer in {folder.path / 'token'}, and it was shown only once. "
            "Put it back, or begin anew with another LACE_DATA_DIR."
        )
    folder.keep_token(secret)
    return secret


def _check_gateway_port(config: ProcessConfig) -> None:
    """Early, so that nobody waits for a start that must fail. The gateway itself takes another where it may."""
    port = config.gateway_port
    if _PORT_VARIABLE in config.environ and port != 0 and not is_free(config.gateway_host, port):
        raise PortTakenError(f"Port {port} is taken by another program; set {_PORT_VARIABLE} to another one, or to 0.")
