"""A server that speaks Gemini's generateContent and model list, and misbehaves as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.doubles.http_double import Answer, Body, HttpDouble, Reply, events, models_reply, running

STOP, LENGTH, TOOL, FILTER, UNHEARD_OF = "STOP", "MAX_TOKENS", "UNEXPECTED_TOOL_CALL", "SAFETY", "DAYDREAMING"
_USAGE = {
    "promptTokenCount": 9,
    "toolUsePromptTokenCount": 2,
    "cachedContentTokenCount": 2,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 18,
}


@dataclass
class GeminiDouble(HttpDouble):
    """Says that it is ready where nobody told it anything else."""

    otherwise: Reply = field(default_factory=lambda: text("ready"))


@asynccontextmanager
async def serving() -> AsyncIterator[GeminiDouble]:
    """The double on a free port of the loopback, until the end of the block."""
    async with running(GeminiDouble()) as double:
        yield double


def text(content: str, **more: Any) -> Reply:
    """An answer of that content, in chunks where the path asks for a stream; `finish_reason` by name."""

    def reply(body: Body) -> Answer:
        last = {"finishReason": more.get("finish_reason", STOP), **more.get("last", {})}
        if ":streamGenerateContent" not in body.path:
            thought = {"text": "I think", "thought": True}
            said = {"parts": [thought, {"text": content}], "role": "model"}
            return Answer(body=orjson.dumps(_response(body, {"content": said, **last}, _USAGE)))
        step = max(1, len(content) // 20)
        pieces = [content[at : at + step] for at in range(0, len(content), step)] or [""]
        early = {"promptTokenCount": 9}
        chunks = [
            _response(body, {"content": {"parts": [{"text": piece}], "role": "model"}}, early) for piece in pieces
        ]
        chunks.append(_response(body, {"content": {"parts": [{"text": ""}], "role": "model"}, **last}, _USAGE))
        return events(*map(orjson.dumps, chunks))

    return reply


def _response(body: Body, candidate: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
    model = body.path.partition("/models/")[2].partition(":")[0]
    return {
        "candidates": [{"index": 0, **candidate}],
        "usageMetadata": usage,
        "modelVersion": f"{model}-001",
        "responseId": "resp_1",
    }


def finished(content: str, word: str) -> Reply:
    """An answer that ends with that word of the wire."""
    return text(content, finish_reason=word)


def refused() -> Reply:
    """A prompt that is blocked, to which there is no candidate at all."""
    blocked = orjson.dumps({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": _USAGE})
    return lambda body: events(blocked) if ":stream" in body.path else Answer(body=blocked)


def unended(content: str) -> Reply:
    """A stream that ends as if all were well, without a reason why."""
    candidate = {"content": {"parts": [{"text": content}], "role": "model"}}
    return lambda body: events(orjson.dumps(_response(body, candidate, _USAGE)))


def failing_midway(content: str) -> Reply:
    """A stream in which the server says that it failed."""
    candidate = {"content": {"parts": [{"text": content}], "role": "model"}}
    failed = orjson.dumps({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})
    return lambda body: events(orjson.dumps(_response(body, candidate, _USAGE)), failed)


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """An error in Google's form; `details` by name."""
    body = {"error": {"code": status, "message": message, "status": code or "X", "details": more.get("details", [])}}
    return lambda _: Answer(status, orjson.dumps(body), headers or {})


def too_long() -> Reply:
    """A prompt that does not fit the model."""
    return error(400, "The input token count (9) exceeds the maximum number of tokens allowed (8).", "INVALID_ARGUMENT")


def without_formats(reply: Reply, *refused_kinds: str) -> Reply:
    """A model that refuses a schema ("schema"), or JSON ("json")."""

    def choosy(body: Body) -> Answer:
        generation = body["generationConfig"]
        if "schema" in refused_kinds and "responseJsonSchema" in generation:
            return error(400, "response_json_schema is not supported by this model.")(body)
        if "json" in refused_kinds and "responseMimeType" in generation:
            return error(400, "JSON mode is not enabled for this model.")(body)
        return reply(body)

    return choosy


def models(*names: str, etag: str = "") -> Reply:
    """The list of models."""
    listed = [{"name": f"models/{name}", "version": "001", "displayName": name} for name in names]
    return models_reply({"models": listed}, etag)


def grounded(content: str, url: str, *, searched: bool = True) -> Reply:
    """An answer after a web search, which cites one page."""
    metadata = {
        "webSearchQueries": ["weather"],
        "groundingChunks": [{"web": {"uri": url, "title": "A page"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 0, "endIndex": len(content.encode())}, "groundingChunkIndices": [0]}
        ],
    }
    return text(content, last={"groundingMetadata": metadata} if searched else {})
