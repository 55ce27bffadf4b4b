"""Use case: a call whose answer is told while it comes: deltas put together for some milliseconds, then the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from lace_llm_gateway.app.calls.generate import generate
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.capabilities import ModelCapability

# Between two messages of one answer; the first goes out at once.
PAUSE_S = 0.03
# A progress is an event in somebody's stream, which people look at.
PROGRESS_PAUSE_S = 0.25


@dataclass(frozen=True)
class Piece:
    """Text of the answer; what is `provisional` may be refused or made anew, then under the next `answer`."""

    text: str
    provisional: bool
    answer: int


@dataclass(frozen=True)
class Told:
    """How many tokens of the answer have come."""

    output_tokens: int


class _Heard:
    """What was heard and not told yet."""

    def __init__(self, gateway: Gateway, order: Order, progress_only: bool) -> None:
        self._gateway = gateway
        self._progress_only = progress_only
        self._provisional = bool(order.contract or order.output_schema_json)
        self._texts: list[str] = []
        self._earlier: list[Piece] = []
        self._answer = 1
        self._model: ModelCapability | None = None
        self._tokens = 0
        self.news = asyncio.Event()
        # Progress can begin anew; text that somebody has read cannot.
        self.binding = not progress_only

    def heard(self, text: str, answer: int, model: ModelCapability) -> None:
        """See app.calls.attempt.Listener.heard."""
        self._model = model
        if answer != self._answer:
            if self._progress_only:
                self._tokens = 0
            elif self._texts:
                self._earlier.append(self._piece())
            self._texts = []
            self._answer = answer
        self._texts.append(text)
        self.news.set()

    def take(self) -> list[Piece | Told]:
        """All that was not told yet, as few pieces as can be."""
        self.news.clear()
        if not self._texts or self._model is None:
            return []
        if self._progress_only:
            self._tokens += self._gateway.counter.count_text(self._model, "".join(self._texts)).tokens
            self._texts = []
            return [Told(self._tokens)]
        earlier, self._earlier = self._earlier, []
        piece = self._piece()
        self._texts = []
        return [*earlier, piece]

    def _piece(self) -> Piece:
        return Piece("".join(self._texts), self._provisional, self._answer)


async def stream_generate(
    gateway: Gateway, tenant_id: str, order: Order, remaining_s: float | None, *, progress_only: bool = False
) -> AsyncGenerator[Piece | Told | Call, None]:
    """What is heard of the answer, then the settled call, last; raises LaceError in its place where there is none.

    Closing the generator cancels the call at the provider, and returns when that is in the ledger.
    """
    heard = _Heard(gateway, order, progress_only)
    making = asyncio.create_task(generate(gateway, tenant_id, order, remaining_s, heard))
    making.add_done_callback(lambda _: heard.news.set())
    try:
        while True:
            await heard.news.wait()
            if progress_only:  # an answer that comes at once needs none
                await asyncio.wait([making], timeout=PROGRESS_PAUSE_S)
            made = making.done()
            if not (made and progress_only):
                for piece in heard.take():
                    yield piece
            if made:
                break
            if not progress_only:
                await asyncio.wait([making], timeout=PAUSE_S)
        yield making.result()
    finally:
        if not making.done():
            making.cancel()
            await asyncio.wait([making])
