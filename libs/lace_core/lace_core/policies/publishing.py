"""Who may publish by a policy."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from lace_core.policies.in_force import PolicyInForce, Publishers


@dataclass(frozen=True)
class MayPublish:
    """Whether the caller may publish; `reasons` say why not, each naming the policy that stands against it."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def may_publish(policy: PolicyInForce | None, roles: Set[str], principal: str) -> MayPublish:
    """Whether a principal with these roles may publish; where no policy holds, everybody who has the scope may."""
    if policy is None:
        return MayPublish(True)
    reasons = tuple(_told(rule) for rule in policy.publish.who if not _lets(rule, roles, principal))
    return MayPublish(not reasons, reasons)


def _lets(rule: Publishers, roles: Set[str], principal: str) -> bool:
    return principal in rule.principals or not roles.isdisjoint(rule.roles)


def _told(rule: Publishers) -> str:
    who = [*(f"the role {role}" for role in rule.roles), *rule.principals]
    return f"{rule.policy} lets publish: {', '.join(who)}."
