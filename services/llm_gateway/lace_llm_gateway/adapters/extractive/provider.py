"""The provider itself: the same request as any, answered by composing on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.extractive.facts import extract_facts
from lace_llm_gateway.adapters.extractive.intent import understand
from lace_llm_gateway.adapters.extractive.judge import judge, judge_document
from lace_llm_gateway.adapters.extractive.outline import plan_outline
from lace_llm_gateway.adapters.extractive.paragraph import write_paragraph
from lace_llm_gateway.adapters.extractive.plain import answer_plainly
from lace_llm_gateway.adapters.extractive.request import input_of
from lace_llm_gateway.adapters.extractive.revise import enrich, patch, write_more
from lace_llm_gateway.adapters.extractive.strategy import decide
from lace_llm_gateway.adapters.extractive.write import write_section
from lace_llm_gateway.domain.exchange import Delta, FinishReason, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions

NAME = "extractive"
MODEL = "extractive-1"
_API = "compose"
_PIECE = 200

_ANSWERS: Mapping[str, Callable[[Any], msgspec.Struct]] = {
    contracts.INTENT.name: understand,
    contracts.OUTLINE.name: plan_outline,
    contracts.RULED_OUTLINE.name: plan_outline,
    contracts.STRATEGY.name: decide,
    contracts.WRITE.name: write_section,
    contracts.RULED_WRITE.name: write_section,
    contracts.WRITE_MORE.name: write_more,
    contracts.RULED_WRITE_MORE.name: write_more,
    contracts.ENRICH.name: enrich,
    contracts.RULED_ENRICH.name: enrich,
    contracts.PATCH.name: patch,
    contracts.RULED_PATCH.name: patch,
    contracts.JUDGE.name: judge,
    contracts.EXTRACT_FACTS.name: extract_facts,
    contracts.PARAGRAPH.name: write_paragraph,
    contracts.DOCUMENT_JUDGE.name: judge_document,
}


class ExtractiveProvider:
    """Needs no key and no network; the same request always gives the same answer."""

    name = NAME
    default_model = MODEL

    def __init__(self) -> None:
        # One thread: composing takes some milliseconds of Python, and more threads would only take the event loop's
        # turns away from it. The interpreter hands the loop its turn at least every five milliseconds.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="extractive")

    def configured(self) -> bool:
        """Always."""
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """The composed answer; raises LaceError INVALID_ARGUMENT for messages without input, and for stop texts."""
        if request.stop:
            raise LaceError(Reason.INVALID_ARGUMENT, "The provider extractive knows no stop texts.")
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._worker, compose, request)
        return ProviderAnswer(text, FinishReason.STOP, resolved_model=MODEL, answered_model=MODEL, response_api=_API)

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """The composed answer in pieces; it is composed as a whole, so the first comes when all is there."""
        answer = await self.complete(request)
        for start in range(0, len(answer.text), _PIECE):
            yield Delta(answer.text[start : start + _PIECE])
        yield answer

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """The one there is."""
        return OfferedVersions(versions=(MODEL,), current=MODEL)

    async def close(self) -> None:
        """Ends the thread; what it composes now is finished."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def compose(request: ProviderRequest) -> str:
    """The text of the answer: JSON under a contract, sentences of the user's text without one."""
    if not request.contract:
        return answer_plainly(request.messages)
    answer = _ANSWERS[request.contract](input_of(request.contract, request.messages))
    return msgspec.json.encode(answer).decode()
