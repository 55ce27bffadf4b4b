"""A control service as it runs: its own database on the session's server, and clients that speak gRPC to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
import pytest

from lace.control.v1 import control_pb2 as wire
from lace.control.v1 import control_pb2_grpc as stubs
from lace_control.bootstrap import serve
from lace_platform.config import ProcessConfig, load_process_config
from lace_platform.db.migrations import upgrade
from lace_platform.host import Platform, open_platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as


@dataclass(frozen=True)
class Actor:
    """Someone who calls: a token's identity, signed."""

    tenant_id: str
    principal_id: str
    signed: str
    secret: str = ""


@dataclass
class Installation:
    """A running control service, and who may speak to it."""

    config: ProcessConfig
    platform: Platform
    channel: grpc.aio.Channel
    admin: Actor = Actor("", "", "")
    service: str = ""

    async def renew(self) -> None:
        """Identities are good for minutes, and the tests of a session may take longer."""
        self.service = await self.platform.service_identity("runs", self.channel).token()
        if self.admin.secret:
            self.admin = await self.login(self.admin.secret)

    @property
    def auth(self) -> Any:
        return stubs.AuthServiceStub(self.channel)

    @property
    def settings(self) -> Any:
        return stubs.SettingsServiceStub(self.channel)

    @property
    def tenants(self) -> Any:
        return stubs.TenantServiceStub(self.channel)

    @property
    def audit(self) -> Any:
        return stubs.AuditServiceStub(self.channel)

    @contextmanager
    def acting(self, actor: Actor | str | None, key: str | None = None) -> Any:
        """Calls within are the actor's (a signed identity where a text), under a new Idempotency-Key or the given."""
        signed = actor.signed if isinstance(actor, Actor) else actor
        request_id = new_id("req")
        call = CallContext(None, request_id, request_id, idempotency_key=key or new_id("idk"), signed_identity=signed)
        with acting_as(call):
            yield

    async def login(self, secret: str) -> Actor:
        answer = await self.auth.Authenticate(wire.AuthenticateRequest(bearer=secret))
        return Actor(answer.tenant_id, answer.principal_id, answer.identity, secret)

    async def join(self, *roles: str, labels: tuple[str, ...] = ()) -> Actor:
        """A new principal of the administrator's tenant, with a token of all his rights."""
        with self.acting(self.admin):
            made = await self.tenants.CreatePrincipal(
                wire.CreatePrincipalRequest(name="someone", roles=roles, labels=labels)
            )
        return await self.token_for(made.principal_id)

    async def new_tenant(self) -> Actor:
        """A new tenant's administrator."""
        with self.acting(self.admin):
            made = await self.tenants.CreateTenant(wire.CreateTenantRequest(name="another"))
        with self.acting(self.admin):
            entries = await self.audit.ListAuditEntries(wire.ListAuditEntriesRequest())
        [entry] = [entry for entry in entries.entries if entry.subject == made.tenant_id]
        return await self.token_for(entry.details["principal_id"])

    async def token_for(self, principal_id: str, *scopes: str) -> Actor:
        with self.acting(self.admin):
            made = await self.auth.CreateToken(
                wire.CreateTokenRequest(name="test", principal_id=principal_id, scopes=scopes)
            )
        return await self.login(made.secret)


NewDatabase = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
async def new_database(postgres: Any) -> NewDatabase:
    """Makes an empty database with control's schema on the session's server, and gives its administrator's DSN."""

    async def make() -> str:
        name = new_id("control")
        async with await psycopg.AsyncConnection.connect(postgres.admin_dsn, autocommit=True) as admin:
            await admin.execute(f"CREATE DATABASE {name}".encode())
        dsn = psycopg.conninfo.make_conninfo(postgres.admin_dsn, dbname=name)
        await upgrade(dsn, ["control"], postgres.role_secret)
        return dsn

    return make


@pytest.fixture(scope="session")
async def begun_installation(
    postgres: Any, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One installation for all tests of this folder, begun; the tests make principals and tenants of their own."""
    environ = {
        "LACE_DATA_DIR": str(tmp_path_factory.mktemp("control")),
        "LACE_DSN": await new_database(),
        "LACE_DB_ROLE_SECRET": postgres.role_secret,
        "LACE_ADDRESSES": f"control=127.0.0.1:{_free_port()}",
        "LACE_RUNS_MAX_NODES": "77",
    }
    async with AsyncExitStack() as stack:
        config = load_process_config(None, environ)
        platform = await stack.enter_async_context(open_platform(config))
        await stack.enter_async_context(serve(config, platform))
        channel = platform.channel("control")
        stack.push_async_callback(channel.close)
        running = Installation(config, platform, channel)
        await running.renew()
        with running.acting(running.service):
            begun = await running.tenants.Bootstrap(
                wire.BootstrapRequest(tenant_name="default", principal_name="admin")
            )
        running.admin = await running.login(begun.secret)
        yield running


@pytest.fixture
async def installation(begun_installation: Installation) -> Installation:
    """The installation, with identities that are good for the test."""
    await begun_installation.renew()
    return begun_installation


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
