"""What policies come to, for themselves, for a document, and against one another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.policies.comparing import PolicyChange, compare
from lace_core.policies.explaining import Explained, explain, explain_place
from lace_core.policies.findings import PolicyFinding
from lace_core.policies.in_force import Link
from lace_core.policies.ruling import Place, places_to, unused_sections
from lace_runs.app import artifacts
from lace_runs.app.policies.chains import Chain, meant, resolved
from lace_runs.app.ports import Caller, UnitOfWork


@dataclass(frozen=True)
class Meant:
    """A policy that is meant: by name or name@version, as a text, or where both are empty the tenant's."""

    name: str = ""
    text: str = ""


@dataclass(frozen=True)
class Explanation:
    """Every value with who set it; what of the policy has no effect."""

    chain: Sequence[Link]
    values: Sequence[Explained]
    findings: Sequence[PolicyFinding]


async def explain_policy(
    work: UnitOfWork, caller: Caller, asked: Meant, artifact_id: str, node_id: str, now: datetime
) -> Explanation:
    """What a policy comes to, for a section of a document where one is named.

    Raises PolicyRefused, LaceError POLICY_NOT_FOUND, ARTIFACT_NOT_FOUND, NODE_NOT_FOUND.
    """
    chain = await meant(work.policies, caller.tenant_id, asked.name, asked.text, now)
    resolution = await resolved(chain)
    policy, findings = resolution.policy, list(resolution.findings)
    if not artifact_id:
        return Explanation(policy.chain, await asyncio.to_thread(explain, policy), findings)
    await artifacts.require_visible(work, caller, artifact_id)
    shown = await artifacts.show(work, caller.tenant_id, artifact_id)
    places: tuple[Place, ...] = (Place(shown.document.title, is_root=True),)
    if shown.document.nodes:
        try:
            places = places_to(shown.document, node_id or shown.document.root.node_id)
        except LookupError:
            raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {artifact_id} has no node {node_id}.") from None
    titles = [node.title for node in shown.document.nodes]
    unused = dict(unused_sections(policy, titles))
    findings += _unused(chain, set(unused.values()))
    return Explanation(policy.chain, explain_place(policy, places), findings)


async def diff_policies(
    work: UnitOfWork, caller: Caller, before: Meant, after: Meant, now: datetime
) -> Sequence[PolicyChange]:
    """What is different, by meaning, with all that the two extend; raises as `explain_policy` does."""
    one, other = [
        await resolved(await meant(work.policies, caller.tenant_id, each.name, each.text, now))
        for each in (before, after)
    ]
    return await asyncio.to_thread(compare, one.policy, other.policy)


def _unused(chain: Chain, patterns: set[str]) -> list[PolicyFinding]:
    """The policy's own section rules that fit no heading of the document, where they stand."""
    found = []
    for index, section in enumerate(chain[0].policy.sections):
        if section.title in patterns:
            message = f"No section of the document fits {section.title!r}."
            problem = chain[0].marked.problem(f"/sections/{index}/title", message, "PATTERN")
            found.append(PolicyFinding.of(problem, "warning"))
    return found
