"""Between the contract's messages of budgets and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from lace.llm_gateway.v1 import budgets_pb2 as wire
from lace_llm_gateway.app.budgets.get_budgets import Asker, Budget
from lace_llm_gateway.domain.budgets import Period
from lace_platform.rpc import CallContext

_SYSTEM_ADMIN = "system_admin"
_PERIOD = {Period.DAY: wire.BUDGET_PERIOD_DAY, Period.MONTH: wire.BUDGET_PERIOD_MONTH}


def asker_of(call: CallContext) -> Asker:
    """Who asks."""
    roles = call.identity.roles if call.identity else frozenset()
    return Asker(call.tenant_id, call.principal_id, _SYSTEM_ADMIN in roles)


def budgets_response(budgets: Sequence[Budget]) -> wire.GetBudgetsResponse:
    """Budgets with what was spent of them."""
    return wire.GetBudgetsResponse(budgets=[_budget(budget) for budget in budgets])


def _budget(budget: Budget) -> wire.Budget:
    key, counter = budget.key, budget.counter
    message = wire.Budget(
        principal_id=key.principal_id,
        period=_PERIOD[key.period],
        limit_tokens=budget.limit.tokens,
        spent_tokens=counter.spent.tokens,
        held_tokens=counter.leased.tokens,
        limit_micro_usd=budget.limit.micro_usd,
        spent_micro_usd=counter.spent.micro_usd,
        held_micro_usd=counter.leased.micro_usd,
    )
    message.starts_at.FromDatetime(datetime.combine(key.starts_on, time(), UTC))
    message.resets_at.FromDatetime(key.resets_at)
    return message
