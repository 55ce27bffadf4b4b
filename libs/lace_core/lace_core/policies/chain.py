"""From a policy to what it extends: names with versions, and no circles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from lace_core.errors import Detail, LaceError, Reason
from lace_core.marked_yaml import Problem
from lace_core.policies.findings import PolicyFinding, PolicyRefused, refused
from lace_core.policies.parsing import Parsed

MOST_PARENTS = 16
_REFERENCE = re.compile(r"([a-z][a-z0-9-]{0,62})(?:@([1-9][0-9]{0,6}))?")


@dataclass(frozen=True)
class Reference:
    """A policy by name; version 0 is the newest."""

    name: str
    version: int = 0

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


def reference_of(text: str, field: str = "/policy") -> Reference:
    """The policy that a text names, as name or name@version; raises LaceError INVALID_ARGUMENT."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        message = f"{text[:100]!r} names no policy; write name or name@version, in small letters."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(field, message)])
    return Reference(found[1], int(found[2] or 0))


def parent_of(policy: Parsed) -> Reference | None:
    """What a policy extends; None where it stands by itself."""
    return reference_of(policy.policy.extends, "/extends") if policy.policy.extends else None


def extending(policy: Parsed, parent: str) -> Parsed:
    """The policy held to one version of what it extends (name@version), as it is once it is kept."""
    return replace(policy, policy=msgspec.structs.replace(policy.policy, extends=parent))


def joined(chain: Sequence[Parsed], parent: Parsed) -> tuple[Parsed, ...]:
    """The chain with the parent of its last policy; raises PolicyRefused, whose message shows the circle."""
    names = [policy.name for policy in chain]
    if parent.name in names:
        raise _loop(chain, parent.name)
    if len(chain) >= MOST_PARENTS:
        message = f"{names[0]} extends more than {MOST_PARENTS} policies: {' → '.join(names)}."
        raise at_extends(chain[0], "VALUE", message)
    return (*chain, parent)


def _loop(chain: Sequence[Parsed], again: str) -> PolicyRefused:
    names = [policy.name for policy in chain]
    circle = " → ".join((*names[names.index(again) :], again))
    return at_extends(chain[0], "LOOP", f"Policies extend one another in a circle: {circle}.")


def parent_unknown(chain: Sequence[Parsed], wanted: Reference) -> PolicyRefused:
    """The failure of a policy whose last parent is not there."""
    of = f", which {chain[-1].name} extends" if len(chain) > 1 else ""
    return at_extends(chain[0], "PARENT_UNKNOWN", f"There is no policy {wanted}{of}; write that one first.")


def at_extends(policy: Parsed, code: str, message: str) -> PolicyRefused:
    """A failure that points to where the policy says what it extends."""
    return at_key(policy, "/extends", code, message)


def at_key(policy: Parsed, pointer: str, code: str, message: str) -> PolicyRefused:
    """A failure that points to a part of the policy."""
    mark = policy.marked.problem(pointer, "").mark
    return refused([PolicyFinding.of(Problem(pointer, mark, message, code))])
