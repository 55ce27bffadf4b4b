"""A process that spends from a tenant's budget, says how much it has spent, and waits to be killed."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from lace_llm_gateway.adapters.postgres_budgets import PostgresBudgets
from lace_llm_gateway.app.budgets.leasing import Budgets, SlicePolicy
from lace_llm_gateway.domain.budgets import Amount, BudgetLimits
from lace_platform.clock import utc_now
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.roles import role_password, service_roles
from lace_platform.ids import new_id
from tests.doubles.budget_world import Noted


class Limited:
    """See lace_llm_gateway.app.budgets.ports.Quotas."""

    def known(self, tenant_id: str) -> BudgetLimits | None:
        return BudgetLimits(tokens_per_day=int(os.environ["LIMIT"]), version=1)

    async def of(self, tenant_id: str) -> BudgetLimits:
        return BudgetLimits(tokens_per_day=int(os.environ["LIMIT"]), version=1)


async def spend() -> None:
    """Calls of 100 tokens, one after the other."""
    own, system = service_roles("llm_gateway")
    secret = os.environ["ROLE_SECRET"]
    store = PostgresBudgets(
        Database(os.environ["DSN"], schema="llm_gateway", role=own, password=role_password(secret, own)),
        SystemDatabase(os.environ["DSN"], schema="llm_gateway", role=system, password=role_password(secret, system)),
    )
    size = int(os.environ["SLICE"])
    budgets = Budgets(
        store, Limited(), Noted(), SlicePolicy(Amount(size, size)),
        process_id=new_id("prc"), now=utc_now, clock=time.monotonic, new_id=new_id,
    )  # fmt: skip
    await budgets.start()
    spent, stop = 0, int(os.environ["STOP"])
    while spent < stop:
        held = await budgets.reserve(os.environ["TENANT"], "prn_1", "m", 100, 0)
        held.settle(100, 0)
        spent += 100
    sys.stdout.write(f"{spent}\n")
    sys.stdout.flush()
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(spend())
