"""A provider that never stops sending takes no more memory than the longest answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import client
from lace_llm_gateway.adapters.http.client import HttpResponse


class Endless:
    """A body without an end."""

    def __init__(self) -> None:
        self.sent = 0

    async def iter_any(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += 1
            yield b"data: x\n\n"


async def test_a_stream_without_an_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_STREAM_BYTES", 90)
    body = Endless()
    response: Any = SimpleNamespace(content=body, headers={"content-type": "text/event-stream"})
    heard: list[bytes] = []
    with pytest.raises(LaceError) as failure:
        async for events in HttpResponse(response).events():
            heard += events
    assert failure.value.reason is Reason.PROVIDER_OUTPUT_INVALID
    assert (len(heard), body.sent) == (10, 11)
