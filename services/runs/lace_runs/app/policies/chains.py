"""Finding a policy with all that it extends."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import lru_cache

from lace_core.errors import LaceError, Reason
from lace_core.policies.chain import Reference, extending, joined, parent_of, parent_unknown, reference_of
from lace_core.policies.parsing import Parsed, parse
from lace_core.policies.resolving import Resolution, resolve
from lace_core.policies.shipped import DEFAULT_NAME, DEFAULT_TEXT
from lace_runs.app.policies.ports import PolicyRepository

Chain = tuple[Parsed, ...]

# What is kept never changes, and the one that holds is looked at with every start.
_parsed = lru_cache(maxsize=128)(parse)


async def chain_of(policies: PolicyRepository, tenant_id: str, policy: Parsed) -> Chain:
    """The policy, then what it extends; raises PolicyRefused where that is not there or leads back."""
    chain: Chain = (policy,)
    while (wanted := parent_of(chain[-1])) is not None:
        parent = await _kept(policies, tenant_id, wanted)
        if parent is None:
            raise parent_unknown(chain, wanted)
        chain = joined(chain, parent)
    return chain


async def named(policies: PolicyRepository, tenant_id: str, name: str) -> Chain:
    """The chain of a policy by name or name@version; raises LaceError POLICY_NOT_FOUND, INVALID_ARGUMENT."""
    wanted = reference_of(name)
    found = await _kept(policies, tenant_id, wanted)
    if found is None:
        raise LaceError(Reason.POLICY_NOT_FOUND, f"No policy {wanted}.")
    return await chain_of(policies, tenant_id, found)


async def meant(policies: PolicyRepository, tenant_id: str, name: str, text: str, now: datetime) -> Chain:
    """The chain of a text, of a policy by name, or where both are empty of the one that holds for the tenant.

    Raises PolicyRefused for a text, LaceError POLICY_NOT_FOUND and INVALID_ARGUMENT for a name.
    """
    if text:
        return await chain_of(policies, tenant_id, await read(text))
    if name:
        return await named(policies, tenant_id, name)
    return await named(policies, tenant_id, await active_name(policies, tenant_id, now) or DEFAULT_NAME)


async def active_name(policies: PolicyRepository, tenant_id: str, now: datetime) -> str:
    """name@version of the policy that holds for the tenant; empty where none does."""
    active = await policies.active(tenant_id, now)
    return active.full_name if active else ""


async def read(text: str) -> Parsed:
    """The policy of a text, read beside the event loop; raises PolicyRefused."""
    return await asyncio.to_thread(_parsed, text)


async def resolved(chain: Chain) -> Resolution:
    """What a chain comes to, worked out beside the event loop."""
    return await asyncio.to_thread(resolve, chain)


async def _kept(policies: PolicyRepository, tenant_id: str, wanted: Reference) -> Parsed | None:
    """A policy as it is kept: held to the version of its parent that was the newest when it came."""
    if wanted.name == DEFAULT_NAME:
        return await read(DEFAULT_TEXT) if wanted.version in (0, 1) else None
    found = await policies.find(tenant_id, wanted.name, wanted.version)
    return extending(await read(found.text), found.extends) if found else None
