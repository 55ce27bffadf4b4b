"""Asking a service, or the API, whether it serves; quick, and never an exception for one that does not answer."""

from __future__ import annotations

import asyncio

from lace_cli.local import loaded_config

_PATIENCE_S = 3.0


def rpc_health(service: str) -> str:
    """`serving`, or in a word why not, of the service at its configured address."""
    return asyncio.run(_rpc_health(loaded_config().addresses[service]))


async def _rpc_health(address: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_PATIENCE_S
            )
        except grpc.aio.AioRpcError as error:
            return error.code().name.lower()
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return name.lower()


def http_health(*, own: bool) -> str:
    """`serving`, or in words what is not: of the gateway that is configured here, or of the API that commands use."""
    import httpx

    if own:
        config = loaded_config()
        host = "127.0.0.1" if config.gateway_host in ("0.0.0.0", "::") else config.gateway_host  # noqa: S104 - compared
        # Alive is enough: a gateway whose neighbours are away must not be ended for it.
        url = f"http://{host}:{config.gateway_port}/health/live"
    else:
        from lace_cli.connection import find_url

        url = f"{find_url()}/health/ready"
    try:
        answer = httpx.get(url, timeout=_PATIENCE_S)
    except httpx.HTTPError as error:
        return f"not reached at {url}: {error}"
    if answer.is_success:
        return "serving"
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    return str(problem.get("message") or f"{url} answered {answer.status_code}")
