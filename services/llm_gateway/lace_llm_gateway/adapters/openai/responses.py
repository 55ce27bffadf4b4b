"""Responses: the wire that shows what a model searched and which pages it cites, for calls with web search."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from msgspec import Struct

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.schema import schema_name
from lace_llm_gateway.adapters.http.text import unfenced
from lace_llm_gateway.adapters.http.wire import HttpCall
from lace_llm_gateway.adapters.openai.failures import in_stream
from lace_llm_gateway.adapters.openai.schema import wire_schema
from lace_llm_gateway.domain.capabilities import finish_reason_of
from lace_llm_gateway.domain.exchange import (
    Citation,
    FinishReason,
    GroundingEvidence,
    ProviderAnswer,
    ProviderRequest,
    Search,
)

API = "responses"
_TOOL = "web_search"
_FINAL = ("response.completed", "response.incomplete", "response.failed")


def responses_call(path: str, request: ProviderRequest, *, temperature: bool, stream: bool) -> HttpCall:
    """The request with web search offered; nothing of it is kept at the provider. Raises LaceError for stop texts."""
    if request.stop:
        raise LaceError(Reason.INVALID_ARGUMENT, "The provider openai knows no stop texts where it searches.")
    body: dict[str, Any] = {
        "include": ["web_search_call.action.sources"],
        "input": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_output_tokens": request.max_output_tokens,
        "model": request.model,
        "store": False,
        "tools": [{"type": _TOOL}],
    }
    if stream:
        body["stream"] = True
    if temperature:
        body["temperature"] = request.temperature_milli / 1000
    if request.output_schema is not None:
        schema = wire_schema(orjson.dumps(request.output_schema))
        named = {"name": schema_name(request.contract), "strict": schema.strict, "schema": schema.fragment}
        body["text"] = {"format": {"type": "json_schema", **named}}
    return HttpCall(path, orjson.dumps(body))


class _Source(Struct):
    url: str = ""


class _Action(Struct):
    type: str = ""
    query: str | None = None
    queries: list[str] | None = None
    sources: list[_Source] | None = None


class _Annotation(Struct):
    type: str = ""
    url: str = ""
    title: str = ""
    start_index: int = -1
    end_index: int = -1


class _Part(Struct):
    type: str = ""
    text: str = ""
    annotations: list[_Annotation] | None = None


class _Item(Struct):
    type: str = ""
    action: _Action | None = None
    content: list[_Part] | None = None


class _Cached(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Cached | None = None


class _Details(Struct):
    reason: str | None = None


class _Response(Struct):
    id: str = ""
    model: str = ""
    status: str = ""
    output: list[_Item] | None = None
    incomplete_details: _Details | None = None
    error: Any = None
    usage: _Usage | None = None


class _Event(Struct):
    type: str = ""
    delta: Any = None
    response: _Response | None = None
    code: str | None = None
    error: Any = None


_WHOLE = msgspec.json.Decoder(_Response, strict=False)
_PIECE = msgspec.json.Decoder(_Event, strict=False)


class ResponsesReading:
    """See adapters.http.wire.Reading; the last event of a stream holds the answer whole."""

    def __init__(self, request: ProviderRequest) -> None:
        self._request = request
        self._response: _Response | None = None
        self.ended = False

    def whole(self, body: bytes) -> None:
        """An answer that came in one."""
        self._take(_WHOLE.decode(body))

    def piece(self, data: bytes) -> str:
        """An event; only text and the end matter here."""
        event = _PIECE.decode(data)
        if event.type == "error" or event.error:
            raise in_stream(event.error or {"code": event.code})
        if event.type in _FINAL and event.response is not None:
            self._take(event.response)
            self.ended = True
        return event.delta if event.type == "response.output_text.delta" and isinstance(event.delta, str) else ""

    def answer(self) -> ProviderAnswer:
        """Raises LaceError PROVIDER_UNAVAILABLE where the stream ended before its last event."""
        found = self._response
        if found is None:
            raise failures.broken_off()
        items = found.output or []
        parts = [part for item in items for part in item.content or [] if part.type in ("output_text", "refusal")]
        usage = found.usage or _Usage()
        cached = usage.input_tokens_details
        return ProviderAnswer(
            text=unfenced("".join(part.text for part in parts), self._request),
            finish_reason=_finish(found, items, parts),
            resolved_model=self._request.model,
            answered_model=found.model,
            response_id=found.id,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=(cached.cached_tokens or 0) if cached else 0,
            response_api=API,
            grounding=_evidence(items, parts),
        )

    def _take(self, response: _Response) -> None:
        if response.status == "failed" or response.error:
            raise in_stream(response.error)
        if response.output is None or response.status not in ("completed", "incomplete"):
            raise ValueError("no response")
        self._response = response


def _finish(found: _Response, items: list[_Item], parts: list[_Part]) -> FinishReason:
    if found.status == "incomplete":
        reason = found.incomplete_details.reason if found.incomplete_details else None
        return finish_reason_of("openai", reason or "")
    if any(part.type == "refusal" for part in parts):
        return FinishReason.REFUSAL
    return (
        FinishReason.TOOL
        if any(item.type == "function_call" for item in items)
        else finish_reason_of("openai", found.status)
    )


def _evidence(items: list[_Item], parts: list[_Part]) -> GroundingEvidence | None:
    calls = [item.action or _Action() for item in items if item.type == "web_search_call"]
    citations = _citations(parts)
    if not calls and not citations:
        return None
    searches = [
        Search(
            _TOOL,
            queries=tuple(call.queries or ([call.query] if call.query else [])),
            results=tuple(source.url for source in call.sources or [] if source.url),
        )
        for call in calls
    ]
    return GroundingEvidence(tuple(searches), citations)


def _citations(parts: list[_Part]) -> tuple[Citation, ...]:
    found: list[Citation] = []
    before = 0
    for part in parts:
        for note in part.annotations or []:
            if note.type == "url_citation" and note.url:
                start, end = (place + before if place >= 0 else -1 for place in (note.start_index, note.end_index))
                found.append(Citation(note.url, note.title, start, end))
        before += len(part.text)
    return tuple(found)
