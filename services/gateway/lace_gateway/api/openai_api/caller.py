"""One call to the model gateway on behalf of an HTTP client: it ends when the client leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.rest_requests import client_gone
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import CallContext

T = TypeVar("T")


def call_of(request: Request, settings: GatewaySettings) -> CallContext:
    """What goes along with the call; models may take longer than other services."""
    return exchange_of(request.scope).call(deadline=time.monotonic() + settings.model_deadline_s)


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """What the work gives; where the client leaves before, the work is cancelled, and with it the call it waits for.

    The body must have been read. Raises LaceError INVALID_ARGUMENT, for the log alone, when the client has gone.
    """
    # The work stays in this task: one more for each call costs more than all else that is done here.
    task = asyncio.current_task()
    assert task is not None
    watcher = asyncio.create_task(_until_gone(receive, task), name="client-watch")
    try:
        return await work
    except asyncio.CancelledError:
        if not watcher.done() or watcher.cancelled():
            raise
        task.uncancel()
        raise client_gone() from None
    finally:
        watcher.cancel()


async def _until_gone(receive: Receive, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
