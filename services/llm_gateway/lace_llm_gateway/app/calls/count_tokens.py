"""Use case: how many tokens orders would send, and how many they may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from lace_llm_gateway.app.calls.fit import limit_of
from lace_llm_gateway.app.calls.orders import Order, Prepared, prepare, stated
from lace_llm_gateway.app.calls.protecting import policy_for
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.templates.prompts import with_prompt
from lace_llm_gateway.domain.calls import Counted
from lace_llm_gateway.domain.marks import escaped
from lace_llm_gateway.domain.redaction import Placeholders

LARGE_INPUT = 100_000
_ANY_TAG = "0a1b2c3d"  # as long as that of a call


@dataclass(frozen=True)
class PromptCount:
    """What an order would send, and what it may send at most."""

    counted: Counted
    limit: int


@dataclass(frozen=True)
class Counts:
    """The counts of orders in turn, and of further pieces of JSON in turn, each as it would be sent between marks."""

    prompts: tuple[PromptCount, ...]
    parts: tuple[int, ...] = ()


async def count_tokens(
    gateway: Gateway, orders: Sequence[Order], parts: Sequence[str] = (), tenant_id: str = ""
) -> Counts:
    """The counts for the models that the orders name, parts for that of the first; raises LaceError as a call would.

    Parts are what a prompt may be made of beside what its order holds: who has counted them once can put together
    what fits without asking again.
    """
    orders = [await with_prompt(gateway.prompts, tenant_id, await stated(gateway, tenant_id, o)) for o in orders]
    size = sum(len(order.input_json) for order in orders) + sum(map(len, parts))
    if size < LARGE_INPUT:
        return _counts(gateway, orders, parts)
    return await asyncio.to_thread(_counts, gateway, orders, parts)


def _counts(gateway: Gateway, orders: Sequence[Order], parts: Sequence[str]) -> Counts:
    prepared = [prepare(gateway, order, None) for order in orders]
    first = prepared[0]
    policy = policy_for(first.settings, (first.choice,))

    def tokens(part: str) -> int:
        sent = escaped(Placeholders(policy, _ANY_TAG).replace(part))
        return gateway.counter.count_text(first.choice.model, sent).tokens

    return Counts(tuple(_counted(gateway, each) for each in prepared), tuple(map(tokens, parts)))


def _counted(gateway: Gateway, prepared: Prepared) -> PromptCount:
    model, request = prepared.choice.model, prepared.sent
    return PromptCount(
        gateway.counter.count(model, request.messages, request.output_schema),
        limit_of(model, prepared.settings, request.max_output_tokens),
    )
