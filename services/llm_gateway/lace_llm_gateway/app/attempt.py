"""One call with its bounded tries and repairs, and what it took, known also when it fails halfway."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.answers import canonical_output, refuse_unfinished, repair_messages
from lace_llm_gateway.domain.calls import CountMethod
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.retries import RetryPolicy
from lace_llm_gateway.domain.settings import CallSettings


@dataclass
class Outcome:
    """What was spent so far; tokens of every answer count, also of those that were sent back."""

    answer: ProviderAnswer | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    count_method: CountMethod | None = None
    tries: int = 0
    repairs: int = 0

    @property
    def last_text(self) -> str:
        """The text of the last answer."""
        return self.answer.text if self.answer else ""


class Attempt:
    """Runs a request to its canonical output."""

    def __init__(self, gateway: Gateway, provider: Provider, request: ProviderRequest, settings: CallSettings) -> None:
        self._gateway = gateway
        self._provider = provider
        self._request = request
        self._settings = settings
        self._started = time.monotonic()
        self.outcome = Outcome()

    async def run(self) -> str:
        """The canonical output; raises LaceError."""
        request = self._request
        while True:
            answer = await self._answer(request)
            refuse_unfinished(answer)
            try:
                return canonical_output(request.contract, answer.text)
            except LaceError as failure:
                if self.outcome.repairs >= self._settings.repair_attempts:
                    raise
                self.outcome.repairs += 1
                request = replace(
                    self._request, messages=(*self._request.messages, *repair_messages(answer.text, failure))
                )

    async def _answer(self, request: ProviderRequest) -> ProviderAnswer:
        """The first answer of a few tries."""
        policy = RetryPolicy(self._settings.retries, self._request.timeout_s)
        tries = 0
        while True:
            tries += 1
            self.outcome.tries += 1
            try:
                return await self._try(replace(request, timeout_s=self._left()))
            except LaceError as failure:
                delay = policy.delay_after(tries, failure, self._spent(), self._gateway.chance())
                if delay is None:
                    raise
                await self._gateway.sleep(delay)

    async def _try(self, request: ProviderRequest) -> ProviderAnswer:
        async with self._gateway.observer.observe(request, self._provider.name) as notes:
            answer = await self._provider.complete(request)
            notes.answered(answer)
        self._account(request, answer)
        return answer

    def _account(self, request: ProviderRequest, answer: ProviderAnswer) -> None:
        model = capability_of(self._provider.name).model(request.model)
        spent_in, spent_out, method = answer.input_tokens, answer.output_tokens, CountMethod.PROVIDER
        if spent_in is None or spent_out is None:
            counted = self._gateway.counter.count(model, request.messages)
            spent_in, method = counted.tokens, counted.method
            spent_out = self._gateway.counter.count_text(model, answer.text).tokens
        self.outcome.answer = answer
        self.outcome.input_tokens += spent_in
        self.outcome.output_tokens += spent_out
        self.outcome.count_method = method

    def _spent(self) -> float:
        return time.monotonic() - self._started

    def _left(self) -> float:
        left = self._request.timeout_s - self._spent()
        if left <= 0:
            raise LaceError(Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline.", retryable=True)
        return left
