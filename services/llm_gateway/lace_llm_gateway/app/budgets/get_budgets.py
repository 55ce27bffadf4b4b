"""Use case: what a tenant and a principal spent today and this month, beside what they may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.budgets.ports import BudgetReader, Quotas
from lace_llm_gateway.domain.budgets import Amount, Counter, CounterKey, counter_keys, limit_names


@dataclass(frozen=True)
class Budget:
    """One budget; a limit of 0 is none."""

    key: CounterKey
    counter: Counter
    limit: Amount


@dataclass(frozen=True)
class Asker:
    """Who asks: of which tenant, and whether the whole installation is in its hands."""

    tenant_id: str
    principal_id: str
    is_system_admin: bool


async def get_budgets(
    reader: BudgetReader, quotas: Quotas, asker: Asker, tenant_id: str, principal_id: str, now: datetime
) -> Sequence[Budget]:
    """The tenant's budgets for the day and the month, then those of the principal, who is the asker where empty.

    Raises LaceError TENANT_NOT_FOUND for a tenant that is not the asker's: whether it exists is not told.
    """
    if tenant_id != asker.tenant_id and not asker.is_system_admin:
        raise LaceError(Reason.TENANT_NOT_FOUND, f"No tenant {tenant_id}.")
    limits = quotas.known(tenant_id) or await quotas.of(tenant_id)
    keys = counter_keys(tenant_id, principal_id or asker.principal_id, now.date())
    counters = await reader.counters(tenant_id, keys)
    return [Budget(key, counters[key], Amount(*(getattr(limits, name) for name in limit_names(key)))) for key in keys]
