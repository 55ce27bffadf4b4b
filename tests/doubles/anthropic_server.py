"""A server that speaks Anthropic's messages and model list, and misbehaves as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.doubles.http_double import Answer, HttpDouble, Reply, models_reply, running

STOP, LENGTH, TOOL, FILTER, UNHEARD_OF = "end_turn", "max_tokens", "tool_use", "", "daydreaming"
_USAGE = {"input_tokens": 8, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 7}


@dataclass
class AnthropicDouble(HttpDouble):
    """Says that it is ready where nobody told it anything else."""

    otherwise: Reply = field(default_factory=lambda: text("ready"))


@asynccontextmanager
async def serving() -> AsyncIterator[AnthropicDouble]:
    """The double on a free port of the loopback, until the end of the block."""
    async with running(AnthropicDouble()) as double:
        yield double


def text(content: str, **more: Any) -> Reply:
    """A message of that content, as the input of a tool where one is forced; `finish_reason` by name."""

    def reply(body: dict[str, Any]) -> Answer:
        forced = body.get("tool_choice", {}).get("name")
        if forced is None:
            return _message([{"type": "text", "text": content}], body, more.get("finish_reason", STOP))
        used = {"type": "tool_use", "id": "toolu_1", "name": forced, "input": orjson.loads(content or "{}")}
        return _message([used], body, more.get("finish_reason", TOOL))

    return reply


def _message(blocks: list[dict[str, Any]], body: dict[str, Any], stop: str) -> Answer:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"] + "-20260101",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": _USAGE,
    }
    if not body.get("stream"):
        return Answer(body=orjson.dumps(message))
    begun: dict[str, Any] = {**message, "content": [], "stop_reason": None, "usage": {**_USAGE, "output_tokens": 1}}
    sent: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        sent += _block(index, block)
    sent.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}})
    return _events([*sent, {"type": "message_stop"}])


def _block(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    empty = {**block}
    deltas: list[dict[str, Any]] = []
    if block["type"] == "text":
        empty |= {"text": "", "citations": None}
        deltas = [{"type": "text_delta", "text": piece} for piece in _cut(block["text"])]
        deltas += [{"type": "citations_delta", "citation": each} for each in block.get("citations") or []]
    elif "input" in block:
        empty["input"] = {}
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in _cut(orjson.dumps(block["input"]).decode())]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _cut(whole: str) -> list[str]:
    step = max(1, len(whole) // 20)
    return [whole[at : at + step] for at in range(0, len(whole), step)]


def _events(sent: list[dict[str, Any]]) -> Answer:
    pieces = tuple(b"event: " + each["type"].encode() + b"\ndata: " + orjson.dumps(each) + b"\n\n" for each in sent)
    return Answer(headers={"content-type": "text/event-stream"}, pieces=pieces)


def finished(content: str, word: str) -> Reply:
    """An answer that ends with that word of the wire."""
    return text(content, finish_reason=word)


def refused() -> Reply:
    """An answer in which the model refuses."""
    return text("", finish_reason="refusal")


def _half(content: str) -> list[dict[str, Any]]:
    begun: dict[str, Any] = {"id": "msg_1", "model": "m", "content": [], "stop_reason": None, "usage": _USAGE}
    return [{"type": "message_start", "message": begun}, *_block(0, {"type": "text", "text": content})]


def unended(content: str) -> Reply:
    """A stream that ends as if all were well, without a reason why."""
    return lambda _: _events([*_half(content), {"type": "message_stop"}])


def failing_midway(content: str) -> Reply:
    """A stream in which the server says that it failed."""
    failed = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return lambda _: _events([*_half(content), failed])


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Reply:
    """An error in Anthropic's form."""
    body = {"type": "error", "error": {"type": code or "api_error", "message": message}, "request_id": "req_1"}
    return lambda _: Answer(status, orjson.dumps(body), headers or {})


def too_long() -> Reply:
    """A prompt that does not fit the model."""
    return error(400, "prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error")


def without_formats(reply: Reply, *refused_kinds: str) -> Reply:
    """A model that refuses to be bound to a schema ("format"), or to be forced to a tool ("tool")."""

    def choosy(body: dict[str, Any]) -> Answer:
        if "format" in refused_kinds and "output_config" in body:
            return error(400, "output_config.format: this model does not support structured outputs.")(body)
        if "tool" in refused_kinds and "tool_choice" in body:
            return error(400, "tool_choice: forced tools are not supported with this model.")(body)
        return reply(body)

    return choosy


def models(*names: str, etag: str = "") -> Reply:
    """The list of models."""
    listed = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
    ]
    return models_reply({"data": listed, "has_more": False, "first_id": None, "last_id": None}, etag)


def grounded(content: str, url: str, *, searched: bool = True) -> Reply:
    """A message after a web search, which cites one page."""
    cited = {
        "type": "web_search_result_location",
        "url": url,
        "title": "A page",
        "cited_text": "It is cold.",
        "encrypted_index": "x",
    }
    found = {"type": "web_search_result", "url": url, "title": "A page", "encrypted_content": "x", "page_age": None}
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "weather"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [found]}
    said = {"type": "text", "text": content, "citations": [cited] if searched else None}
    return lambda body: _message([search, result, said] if searched else [said], body, STOP)
