"""A message put together from one body or from the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from lace_llm_gateway.adapters.anthropic.failures import in_stream
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.text import unfenced
from lace_llm_gateway.domain.capabilities import finish_reason_of
from lace_llm_gateway.domain.exchange import (
    Citation,
    FinishReason,
    GroundingEvidence,
    ProviderAnswer,
    ProviderRequest,
    Search,
)

API = "messages"
TOOL = "answer"
_SEARCH = "web_search"


class _Cited(Struct):
    url: str | None = None
    title: str | None = None


class _Block(Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    text: str | None = None
    input: Raw = Raw(b"{}")
    content: Any = None
    citations: list[_Cited] | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(Struct):
    id: str = ""
    model: str = ""
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Delta(Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    citation: _Cited | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


class _Query(Struct):
    query: str = ""


_WHOLE = msgspec.json.Decoder(_Message, strict=False)
_PIECE = msgspec.json.Decoder(_Event, strict=False)
_QUERY = msgspec.json.Decoder(_Query)


class _Growing:
    """A block of the answer and what has come of it."""

    def __init__(self, block: _Block) -> None:
        self.block = block
        self.text = [block.text] if block.text else []
        self.json: list[str] = []
        self.citations = list(block.citations or ())

    @property
    def input(self) -> bytes:
        """A tool's input as JSON: what came in pieces, else what the block began with."""
        return "".join(self.json).encode() or bytes(self.block.input)


class MessageReading:
    """See adapters.http.wire.Reading; with `as_tool` the answer is the input of the tool that was offered for it."""

    def __init__(self, request: ProviderRequest, *, as_tool: bool) -> None:
        self._request = request
        self._as_tool = as_tool
        self._message: _Message | None = None
        self._blocks: list[_Growing] = []
        self._usage = _Usage()
        self._stop: str | None = None
        self.ended = False

    def whole(self, body: bytes) -> None:
        """A message that came in one."""
        message = _WHOLE.decode(body)
        if message.content is None:
            raise ValueError("no message")
        self._begin(message)
        self._blocks = [_Growing(block) for block in message.content]
        self._stop = message.stop_reason or ""

    def piece(self, data: bytes) -> str:
        """An event; the text or, as a tool, the JSON that it adds."""
        event = _PIECE.decode(data)
        match event.type:
            case "message_start" if event.message is not None:
                self._begin(event.message)
            case "content_block_start" if event.content_block is not None:
                self._blocks.append(_Growing(event.content_block))
                return "" if self._as_tool else event.content_block.text or ""
            case "content_block_delta" if event.delta is not None and self._blocks:
                return self._grow(self._blocks[-1], event.delta)
            case "message_delta":
                self._stop = (event.delta.stop_reason if event.delta else None) or self._stop
                self._count(event.usage)
            case "message_stop":
                self.ended = True
            case "error":
                raise in_stream(event.error)
        return ""

    def answer(self) -> ProviderAnswer:
        """A message is one once its stop reason has come; a stream that ends without is none."""
        message = self._message
        if message is None:
            raise failures.no_answer()
        if self._stop is None:
            raise failures.broken_off()
        usage = self._usage
        return ProviderAnswer(
            text=self._text(),
            finish_reason=self._finish(),
            resolved_model=self._request.model,
            answered_model=message.model,
            response_id=message.id,
            input_tokens=_all_in(usage),
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cache_read_input_tokens or 0,
            response_api=API,
            grounding=self._evidence(),
        )

    def _begin(self, message: _Message) -> None:
        self._message = message
        self._count(message.usage)

    def _count(self, usage: _Usage | None) -> None:
        """Counts of a stream are totals so far; those of the end may leave out what the beginning told."""
        for name in _Usage.__struct_fields__ if usage is not None else ():
            if getattr(usage, name) is not None:
                setattr(self._usage, name, getattr(usage, name))

    def _grow(self, growing: _Growing, delta: _Delta) -> str:
        if delta.citation is not None:
            growing.citations.append(delta.citation)
        if delta.partial_json:
            growing.json.append(delta.partial_json)
            return delta.partial_json if self._as_tool and growing.block.name == TOOL else ""
        if delta.type != "text_delta" or not delta.text:
            return ""
        growing.text.append(delta.text)
        return "" if self._as_tool else delta.text

    def _text(self) -> str:
        if self._as_tool:
            return "".join(each.input.decode() for each in self._blocks if self._is_answer(each))
        return unfenced("".join(part for each in self._blocks for part in each.text), self._request)

    def _finish(self) -> FinishReason:
        if self._stop == "tool_use" and self._as_tool and any(map(self._is_answer, self._blocks)):
            return FinishReason.STOP
        return finish_reason_of("anthropic", self._stop or "")

    @staticmethod
    def _is_answer(each: _Growing) -> bool:
        return each.block.type == "tool_use" and each.block.name == TOOL

    def _evidence(self) -> GroundingEvidence | None:
        searches = [
            each for each in self._blocks if each.block.type == "server_tool_use" and each.block.name == _SEARCH
        ]
        citations = _citations(self._blocks)
        if not searches and not citations:
            return None
        found = {
            each.block.tool_use_id: _addresses(each.block.content)
            for each in self._blocks
            if each.block.type == "web_search_tool_result"
        }
        return GroundingEvidence(
            tuple(Search(_SEARCH, _queries(each), found.get(each.block.id, ())) for each in searches), citations
        )


def _queries(search: _Growing) -> tuple[str, ...]:
    query = _QUERY.decode(search.input).query
    return (query,) if query else ()


def _addresses(content: Any) -> tuple[str, ...]:
    """The pages that a search found; one that failed has an error in their place."""
    results = content if isinstance(content, list) else []
    return tuple(result["url"] for result in results if isinstance(result, dict) and isinstance(result.get("url"), str))


def _citations(blocks: list[_Growing]) -> tuple[Citation, ...]:
    found: list[Citation] = []
    start = 0
    for each in blocks:
        end = start + sum(map(len, each.text))
        found += [Citation(cited.url, cited.title or "", start, end) for cited in each.citations if cited.url]
        start = end
    return tuple(found)


def _all_in(usage: _Usage) -> int | None:
    if usage.input_tokens is None:
        return None
    return usage.input_tokens + (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
