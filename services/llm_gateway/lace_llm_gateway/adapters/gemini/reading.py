"""An answer of Gemini put together from one body or from the chunks of a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from lace_llm_gateway.adapters.gemini.failures import in_stream
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

API = "generate_content"
_SEARCH = "google_search"


class _Part(Struct):
    text: str = ""
    thought: bool = False


class _Content(Struct):
    parts: list[_Part] | None = None


class _Web(Struct):
    uri: str = ""
    title: str = ""


class _Chunk(Struct):
    web: _Web | None = None


class _Segment(Struct, rename="camel"):
    start_index: int = 0
    end_index: int = 0
    part_index: int = 0


class _Support(Struct, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class _Grounding(Struct, rename="camel"):
    web_search_queries: list[str] | None = None
    grounding_chunks: list[_Chunk] | None = None
    grounding_supports: list[_Support] | None = None


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(Struct, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Response(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str = ""
    response_id: str = ""
    error: Any = None


_DECODER = msgspec.json.Decoder(_Response, strict=False)


class ContentReading:
    """See adapters.http.wire.Reading; a stream has no last word, it ends with its body."""

    def __init__(self, request: ProviderRequest) -> None:
        self._request = request
        self._text: list[str] = []
        self._begun = False
        self._finish = ""
        self._in_one = False
        self._blocked = False
        self._usage = _Usage()
        self._model = ""
        self._response_id = ""
        self._grounding = _Grounding()
        self.ended = False

    def whole(self, body: bytes) -> None:
        """An answer that came in one."""
        self.piece(body)
        if not self._begun:
            raise ValueError("no answer")
        self._in_one = True

    def piece(self, data: bytes) -> str:
        """A chunk; the text that it adds."""
        found = _DECODER.decode(data)
        if found.error is not None:
            raise in_stream(found.error if isinstance(found.error, dict) else {})
        self._usage = found.usage_metadata or self._usage
        self._model = found.model_version or self._model
        self._response_id = found.response_id or self._response_id
        if found.prompt_feedback is not None and found.prompt_feedback.block_reason:
            self._begun = self._blocked = True
        return self._choose(found.candidates[0]) if found.candidates else ""

    def answer(self) -> ProviderAnswer:
        """An answer is one once its finish reason has come, or the prompt was blocked."""
        if not self._begun:
            raise failures.no_answer()
        if not self._finish and not self._blocked and not self._in_one:
            raise failures.broken_off()
        usage = self._usage
        text = "".join(self._text)
        return ProviderAnswer(
            text=unfenced(text, self._request),
            finish_reason=FinishReason.FILTER if self._blocked else finish_reason_of("gemini", self._finish),
            resolved_model=self._request.model,
            answered_model=self._model,
            response_id=self._response_id,
            input_tokens=_sum(usage.prompt_token_count, usage.tool_use_prompt_token_count),
            output_tokens=_output(usage),
            cached_input_tokens=usage.cached_content_token_count or 0,
            response_api=API,
            grounding=_evidence(self._grounding, self._text),
        )

    def _choose(self, candidate: _Candidate) -> str:
        self._begun = True
        self._finish = candidate.finish_reason or self._finish
        if candidate.grounding_metadata is not None:
            self._add_grounding(candidate.grounding_metadata)
        parts = candidate.content.parts or [] if candidate.content else []
        said = "".join([part.text for part in parts if not part.thought])
        if said:
            self._text.append(said)
        return said

    def _add_grounding(self, more: _Grounding) -> None:
        """Chunks of a stream bring the metadata in parts, or whole again with each."""
        held = self._grounding
        held.web_search_queries = _longer(held.web_search_queries, more.web_search_queries)
        held.grounding_chunks = _longer(held.grounding_chunks, more.grounding_chunks)
        held.grounding_supports = _longer(held.grounding_supports, more.grounding_supports)


def _longer(held: list[Any] | None, more: list[Any] | None) -> list[Any] | None:
    return more if more and len(more) >= len(held or ()) else held


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None else first + (second or 0)


def _output(usage: _Usage) -> int | None:
    """What was written, thoughts included as they are paid for; None where nothing is told of the answer."""
    if usage.candidates_token_count is None and usage.thoughts_token_count is None:
        return None if usage.prompt_token_count is None else 0
    return (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)


def _evidence(found: _Grounding, text: list[str]) -> GroundingEvidence | None:
    pages = [chunk.web or _Web() for chunk in found.grounding_chunks or []]
    queries = tuple(found.web_search_queries or ())
    if not pages and not queries:
        return None
    search = Search(_SEARCH, queries, tuple(page.uri for page in pages if page.uri))
    return GroundingEvidence((search,), tuple(_citations(found, pages, "".join(text).encode())))


def _citations(found: _Grounding, pages: list[_Web], text: bytes) -> list[Citation]:
    """Which page stands behind which part of the text; the wire counts its bytes."""
    made: list[Citation] = []
    for support in found.grounding_supports or []:
        segment = support.segment or _Segment()
        start, end = (len(text[:place].decode(errors="ignore")) for place in (segment.start_index, segment.end_index))
        for index in support.grounding_chunk_indices or []:
            if 0 <= index < len(pages) and pages[index].uri:
                made.append(Citation(pages[index].uri, pages[index].title, start, end))
    return made
