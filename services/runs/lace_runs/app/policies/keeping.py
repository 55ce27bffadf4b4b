"""Keeping versions of policies, and saying what is wrong with those that cannot be kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.policies.chain import at_key
from lace_core.policies.findings import PolicyFinding, PolicyRefused
from lace_core.policies.shipped import DEFAULT_NAME
from lace_runs.app import audit
from lace_runs.app.policies.chains import Chain, chain_of, read, resolved
from lace_runs.app.policies.ports import PolicyRepository
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.policies import PolicyVersion


async def keep(
    work: UnitOfWork, caller: Caller, text: str, now: datetime
) -> tuple[PolicyVersion, Sequence[PolicyFinding]]:
    """Keep a version for good, with what of it has no effect; the same text again gives the one that is there.

    The caller commits. Raises PolicyRefused, LaceError POLICY_VERSION_EXISTS.
    """
    parsed = await read(text)
    _refuse_reserved((parsed,))
    policy = parsed.policy
    await work.policies.lock(caller.tenant_id, policy.policy)
    chain = await chain_of(work.policies, caller.tenant_id, parsed)
    findings = (await resolved(chain)).findings
    known = await work.policies.find(caller.tenant_id, policy.policy, policy.version)
    if known is not None:
        if known.sha256 == parsed.sha256:
            return known, findings
        message = f"{parsed.name} stands for another text ({known.sha256[:12]}); count the version up."
        raise LaceError(Reason.POLICY_VERSION_EXISTS, message)
    made = PolicyVersion(
        tenant_id=caller.tenant_id,
        name=policy.policy,
        version=policy.version,
        sha256=parsed.sha256,
        text=text,
        description=policy.description,
        extends=chain[1].name if len(chain) > 1 else "",
        created_by=caller.principal_id,
        created_at=now,
    )
    await work.policies.add(caller.tenant_id, made)
    details = {"version": made.version, "sha256": made.sha256, "extends": made.extends}
    work.send(audit.entry(caller, "policy.create", made.name, details, now))
    return made, findings


async def check(policies: PolicyRepository, tenant_id: str, text: str) -> Sequence[PolicyFinding]:
    """Everything that was found in a text, errors and warnings; nothing is kept."""
    try:
        parsed = await read(text)
        _refuse_reserved((parsed,))
        return (await resolved(await chain_of(policies, tenant_id, parsed))).findings
    except PolicyRefused as error:
        return error.findings


def _refuse_reserved(chain: Chain) -> None:
    if chain[0].policy.policy == DEFAULT_NAME:
        raise at_key(chain[0], "/policy", "VALUE", f"{DEFAULT_NAME} is the policy that ships; take another name.")
