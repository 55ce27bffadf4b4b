"""Policies in Postgres: a version is added and never changed, and so is the decision that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lace_platform.db.transaction import Transaction
from lace_runs.domain.policies import Activation, PolicyVersion

POLICIES_CHANGED = "policies_changed"

# One lock for all policies of a tenant: versions that extend one another must see each other.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('policies/' || :tenant_id, 0))"

INSERT = """
INSERT INTO runs.policies (tenant_id, name, version, sha256, text, description, extends, created_by, created_at)
VALUES (:tenant_id, :name, :version, :sha256, :text, :description, :extends, :created_by, :created_at)
"""

# What holds at a moment: the activation that is effective last, whatever was decided for later.
_ACTIVE = """
  SELECT a.name, a.version FROM runs.policy_activations a
  WHERE a.tenant_id = :tenant_id AND a.effective_at <= {at}
  ORDER BY a.effective_at DESC, a.position DESC LIMIT 1
"""
_COLUMNS = f"""
  p.tenant_id, p.name, p.version, p.sha256, p.text, p.description, p.extends, p.created_by, p.created_at,
  (p.name, p.version) IN ({_ACTIVE.format(at="clock_timestamp()")}) AS active
"""

FIND = f"""
SELECT {_COLUMNS} FROM runs.policies p
WHERE p.tenant_id = :tenant_id AND p.name = :name AND (:version = 0 OR p.version = :version)
ORDER BY p.version DESC LIMIT 1
"""

PAGE = f"""
SELECT DISTINCT ON (p.name) {_COLUMNS} FROM runs.policies p
WHERE p.tenant_id = :tenant_id AND p.name > :after
ORDER BY p.name, p.version DESC LIMIT :limit
"""

VERSIONS = f"""
SELECT {_COLUMNS} FROM runs.policies p
WHERE p.tenant_id = :tenant_id AND p.name = :name AND (:before = 0 OR p.version < :before)
ORDER BY p.version DESC LIMIT :limit
"""

ACTIVATE = """
INSERT INTO runs.policy_activations (tenant_id, activation_id, name, version, sha256, effective_at, activated_by,
  activated_at, reason)
VALUES (:tenant_id, :activation_id, :name, :version, :sha256, :effective_at, :activated_by, :activated_at, :reason)
ON CONFLICT (tenant_id, activation_id) DO NOTHING
"""

ACTIVE = f"""
WITH active AS ({_ACTIVE.format(at=":at")})
SELECT p.*, true AS active FROM runs.policies p JOIN active USING (name, version) WHERE p.tenant_id = :tenant_id
"""


class PostgresPolicies:
    """Policies within one transaction; see app.policies.ports.PolicyRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, tenant_id: str, name: str) -> None:
        """Until the transaction ends nobody else keeps a version of this policy, or of any other."""
        await self._tx.execute(LOCK, {"tenant_id": tenant_id})

    async def add(self, tenant_id: str, policy: PolicyVersion) -> None:
        """Keep a version."""
        values = {name: value for name, value in vars(policy).items() if name != "active"}
        await self._tx.execute(INSERT, {**values, "tenant_id": tenant_id})

    async def find(self, tenant_id: str, name: str, version: int = 0) -> PolicyVersion | None:
        """A version, the newest where 0; None where there is none."""
        row = await self._tx.fetch_one(FIND, {"tenant_id": tenant_id, "name": name, "version": version})
        return _version_of(row._asdict()) if row is not None else None

    async def page(self, tenant_id: str, after: str, limit: int) -> Sequence[PolicyVersion]:
        """The newest version of each policy by name, after that name."""
        rows = await self._tx.fetch_all(PAGE, {"tenant_id": tenant_id, "after": after, "limit": limit})
        return [_version_of(row._asdict()) for row in rows]

    async def versions(self, tenant_id: str, name: str, before: int, limit: int) -> Sequence[PolicyVersion]:
        """Versions of a policy, newest first, before that one; all where 0."""
        key = {"tenant_id": tenant_id, "name": name, "before": before, "limit": limit}
        return [_version_of(row._asdict()) for row in await self._tx.fetch_all(VERSIONS, key)]

    async def activate(self, tenant_id: str, activation: Activation) -> None:
        """Let a version hold; what remembers which one does is told with the commit."""
        await self._tx.execute(ACTIVATE, {**vars(activation), "tenant_id": tenant_id})
        await self._tx.notify_after_commit(POLICIES_CHANGED)

    async def active(self, tenant_id: str, at: datetime) -> PolicyVersion | None:
        """The version that holds at that moment; None where none does, or the one that ships."""
        row = await self._tx.fetch_one(ACTIVE, {"tenant_id": tenant_id, "at": at})
        return _version_of(row._asdict()) if row is not None else None


def _version_of(row: Mapping[str, Any]) -> PolicyVersion:
    return PolicyVersion(**row)
