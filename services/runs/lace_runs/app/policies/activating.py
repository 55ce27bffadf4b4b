"""Letting a version of a policy hold for a tenant."""

from __future__ import annotations

from datetime import datetime

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_runs.app import audit
from lace_runs.app.policies.chains import named
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.policies import Activation


async def activate(
    work: UnitOfWork, caller: Caller, name: str, effective_at: datetime | None, reason: str, now: datetime
) -> Activation:
    """Let a policy, by name or name@version, hold from then on, at once where no time is given; the caller commits.

    Raises LaceError POLICY_NOT_FOUND, INVALID_ARGUMENT for a time that is past, PolicyRefused where what it extends
    cannot be found.
    """
    if effective_at is not None and effective_at < now:
        message = "What was decided under another policy stays so; give a time that is to come, or none."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/effective_at", message)])
    chain = await named(work.policies, caller.tenant_id, name)
    policy = chain[0]
    made = Activation(
        tenant_id=caller.tenant_id,
        activation_id=derive("pac", caller.tenant_id, policy.name, caller.principal_id, caller.idempotency_key),
        name=policy.policy.policy,
        version=policy.policy.version,
        sha256=policy.sha256,
        effective_at=effective_at or now,
        activated_by=caller.principal_id,
        activated_at=now,
        reason=reason,
    )
    await work.policies.activate(caller.tenant_id, made)
    details = {
        "version": made.version,
        "sha256": made.sha256,
        "effective_at": made.effective_at.isoformat(),
        "reason": reason,
    }
    work.send(audit.entry(caller, "policy.activate", made.name, details, now))
    return made
