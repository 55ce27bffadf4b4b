"""What the use cases of policies need of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lace_runs.domain.policies import Activation, PolicyVersion


class PolicyRepository(Protocol):
    """Policies, within one transaction and tenant."""

    async def lock(self, tenant_id: str, name: str) -> None:
        """Until the transaction ends nobody else keeps a version of this policy, or of any other.

        Two versions that extend one another must not come at one time: each would find no circle.
        """

    async def add(self, tenant_id: str, policy: PolicyVersion) -> None:
        """Keep a version."""

    async def find(self, tenant_id: str, name: str, version: int = 0) -> PolicyVersion | None:
        """A version, the newest where 0; None where there is none."""

    async def page(self, tenant_id: str, after: str, limit: int) -> Sequence[PolicyVersion]:
        """The newest version of each policy by name, after that name."""

    async def versions(self, tenant_id: str, name: str, before: int, limit: int) -> Sequence[PolicyVersion]:
        """Versions of a policy, newest first, before that one; all where 0."""

    async def activate(self, tenant_id: str, activation: Activation) -> None:
        """Let a version hold; what remembers which one does is told with the commit."""

    async def active(self, tenant_id: str, at: datetime) -> PolicyVersion | None:
        """The version that holds at that moment; None where none does."""
