"""One call over its tries, providers and repairs, and what it took, known also when it fails halfway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.budgets.leasing import Reservation
from lace_llm_gateway.app.calls.fit import Fitted, fit
from lace_llm_gateway.app.calls.orders import Prepared
from lace_llm_gateway.app.calls.routing import Answered, Plan
from lace_llm_gateway.app.gateway import Choice, Gateway
from lace_llm_gateway.app.ports import CallNotes
from lace_llm_gateway.domain.answers import canonical_output, refuse_unfinished, repair_messages
from lace_llm_gateway.domain.budgets import NOTHING, Amount
from lace_llm_gateway.domain.calls import CountMethod
from lace_llm_gateway.domain.capabilities import ModelCapability, cost_micro_usd
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.protection import Restoring
from lace_llm_gateway.domain.routing import Trail


class Listener(Protocol):
    """Who hears an answer while it comes."""

    @property
    def binding(self) -> bool:
        """Whether what is heard is passed on, so that no other try can take it back."""
        ...

    def heard(self, text: str, answer: int, model: ModelCapability) -> None:
        """A piece of the model's answer; `answer` counts from 1 and grows where the text begins anew."""
        ...


@dataclass
class Outcome:
    """What was spent so far; tokens of every answer count, also of those that were sent back. Cost as everywhere."""

    answer: ProviderAnswer | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    count_method: CountMethod | None = None
    repairs: int = 0
    trail: Trail = field(default_factory=Trail)

    @property
    def last_text(self) -> str:
        """The text of the last answer."""
        return self.answer.text if self.answer else ""

    @property
    def used_tokens(self) -> int:
        """Tokens in and out, with those of tries that nobody waited for."""
        return self.input_tokens + self.output_tokens + self.trail.lost_tokens

    @property
    def used_micro_usd(self) -> int:
        """Their cost."""
        return self.cost_micro_usd + self.trail.lost_micro_usd


class Attempt:
    """Runs a prepared order to its canonical output; with a listener the answer is heard while it comes.

    Before every try the reservation covers what that try may cost at most, beside what was spent.
    """

    def __init__(
        self,
        gateway: Gateway,
        prepared: Prepared,
        fitted: Fitted,
        reservation: Reservation,
        listener: Listener | None = None,
    ) -> None:
        self._gateway = gateway
        self.prepared = prepared
        self._tokens_in = fitted.counted.tokens
        self._reservation = reservation
        self._listener = listener
        self._under_way = NOTHING  # what the tries that are out may come to
        self._deadline = gateway.router.now() + prepared.request.timeout_s
        self.outcome = Outcome()

    async def run(self) -> str:
        """The canonical output; raises LaceError."""
        first = request = self.prepared.sent
        while True:
            answer = await self._answer(request)
            refuse_unfinished(answer, is_text=first.output_schema is None, partial=self.prepared.partial)
            try:
                output = canonical_output(request.contract, answer.text, self.prepared.schema)
            except LaceError as failure:
                request = self._repair(first, answer, failure)
            else:
                return self._opened(answer, output)

    def _repair(self, first: ProviderRequest, answer: ProviderAnswer, failure: LaceError) -> ProviderRequest:
        """The request by which the model mends its answer; raises the failure where there is to be none."""
        settings = self.prepared.settings
        if self.outcome.repairs >= settings.repair_attempts or first.output_schema is None:
            raise failure
        request = replace(first, messages=(*first.messages, *repair_messages(answer.text, failure)))
        try:
            fitted = fit(self._gateway.counter, self.prepared.choice.model, settings, request)
        except LaceError:
            raise failure from None
        self._tokens_in = fitted.counted.tokens
        self.outcome.repairs += 1
        return request

    def _opened(self, answer: ProviderAnswer, output: str) -> str:
        """The output as the caller gets it; one that gives away what it must not is not kept anywhere."""
        try:
            return self.prepared.opened(output)
        except LaceError:
            self.outcome.answer = replace(answer, text="")
            raise

    async def _answer(self, request: ProviderRequest) -> ProviderAnswer:
        """The first answer of a few tries."""
        plan = Plan(
            self.prepared.choices, request, self.prepared.settings.routing, self._deadline, self._count_for(request)
        )
        if self._listener is not None and self._listener.binding:
            return await self._passed_on(plan, self._listener)
        return (await self._gateway.router.complete(plan, self.outcome.trail, self._complete)).answer

    async def _passed_on(self, plan: Plan, listener: Listener) -> ProviderAnswer:
        """The answer, of which every piece is passed on as it comes."""
        number, restoring = self.outcome.repairs + 1, self._restoring(plan.request)
        async with aclosing(self._gateway.router.stream(plan, self.outcome.trail, self._stream)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answered):
                    if rest := restoring.end():
                        listener.heard(rest, number, piece.choice.model)
                    return piece.answer
                if text := restoring.feed(piece.text):
                    listener.heard(text, number, self.prepared.choice.model)
        raise _broken_off()

    async def _complete(self, choice: Choice, request: ProviderRequest) -> ProviderAnswer:
        """One try without anything that is passed on."""
        observed = self._gateway.observer.observe(request, choice.provider.name)
        async with _Covered(self, choice, request), observed as notes:
            if self._listener is None:
                answer = await choice.provider.complete(request)
            else:
                answer = await self._overheard(choice, request, self._listener, notes)
            answer = answer.credible()
            notes.answered(answer)
            self._account(choice, request, answer)
            return answer

    async def _overheard(
        self, choice: Choice, request: ProviderRequest, listener: Listener, notes: CallNotes
    ) -> ProviderAnswer:
        """The answer, of which a listener learns how far it is."""
        async with aclosing(choice.provider.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ProviderAnswer):
                    return piece
                notes.piece()
                listener.heard(piece.text, len(self.outcome.trail.tries) + 1, choice.model)
        raise _broken_off()

    async def _stream(self, choice: Choice, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """One try of which every piece is passed on."""
        observed = self._gateway.observer.observe(request, choice.provider.name)
        async with (
            _Covered(self, choice, request),
            observed as notes,
            aclosing(choice.provider.stream(request)) as pieces,
        ):
            async for piece in pieces:
                if isinstance(piece, Delta):
                    notes.piece()
                    yield piece
                    continue
                answer = piece.credible()
                notes.answered(answer)
                self._account(choice, request, answer)
                yield answer

    async def cover(self, choice: Choice, request: ProviderRequest) -> Amount:
        """Hold what the try may come to; how much that is. Raises LaceError QUOTA_EXCEEDED."""
        tokens_in = self._count_for(request)(choice)
        cost = cost_micro_usd(choice.model, tokens_in, request.max_output_tokens)
        most = Amount(tokens_in + request.max_output_tokens, cost)
        self._under_way += most
        needed = self._under_way + Amount(self.outcome.used_tokens, self.outcome.used_micro_usd)
        try:
            await self._reservation.cover(needed.tokens, needed.micro_usd)
        except BaseException:
            self.uncover(most)
            raise
        return most

    def uncover(self, most: Amount) -> None:
        """The try is over."""
        self._under_way -= most

    def _count_for(self, request: ProviderRequest) -> Callable[[Choice], int]:
        """Counts the request for a choice: what was asked for was counted, another counts otherwise."""

        def tokens_in(choice: Choice) -> int:
            if choice is self.prepared.choice:
                return self._tokens_in
            return self._gateway.counter.count(choice.model, request.messages, request.output_schema).tokens

        return tokens_in

    def _restoring(self, request: ProviderRequest) -> Restoring:
        return self.prepared.protected.restoring(as_json=request.output_schema is not None)

    def _account(self, choice: Choice, request: ProviderRequest, answer: ProviderAnswer) -> None:
        counter, model = self._gateway.counter, choice.model
        spent_in, spent_out, method = answer.input_tokens, answer.output_tokens, CountMethod.PROVIDER
        if spent_in is not None and not request.grounding:
            counter.observe(model, request.messages, request.output_schema, spent_in)
        if spent_in is None or spent_out is None:
            counted = counter.count(model, request.messages, request.output_schema)
            spent_in, method = counted.tokens, counted.method
            spent_out = counter.count_text(model, answer.text).tokens
        self.outcome.answer = answer
        self.outcome.input_tokens += spent_in
        self.outcome.output_tokens += spent_out
        self.outcome.cost_micro_usd += cost_micro_usd(model, spent_in, spent_out, answer.cached_input_tokens)
        self.outcome.count_method = method


class _Covered:
    """Around one try: what it may cost is held."""

    def __init__(self, attempt: Attempt, choice: Choice, request: ProviderRequest) -> None:
        self._attempt = attempt
        self._choice = choice
        self._request = request
        self._most = NOTHING

    async def __aenter__(self) -> None:
        self._most = await self._attempt.cover(self._choice, self._request)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._attempt.uncover(self._most)


def _broken_off() -> LaceError:
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's answer broke off.", retryable=True)
