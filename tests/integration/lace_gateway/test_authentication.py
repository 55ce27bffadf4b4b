"""Who gets in: before routing, before the body, and only while the token is good."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest


def _client(gateway: Any, token: str | None = None) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30, trust_env=False, verify=False)


@pytest.mark.parametrize(
    ("headers", "code", "error"),
    [
        ({}, "TOKEN_MISSING", "invalid_request"),
        ({"authorization": "Basic dTpw"}, "TOKEN_MISSING", "invalid_request"),
        ({"authorization": "Bearer"}, "TOKEN_MISSING", "invalid_request"),
        ({"authorization": "Bearer lace_wrong"}, "TOKEN_INVALID", "invalid_token"),
        ({"authorization": "Bearer " + "x" * 2000}, "TOKEN_INVALID", "invalid_token"),
    ],
)
async def test_without_a_good_token(gateway: Any, headers: dict[str, str], code: str, error: str) -> None:
    async with _client(gateway) as http:
        response = await http.get("/v1/runs/run_1", headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["error_code"] == code
    assert response.headers["www-authenticate"] == f'Bearer realm="lace", error="{error}"'
    assert gateway.backend.runs.calls == []


async def test_paths_are_not_told_to_strangers(gateway: Any) -> None:
    async with _client(gateway) as http:
        for path in ("/v1/nothing", "/nothing", "/v1/runs/run_1/stream"):
            assert (await http.get(path)).json()["error_code"] == "TOKEN_MISSING"


@pytest.mark.parametrize("path", ["/v1/runs/generate", "/v1/sources:ingest", "/v1/nothing"])
async def test_the_answer_comes_before_the_body(gateway: Any, path: str) -> None:
    """The head of the request alone is sent; whoever waited for the body would not answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode()
    )
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 401 ")


async def test_a_token_without_the_scope(gateway: Any) -> None:
    gateway.backend.auth.add("lace_reader", scopes=frozenset({"runs:read"}))
    async with _client(gateway, "lace_reader") as http:
        assert (await http.get("/v1/runs/run_1")).status_code == 200
        response = await http.post("/v1/runs/generate", json={}, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")


async def test_control_is_asked_once_for_many(open_gateway: Any) -> None:
    gateway = await open_gateway()
    gateway.backend.auth.delay_s = 0.1
    async with _client(gateway, "lace_good") as http:
        answers = await asyncio.gather(*(http.get("/v1/runs/run_1") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        await http.get("/v1/runs/run_1")
    assert gateway.backend.auth.asked == 1


async def test_a_revoked_token_is_refused_at_once(open_gateway: Any) -> None:
    gateway = await open_gateway()
    async with _client(gateway, "lace_good") as http:
        assert (await http.get("/v1/runs/run_1")).status_code == 200
        gateway.backend.auth.revoke("lace_good")
        response = await http.get("/v1/runs/run_1")
    assert (response.status_code, response.json()["error_code"]) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"])
async def test_what_is_open(gateway: Any, path: str) -> None:
    async with _client(gateway) as http:
        assert (await http.get(path)).status_code == 200


async def test_the_documentation_can_be_closed(open_gateway: Any) -> None:
    gateway = await open_gateway(open_documentation=False)
    async with _client(gateway) as http:
        for path in ("/docs", "/docs/assets/start.js", "/openapi.json", "/read"):
            assert (await http.get(path)).status_code == 401
    async with _client(gateway, "lace_good") as http:
        assert (await http.get("/openapi.json")).status_code == 200


async def test_a_token_in_the_query_is_for_streams_alone(gateway: Any) -> None:
    async with _client(gateway) as http:
        response = await http.get("/v1/runs/run_1?access_token=lace_good")
    assert response.json()["error_code"] == "TOKEN_MISSING"
