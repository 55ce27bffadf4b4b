"""A server that speaks OpenAI's chat completions, responses and model list, and misbehaves as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.doubles.http_double import (
    Answer,
    Body,
    HttpDouble,
    Reply,
    cut_off,
    dripping,
    events,
    models_reply,
    raw,
    running,
    slow,
)

__all__ = ["Answer", "Body", "OpenAIDouble", "Reply", "cut_off", "dripping", "raw", "serving", "slow"]

STOP, LENGTH, TOOL, FILTER, UNHEARD_OF = "stop", "length", "tool_calls", "content_filter", "eos_token"


@dataclass
class OpenAIDouble(HttpDouble):
    """Says that it is ready where nobody told it anything else."""

    otherwise: Reply = field(default_factory=lambda: text("ready"))


@asynccontextmanager
async def serving() -> AsyncIterator[OpenAIDouble]:
    """The double on a free port of the loopback, until the end of the block."""
    async with running(OpenAIDouble(), "/v1") as double:
        yield double


def text(content: str, **more: Any) -> Reply:
    """A completion of that content, in pieces where the request asks for a stream.

    `finish_reason`, `model`, `refusal`, `usage` and `system_fingerprint` by name.
    """

    def reply(body: dict[str, Any]) -> Answer:
        message = {"role": "assistant", "content": content, "refusal": more.get("refusal")}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": more.get("model", body["model"] + "-2026-01-01"),
            "system_fingerprint": more.get("system_fingerprint", "fp_1"),
            "choices": [{"index": 0, "message": message, "finish_reason": more.get("finish_reason", STOP)}],
            "usage": more.get("usage", {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}),
        }
        if body.get("stream"):
            return Answer(headers={"content-type": "text/event-stream"}, pieces=tuple(_pieces(completion, body)))
        return Answer(body=orjson.dumps(completion))

    return reply


def _pieces(completion: dict[str, Any], body: dict[str, Any]) -> Iterator[bytes]:
    [choice] = completion["choices"]
    shared = {**completion, "object": "chat.completion.chunk", "usage": None}
    content = choice["message"]["content"] or ""
    step = max(1, len(content) // 20)
    said: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": choice["message"]["refusal"]}]
    said += [{"content": content[at : at + step]} for at in range(0, len(content), step)]
    for delta in said:
        yield _sent({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _sent({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if body.get("stream_options", {}).get("include_usage"):
        yield _sent({**shared, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _sent(piece: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(piece) + b"\n\n"


def finished(content: str, word: str) -> Reply:
    """An answer that ends with that word of the wire."""
    return text(content, finish_reason=word)


def refused() -> Reply:
    """An answer in which the model refuses."""
    return text("", refusal="I cannot help with that.")


def unended(content: str) -> Reply:
    """A stream that ends as if all were well, without a reason why."""
    piece = {"choices": [{"index": 0, "delta": {"content": content}}]}
    return lambda _: events(orjson.dumps(piece), b"[DONE]")


def failing_midway(content: str) -> Reply:
    """A stream in which the server says that it failed."""
    piece = {"choices": [{"index": 0, "delta": {"content": content}}]}
    return lambda _: events(orjson.dumps(piece), orjson.dumps({"error": {"message": "no", "type": "server_error"}}))


def whole(content: str) -> Reply:
    """A completion in one, whatever the request asks for: a server that does not stream."""
    return lambda body: text(content)({**body, "stream": False})


def without_usage(reply: Reply) -> Reply:
    """A server that does not know how to tell the tokens of a stream, as older ones."""

    def choosy(body: dict[str, Any]) -> Answer:
        if "stream_options" in body:
            return error(400, "Unrecognized request argument supplied: stream_options")(body)
        return reply(body)

    return choosy


def json_answer(value: Any, **more: Any) -> Reply:
    """A completion whose content is JSON."""
    return text(orjson.dumps(value).decode(), **more)


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Reply:
    """An error in OpenAI's form."""
    body = orjson.dumps({"error": {"message": message, "type": "error", "code": code or None, "param": None}})
    return lambda _: Answer(status, body, headers or {})


def too_long() -> Reply:
    """A prompt that does not fit the model."""
    return error(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")


def without_formats(reply: Reply, *refused_kinds: str) -> Reply:
    """A server that refuses some kinds of response_format, as older ones do."""

    def choosy(body: dict[str, Any]) -> Answer:
        kind = body.get("response_format", {}).get("type", "")
        if kind in refused_kinds:
            return error(400, f"Invalid parameter: response_format of type {kind} is not supported.")(body)
        return reply(body)

    return choosy


def models(*names: str, etag: str = "") -> Reply:
    """The list of models."""
    listed = [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in names]
    return models_reply({"object": "list", "data": listed}, etag)


def grounded(content: str, url: str, *, searched: bool = True) -> Reply:
    """An answer of /responses after a web search, which cites one page."""

    def reply(body: dict[str, Any]) -> Answer:
        action = {"type": "search", "query": "weather", "sources": [{"type": "url", "url": url}]}
        note = {"type": "url_citation", "url": url, "title": "A page", "start_index": 0, "end_index": len(content)}
        part = {"type": "output_text", "text": content, "annotations": [note] if searched else []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": action}
        response = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": body["model"] + "-2026-01-01",
            "status": "completed",
            "output": [search, message] if searched else [message],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": body["tools"],
            "usage": {
                "input_tokens": 11,
                "output_tokens": 7,
                "total_tokens": 18,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }
        if not body.get("stream"):
            return Answer(body=orjson.dumps(response))
        delta = {"type": "response.output_text.delta", "delta": content, "item_id": "msg_1", "sequence_number": 1}
        done = {"type": "response.completed", "response": response, "sequence_number": 2}
        return events(orjson.dumps(delta), orjson.dumps(done))

    return reply
