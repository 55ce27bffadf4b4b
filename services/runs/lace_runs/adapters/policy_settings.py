"""Settings under the policy that holds: what each start of a run pins, remembered until a policy is activated."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.settings import under
from lace_platform.blobs import BlobStore
from lace_platform.clock import utc_now
from lace_platform.db.listener import Subscription
from lace_platform.rpc import current_call
from lace_runs.adapters.settings_cache import WithoutPolicy
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import OpenUnitOfWork, Resolved

# A version can hold from a time on that nobody is told of, and a notification can be lost with the connection.
_GOOD_FOR_S = 1.0
_MOST = 1000


class PolicySettings:
    """See app.ports.Settings. `changes` is woken, on POLICIES_CHANGED, after each activation."""

    def __init__(
        self, settings: WithoutPolicy, open_work: OpenUnitOfWork, blobs: BlobStore, changes: Subscription
    ) -> None:
        self._settings = settings
        self._open = open_work
        self._blobs = blobs
        self._changes = changes
        self._active: dict[str, tuple[PolicyInForce | None, float]] = {}
        self._under: dict[tuple[str, str, str], Resolved] = {}
        self._turn = 0

    async def resolve(self, overrides: Mapping[str, Any], policy: str = "") -> Resolved:
        """Raises LaceError SETTING_*, POLICY_*."""
        resolved = await self._settings.resolve(overrides)
        if current_call().identity is None:  # a run's grant: its policy was pinned when it was started
            return resolved
        found = await self._named(policy) if policy else await self._of_tenant()
        return await self._pinned(resolved, found) if found is not None else resolved

    async def _named(self, policy: str) -> PolicyInForce | None:
        call = current_call()
        scopes = call.identity.scopes if call.identity else frozenset()
        async with self._open(call.tenant_id) as work:
            return await in_force(work.policies, call.tenant_id, policy, scopes, utc_now())

    async def _of_tenant(self) -> PolicyInForce | None:
        tenant_id = current_call().tenant_id
        self._forget_changed()
        known, until = self._active.get(tenant_id, (None, 0.0))
        if time.monotonic() < until:
            return known
        asked_at, turn = time.monotonic(), self._turn
        async with self._open(tenant_id) as work:
            found = await in_force(work.policies, tenant_id, "", frozenset(), utc_now())
        # It may have been read before a change that came meanwhile.
        if not self._forget_changed() and turn == self._turn:
            self._active[tenant_id] = (found, asked_at + _GOOD_FOR_S)
        return found

    async def _pinned(self, resolved: Resolved, policy: PolicyInForce) -> Resolved:
        """The settings under the policy, whose snapshot lies beside those that control writes."""
        tenant_id = current_call().tenant_id
        chain = ",".join(link.sha256 for link in policy.chain)
        key = (tenant_id, resolved.settings_hash, chain)
        known = self._under.get(key)
        if known is None:
            values = under(policy, resolved.values)
            data = canonical_json(values)
            digest = sha256_hex(data)
            name = f"{tenant_id}/settings/{digest}.json"
            ref = await self._blobs.put("lace-artifacts", name, data, "application/json")
            known = Resolved(values, digest, ref.uri, resolved.limits, policy.link)
            if len(self._under) >= _MOST:
                self._under.clear()
            self._under[key] = known
        return replace(known, limits=resolved.limits)

    def forget(self) -> None:
        """What holds may have changed: in this process it does so at once, wherever the news of it are."""
        self._active.clear()
        self._turn += 1

    def _forget_changed(self) -> bool:
        if changed := self._changes.take() or len(self._active) >= _MOST:
            self._active.clear()
        return changed
