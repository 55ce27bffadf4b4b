"""From YAML to a policy, and everything that is wrong with it, each with its place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lace_core.canonical import sha256_hex
from lace_core.marked_yaml import MarkedYaml, MarkedYamlError, Problem, read, schema_problems
from lace_core.policies.findings import PolicyFinding, ordered, refused
from lace_core.policies.meaning import problems_of_meaning
from lace_core.policies.model import Policy, policy_schema

_MOST_TOLD = 100


@dataclass(frozen=True)
class Parsed:
    """A policy with the text that it was written as: its SHA-256 is of the text's UTF-8 bytes."""

    policy: Policy
    marked: MarkedYaml
    text: str
    sha256: str

    @property
    def name(self) -> str:
        """name@version."""
        return f"{self.policy.policy}@{self.policy.version}"

    def line(self, pointer: str) -> int:
        """The line, from 1, in which the part at a JSON Pointer stands, or the nearest part around it."""
        return self.marked.problem(pointer, "").mark.line


def parse(text: str | bytes) -> Parsed:
    """The policy of a YAML text; raises LaceError POLICY_INVALID, whose details name every place."""
    parsed, findings = examine(text)
    if parsed is None:
        raise refused(findings)
    return parsed


def examine(text: str | bytes) -> tuple[Parsed | None, Sequence[PolicyFinding]]:
    """The policy, None where an error is among the findings; these are in the order of the text."""
    try:
        marked = read(text)
    except MarkedYamlError as error:
        return None, [PolicyFinding.of(error.problem)]
    problems = list(schema_problems(marked, _SCHEMA))
    if not problems:
        policy, problems = _typed(marked)
        if policy is not None and not problems:
            source = text if isinstance(text, str) else text.decode()
            return Parsed(policy, marked, source, sha256_hex(source.encode())), ()
    return None, ordered(PolicyFinding.of(problem) for problem in problems)[:_MOST_TOLD]


def _typed(marked: MarkedYaml) -> tuple[Policy | None, list[Problem]]:
    try:
        policy = msgspec.convert(marked.value, Policy)
    except msgspec.ValidationError as error:  # 1.0 is an integer to JSON Schema, and none to the types
        return None, [marked.problem("", f"{error}.", "TYPE")]
    return policy, list(problems_of_meaning(policy, marked))


_SCHEMA: dict[str, Any] = policy_schema()
