"""A chat completion put together from the pieces in which a server sends it.

Answers are streamed so that a call which is given up closes its connection, and the server stops to write what nobody
waits for. What breaks off is never passed on as whole: an answer is one once its finish reason has come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from lace_core.errors import LaceError, Reason

if TYPE_CHECKING:
    from openai import AsyncStream

_EVENT_STREAM = "text/event-stream"


@dataclass
class Completion:
    """What has come so far; token counts are None until the server tells them."""

    text: list[str] = field(default_factory=list)
    refusal: bool = False
    finish_reason: str = ""
    model: str = ""
    response_id: str = ""
    fingerprint: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    begun: bool = False

    def add(self, piece: Any) -> None:
        """Take a piece in, or a completion that came in one; both as the SDK reads them or as plain JSON."""
        self.model = _of(piece, "model") or self.model
        self.response_id = _of(piece, "id") or self.response_id
        self.fingerprint = _of(piece, "system_fingerprint") or self.fingerprint
        usage = _of(piece, "usage")
        if usage:
            self.input_tokens, self.output_tokens = _of(usage, "prompt_tokens"), _of(usage, "completion_tokens")
        choices = _of(piece, "choices")
        if isinstance(choices, list) and choices:
            self._choose(choices[0])

    def _choose(self, choice: Any) -> None:
        said = _of(choice, "delta") or _of(choice, "message")
        if said is not None:
            self.begun = True
            self.text.append(_of(said, "content") or "")
            self.refusal = self.refusal or bool(_of(said, "refusal"))
        self.finish_reason = _of(choice, "finish_reason") or self.finish_reason


async def read(stream: AsyncStream[Any]) -> Completion:
    """All that a server sends to its end; the connection is closed however this ends.

    Raises LaceError PROVIDER_OUTPUT_INVALID for what is no completion, PROVIDER_UNAVAILABLE for one that breaks off.
    """
    completion = Completion()
    async with stream:
        if stream.response.headers.get("content-type", "").startswith(_EVENT_STREAM):
            await _follow(stream, completion)
            whole = bool(completion.finish_reason)
        else:  # a server that does not stream sends it in one, whose end is the end of the body
            completion.add(_object(await _body(stream)))
            whole = completion.begun
    if not completion.begun:
        raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The server's answer is no chat completion.", retryable=True)
    if not whole:
        raise _broken_off()
    return completion


async def _follow(stream: AsyncStream[Any], completion: Completion) -> None:
    import openai

    try:
        async for piece in stream:
            completion.add(piece)
    except openai.APIError as error:
        raise _broken_off() from error


async def _body(stream: AsyncStream[Any]) -> bytes:
    try:
        return bytes(await stream.response.aread())
    except Exception as error:  # whatever the SDK's transport calls it: the body has no end
        raise _broken_off() from error


def _object(body: bytes) -> dict[str, Any]:
    read = orjson.loads(body)
    return read if isinstance(read, dict) else {}


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _broken_off() -> LaceError:
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's answer broke off.", retryable=True)
