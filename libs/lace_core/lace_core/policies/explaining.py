"""What a policy comes to, value by value, with who set each and who holds it fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lace_core.constraints import FIELDS
from lace_core.ir import Constraints
from lace_core.policies.in_force import Origin, PolicyInForce
from lace_core.policies.ruling import Place, rules_of, setter_of


@dataclass(frozen=True)
class Explained:
    """A value in force; `set_by` is name@version of a policy with its line (0: no policy's), `locked_by` likewise."""

    pointer: str
    value: Any
    set_by: str
    line: int = 0
    locked_by: str = ""


def explain(policy: PolicyInForce) -> list[Explained]:
    """Every value that the policy sets, in the order of its parts."""
    return [
        *_of_constraints(policy, "/constraints", policy.constraints),
        *(row for index, _ in enumerate(policy.sections) for row in _of_section(policy, index)),
        *_of_lists(policy),
        *_of_rest(policy),
    ]


def explain_place(policy: PolicyInForce, places: Sequence[Place]) -> list[Explained]:
    """Every constraint that holds for a node of a document under the policy; `places` lead down to it."""
    rules = rules_of(policy, places)
    rows = []
    for name in FIELDS:
        if getattr(rules, name) is not None:
            origin, said = setter_of(policy, places, name)
            rows.append(_row(policy, f"/constraints/{name}", getattr(rules, name), origin, said, rules))
    return rows


def _of_constraints(policy: PolicyInForce, at: str, constraints: Constraints) -> Iterator[Explained]:
    for name in FIELDS:
        value = getattr(constraints, name)
        if value is not None:
            locked = policy.trace.get(f"{at}/locked/{name}")
            yield _explained(policy, f"{at}/{name}", _plain(value), locked)


def _of_section(policy: PolicyInForce, index: int) -> Iterator[Explained]:
    section = policy.sections[index]
    yield _explained(policy, f"/sections/{index}/title", section.title)
    yield from _of_constraints(policy, f"/sections/{index}/constraints", section.constraints)


def _of_lists(policy: PolicyInForce) -> Iterator[Explained]:
    for kind, rules in sorted(policy.house_rules.items()):
        for index, rule in enumerate(rules):
            yield _explained(policy, f"/house_rules/{kind}/{index}", rule)
    for contract, template in sorted(policy.prompts.items()):
        yield _explained(policy, f"/prompts/{contract}", template)
    for index, kind in enumerate(policy.redaction_kinds):
        yield _explained(policy, f"/redaction/kinds/{index}", kind)
    for index, pattern in enumerate(policy.redaction_patterns):
        yield _explained(policy, f"/redaction/patterns/{index}", pattern)
    for index, suite in enumerate(policy.publish.suites):
        yield _explained(policy, f"/publish/suites/{index}", suite)


def _of_rest(policy: PolicyInForce) -> Iterator[Explained]:
    if "/redaction/before" in policy.trace:
        yield _explained(policy, "/redaction/before", policy.redact_before)
    if policy.models is not None:
        yield _explained(policy, "/models/allow", list(policy.models))
    for index, who in enumerate(policy.publish.who):
        value = {"roles": list(who.roles), "principals": list(who.principals)}
        yield _explained(policy, f"/publish/who/{index}", value)
    if policy.publish.min_supported_percent is not None:
        yield _explained(policy, "/publish/min_supported_percent", policy.publish.min_supported_percent)
    if policy.publish.empty_review_queue:
        yield _explained(policy, "/publish/empty_review_queue", True)


def _explained(policy: PolicyInForce, pointer: str, value: Any, locked: Origin | None = None) -> Explained:
    origin = policy.trace.get(pointer)
    by, line = (origin.policy, origin.line) if origin else (policy.link.name, 0)
    return Explained(pointer, value, by, line, locked.policy if locked else "")


def _row(
    policy: PolicyInForce, pointer: str, value: Any, origin: Origin | None, said: str, rules: Constraints
) -> Explained:
    name = pointer.rpartition("/")[2]
    locked = policy.trace.get(f"/constraints/locked/{name}") if name in rules.locked else None
    by, line = (origin.policy, origin.line) if origin else (said, 0)
    return Explained(pointer, _plain(value), by, line, locked.policy if locked else "")


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
