"""Proposals to a document's head: what is compared with which base, and how a refusal is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lace_core.actions import Action, Proposal
from lace_core.apply import Applied, Policy, apply
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact
from lace_core.merkle import ir_hash
from lace_runs.app.ports import Caller, UnitOfWork

OnConflict = Literal["reject", "rebase", "overwrite"]
OVERWRITE = "admin"
_MOST_TOLD = 200


@dataclass(frozen=True)
class Asked:
    """Actions for a document whose head is `head_revision_id`, made for the base, which is empty for any head."""

    actions: tuple[Action, ...]
    head_revision_id: str
    base_revision_id: str = ""
    on_conflict: OnConflict = "reject"


def require_overwrite(caller: Caller, on_conflict: OnConflict) -> None:
    """Raises LaceError PERMISSION_DENIED for who may not overwrite what others changed."""
    if on_conflict == "overwrite" and OVERWRITE not in caller.scopes:
        message = f"Overwriting what was changed since needs the scope {OVERWRITE}; ask for rebase instead."
        raise LaceError(Reason.PERMISSION_DENIED, message)


async def applied_to(work: UnitOfWork, caller: Caller, document: Artifact, asked: Asked) -> Applied:
    """All of the actions applied to the document, or none; raises LaceError PROPOSAL_REJECTED, REVISION_NOT_FOUND.

    An action that the head's history has under its key does nothing.
    """
    key = (caller.tenant_id, document.artifact_id)
    history = await work.artifacts.known_actions(*key, asked.head_revision_id, [action.key for action in asked.actions])
    base: Artifact | None = None
    if asked.base_revision_id and asked.base_revision_id != asked.head_revision_id and asked.on_conflict == "rebase":
        revision = await work.artifacts.revision(*key, asked.base_revision_id)
        if revision.status != "committed":
            message = f"{asked.base_revision_id} was never committed; name the revision that the actions were made for."
            raise LaceError(Reason.REVISION_NOT_FOUND, message)
        base = await work.artifacts.document(*key, asked.base_revision_id)
    made_for = document if base is None else base
    proposal = Proposal(base_hash=ir_hash(made_for) if made_for.nodes else "", actions=asked.actions)
    how: OnConflict = "rebase" if base is not None else "reject"
    applied = apply(document, proposal, Policy(may_remove=True, on_conflict=how, base=base, history=history))
    if applied.rejections:
        first = applied.rejections[0]
        raise LaceError(
            Reason.PROPOSAL_REJECTED,
            f"{len(applied.rejections)} of {len(asked.actions)} actions do not fit. {first.message}",
            details=[Detail(r.pointer, f"{r.code}: {r.message}") for r in applied.rejections[:_MOST_TOLD]],
        )
    return applied
