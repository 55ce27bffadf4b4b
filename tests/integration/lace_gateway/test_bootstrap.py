"""The gateway as a process builds it: from its configuration alone."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from lace_gateway.adapters.system_settings import SystemSettings
from lace_gateway.bootstrap import SERVICES, serve
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.bus.memory import MemoryBus
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.rpc import ServiceIdentity, open_channel


def _platform(gateway: Any, folder: Path, **more: str) -> Platform:
    addresses = ",".join(f"{name}=127.0.0.1:{gateway.backend.port}" for name in SERVICES)
    environ = {
        "LACE_DATA_DIR": str(folder),
        "LACE_ADDRESSES": addresses,
        "LACE_SERVICE_SECRET": "service-secret",
        "LACE_GATEWAY_PORT": "0",
        **more,
    }
    config = load_process_config(None, environ)
    return Platform(config, FolderBlobStore(folder, UrlSigner("secret")), MemoryBus(), gateway.backend.verifier)


async def test_it_starts_serves_and_stops(gateway: Any, tmp_path: Path) -> None:
    platform = _platform(gateway, tmp_path)
    async with serve(platform.config, platform) as running:
        assert running.name == "gateway"
        url = f"http://127.0.0.1:{running.port}"
        async with httpx.AsyncClient(base_url=url, headers=gateway.headers, trust_env=False, timeout=30) as http:
            assert (await http.get("/health/ready")).status_code == 200
            assert (await http.get("/v1/runs/run_1")).json()["run_id"] == "run_1"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/health/live")


async def test_a_port_that_is_taken_is_an_error(gateway: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        platform = _platform(gateway, tmp_path, LACE_GATEWAY_PORT=str(taken.getsockname()[1]))
        with pytest.raises(OSError, match="in use"):
            async with serve(platform.config, platform):
                pass


async def test_settings_of_the_system_are_followed(gateway: Any) -> None:
    gateway.backend.settings.values["gateway.max_body_bytes"] = 2048
    plain = gateway.backend.channels["control"]
    identity = ServiceIdentity(plain, "gateway", "service-secret")
    channel = open_channel(f"127.0.0.1:{gateway.backend.port}", identity=identity.token)
    settings = SystemSettings(channel, ())
    assert settings.current().max_body_bytes == 1_048_576
    following = asyncio.create_task(settings.follow())
    async with asyncio.timeout(30):
        while settings.current().max_body_bytes != 2048:
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.wait({following})
    await channel.close()


async def test_without_control_the_own_layers_hold() -> None:
    channel = open_channel("127.0.0.1:1")
    settings = SystemSettings(channel, ())
    following = asyncio.create_task(settings.follow())
    await asyncio.sleep(0.05)
    assert settings.current().heartbeat_s == 10
    following.cancel()
    await asyncio.wait({following})
    await channel.close()
