"""The shared part of a process opens, serves and closes, and follows control while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity, IdentitySigner, generate_private_key
from lace_platform.config import ProcessConfig, load_process_config
from lace_platform.host import open_platform
from lace_platform.rpc import RpcServer

_AuthServicer: Any = control_pb2_grpc.AuthServiceServicer


class Control(_AuthServicer):  # type: ignore[misc]
    """Control's AuthService as far as a platform needs it."""

    def __init__(self) -> None:
        self.signer = IdentitySigner(generate_private_key())
        self.revoked = asyncio.Event()

    async def GetVerificationKeys(self, request: Any, context: Any) -> Any:
        key = control_pb2.VerificationKey(key_id=self.signer.key_id, public_key_pem=self.signer.public_key_pem)
        return control_pb2.GetVerificationKeysResponse(keys=[key])

    async def WatchRevocations(self, request: Any, context: Any) -> Any:
        await self.revoked.wait()
        yield control_pb2.WatchRevocationsResponse(epoch=1, principal_id="prn_a")
        await asyncio.sleep(60)

    async def IssueServiceIdentity(self, request: Any, context: Any) -> Any:
        answer = control_pb2.IssueServiceIdentityResponse(identity=self.token(request.service, "service"))
        answer.expires_at.FromDatetime(datetime.now(UTC) + timedelta(minutes=5))
        return answer

    async def ListTokens(self, request: Any, context: Any) -> Any:
        return control_pb2.ListTokensResponse(next_page_token="seen")

    def token(self, principal: str, kind: Any = "user") -> str:
        now = datetime.now(UTC)
        rights = (frozenset[str](), frozenset({"admin"}), frozenset[str]())
        return self.signer.sign(
            Identity(principal, "ten_a", *rights, kind, None, None, now, now + timedelta(minutes=5), 0)
        )


@pytest.fixture
def config(postgres: Any, tmp_path: Path) -> ProcessConfig:
    environ = {
        "LACE_DATA_DIR": str(tmp_path),
        "LACE_DSN": postgres.admin_dsn,
        "LACE_DB_ROLE_SECRET": postgres.role_secret,
    }
    return load_process_config(None, environ)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_platform_opens_without_control_and_follows_it_when_it_comes(config: ProcessConfig) -> None:
    control = Control()
    # A port of our own choice, found by a server that is stopped again.
    async with open_platform(config) as first:
        probe = RpcServer("probe", verifier=first.verifier)
        port = await probe.start("127.0.0.1:0")
        await probe.stop(0)
    config = replace(config, addresses={**config.addresses, "control": f"127.0.0.1:{port}"})
    async with open_platform(config) as platform:
        with pytest.raises(LaceError) as caught:
            platform.verifier.verify(control.token("prn_a"))
        assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
        server = RpcServer("control", verifier=platform.verifier)
        server.add(control_pb2_grpc.add_AuthServiceServicer_to_server, control)
        await server.start(f"127.0.0.1:{port}")
        try:
            await _until(lambda: _accepts(platform.verifier, control.token("prn_a")))
            control.revoked.set()
            await _until(lambda: not _accepts(platform.verifier, control.token("prn_a")))
            assert _accepts(platform.verifier, control.token("prn_b"))
            identity = platform.service_identity("runs")
            async with platform.channel("control", identity.token) as channel:
                answer = await control_pb2_grpc.AuthServiceStub(channel).ListTokens(control_pb2.ListTokensRequest())
            assert answer.next_page_token == "seen"
            await identity.close()
        finally:
            await server.stop(0.2)


def _accepts(verifier: Any, token: str) -> bool:
    try:
        verifier.verify(token)
    except LaceError:
        return False
    return True


async def test_platform_gives_ways_to_database_bus_and_blobs(config: ProcessConfig, tenant_id: str) -> None:
    async with open_platform(config) as platform:
        ref = await platform.blobs.put("lace-artifacts", f"{tenant_id}/x", b"x", "text/plain")
        assert await platform.blobs.get(ref.uri) == b"x"
        assert (config.data_dir / "blobs" / ref.uri).is_file()
        database, system = platform.database("control"), platform.system_database("control")
        listener = platform.listener("control")
        try:
            async with database.transaction(tenant_id) as tx:
                assert (await tx.fetch_one("SELECT current_user AS me")).me == "lace_control"  # type: ignore[union-attr]
            async with system.transaction() as tx:
                row = await tx.fetch_one("SELECT current_user AS me")
                assert row is not None
                assert row.me == "lace_control_system"
            await listener.start()
        finally:
            await listener.close()
            await database.close()
            await system.close()
