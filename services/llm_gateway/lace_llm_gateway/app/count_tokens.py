"""Use case: how many tokens an order would send."""

from __future__ import annotations

from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.generate import Order, prepare
from lace_llm_gateway.domain.calls import Counted


async def count_tokens(gateway: Gateway, order: Order) -> Counted:
    """The count for the model that the order names; raises LaceError as a call would before it is sent."""
    prepared = prepare(gateway, order, None)
    return gateway.counter.count(prepared.choice.model, prepared.request.messages)
