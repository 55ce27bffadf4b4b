"""What any hop costs at least, each as a program that prints its port: `bare URL`, `route` or `rpc`.

`bare` passes requests on to the URL as they are, streams too (Starlette and aiohttp); `route` is a FastAPI route that
does nothing, `rpc` a gRPC method that does nothing.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvicorn
import uvloop

METHOD = "/lace.bench.Empty/Call"


async def _bare(target: str) -> None:
    import aiohttp
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def passed_on(request: Request) -> Response:
        body = await request.body()
        answer = await session.post(target, data=body, headers={"content-type": "application/json"})
        kind = answer.headers["content-type"]
        if kind.startswith("text/event-stream"):
            return StreamingResponse(_pieces(answer), media_type=kind)
        async with answer:
            return Response(await answer.read(), media_type=kind)

    await _listen(Starlette(routes=[Route("/v1/chat/completions", passed_on, methods=["POST"])]))


async def _pieces(answer: Any) -> AsyncIterator[bytes]:
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


async def _route() -> None:
    from fastapi import FastAPI

    app = FastAPI()

    async def nothing() -> dict[str, str]:
        return {}

    app.post("/v1/chat/completions")(nothing)
    await _listen(app)


async def _listen(app: Any) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, loop="none", http="httptools", log_config=None, access_log=False, lifespan="off")
    await uvicorn.Server(config).serve([listening])


async def _rpc() -> None:
    async def nothing(request: bytes, context: Any) -> bytes:
        return request

    service, name = METHOD.lstrip("/").split("/")
    handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(nothing)}
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    kind, *more = sys.argv[1:]
    programs: dict[str, Any] = {"bare": _bare, "route": _route, "rpc": _rpc}
    uvloop.run(programs[kind](*more))
