"""What holds a change to the rules: those that the document has on it, and those of the policy in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.ruling import Place, forbidden_in, ruled, written_down
from lace_core.validate import Finding, errors, validate

RULES = frozenset({"PHRASE_FORBIDDEN", "CITATION_MISSING", "CITATIONS_FEW"})  # what constraints ask of text
_MOST_NODES = 2000


def broken(
    after: Artifact,
    before: Sequence[Artifact] = (),
    policy: PolicyInForce | None = None,
    max_nodes: int = _MOST_NODES,
) -> list[Finding]:
    """The errors of a document after a change, those against the policy's rules among them.

    What stands in one of `before` in the same words and against the same rule is passed over: it was written before
    the rule was made, or before it was looked for there, and is not the change's to take out.
    """
    return unless_stood(_all(after, policy, max_nodes), before, policy, max_nodes)


def unless_stood(
    found: Sequence[Finding],
    before: Sequence[Artifact],
    policy: PolicyInForce | None = None,
    max_nodes: int = _MOST_NODES,
) -> list[Finding]:
    """The findings without those of rules that one of `before` broke already, in the same words."""
    if not any(finding.code in RULES for finding in found):
        return list(found)
    stood = {_said(finding) for document in before if document.nodes for finding in _all(document, policy, max_nodes)}
    return [finding for finding in found if finding.code not in RULES or _said(finding) not in stood]


def refuse_title(policy: PolicyInForce | None, title: str) -> None:
    """Raises LaceError POLICY_FORBIDS where the policy forbids words of a document's title."""
    if policy is None:
        return
    phrase = forbidden_in(title, ruled(policy, Place(title, is_root=True)))
    if phrase:
        message = f"PHRASE_FORBIDDEN: {phrase!r} may not occur; use other words ({policy.link.name})."
        raise LaceError(Reason.POLICY_FORBIDS, f"/title: {message}", details=[Detail("/title", message)])


def _all(document: Artifact, policy: PolicyInForce | None, max_nodes: int) -> list[Finding]:
    own = errors(validate(document, None, max_nodes))
    return own if policy is None else [*own, *_against(policy, document, own, max_nodes)]


def _against(policy: PolicyInForce, document: Artifact, own: Sequence[Finding], max_nodes: int) -> list[Finding]:
    """What the document breaks of the policy beside what it breaks of its own rules."""
    asked = written_down(policy, document)
    if all(was is now for was, now in zip(document.nodes, asked.nodes, strict=True)):
        return []
    known = {_said(finding) for finding in own}
    return [
        replace(finding, message=f"{finding.message.removesuffix('.')} ({policy.link.name}).")
        for finding in errors(validate(asked, None, max_nodes))
        if finding.code in RULES and _said(finding) not in known
    ]


def _said(finding: Finding) -> tuple[str, str, str]:
    """What a finding is about, wherever it stands now: the words where they are what is wrong, else the place."""
    return finding.code, finding.details.get("phrase", ""), finding.text or finding.pointer
