"""Which policy a run is held to, and what that does to its settings, both pinned when it is started."""

from __future__ import annotations

from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.shipped import DEFAULT_NAME
from lace_runs.app.policies.chains import Chain, active_name, named, resolved
from lace_runs.app.policies.ports import PolicyRepository

_ADMIN = "admin"


async def in_force(
    policies: PolicyRepository, tenant_id: str, asked: str, scopes: frozenset[str], now: datetime
) -> PolicyInForce | None:
    """The policy of a run: the one that it names, else the tenant's; None where none holds.

    Who does not administer the tenant may only name one that extends what holds. Raises LaceError POLICY_NOT_FOUND,
    POLICY_FORBIDS, PolicyRefused.
    """
    active = await active_name(policies, tenant_id, now)
    if not asked and not active:
        return None
    chain = await named(policies, tenant_id, asked or active)
    if asked and active and _ADMIN not in scopes and active not in [policy.name for policy in chain]:
        message = f"{active} holds here; name a policy that extends it, or have an administrator start the run."
        raise LaceError(Reason.POLICY_FORBIDS, message)
    return None if _is_default(chain) else (await resolved(chain)).policy


def _is_default(chain: Chain) -> bool:
    return chain[0].policy.policy == DEFAULT_NAME
