"""BudgetService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.llm_gateway.v1 import budgets_pb2 as wire
from lace.llm_gateway.v1 import budgets_pb2_grpc
from lace_llm_gateway.api import convert_budgets
from lace_llm_gateway.app.budgets.get_budgets import get_budgets
from lace_llm_gateway.app.budgets.ports import BudgetReader, Quotas
from lace_llm_gateway.app.ports import Clock
from lace_platform.rpc import current_call


class BudgetServicer(budgets_pb2_grpc.BudgetServiceServicer):
    """What was spent of budgets."""

    def __init__(self, reader: BudgetReader, quotas: Quotas, now: Clock) -> None:
        self._reader = reader
        self._quotas = quotas
        self._now = now

    async def GetBudgets(self, request: wire.GetBudgetsRequest, context: Any) -> wire.GetBudgetsResponse:
        """What a tenant spent today and this month, and one of its principals."""
        asker = convert_budgets.asker_of(current_call())
        asked = (request.tenant_id, request.principal_id)
        found = await get_budgets(self._reader, self._quotas, asker, *asked, self._now())
        return convert_budgets.budgets_response(found)
