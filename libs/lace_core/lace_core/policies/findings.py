"""What is found in a policy: a stable code, a place in the text, and a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lace_core.errors import Detail, LaceError, Reason
from lace_core.marked_yaml import Problem

Severity = Literal["error", "warning"]
# Every code that there is, and what it means; docs/governance.md lists them.
CODES = {
    "POLICY_TOO_LARGE": "The text is larger than a policy may be.",
    "POLICY_NOT_UTF8": "The text is not UTF-8.",
    "POLICY_NOT_YAML": "The text is not YAML.",
    "POLICY_ALIAS": "The text holds an anchor or an alias.",
    "POLICY_TAG": "The text holds a tag.",
    "POLICY_TOO_DEEP": "The text is nested too deeply.",
    "POLICY_TOO_MANY": "The text holds too many values.",
    "POLICY_KEY_REPEATED": "A field is there twice.",
    "POLICY_KEY_UNKNOWN": "There is no such field.",
    "POLICY_KEY_MISSING": "A field is missing.",
    "POLICY_TYPE": "A value is of another type.",
    "POLICY_VALUE": "A value is not allowed, or contradicts another.",
    "POLICY_PATTERN": "A pattern cannot be read, or fits no section of the document.",
    "POLICY_LOOP": "Policies extend one another in a circle.",
    "POLICY_PARENT_UNKNOWN": "The policy that this one extends is not there.",
    "POLICY_LOOSENS": "A policy would loosen what one that it extends holds fast; it has no effect.",
}


@dataclass(frozen=True)
class PolicyFinding:
    """One thing that is wrong; `line` and `column` are from 1, `pointer` is a JSON Pointer into the value."""

    code: str
    severity: Severity
    pointer: str
    line: int
    column: int
    message: str

    @classmethod
    def of(cls, problem: Problem, severity: Severity = "error") -> PolicyFinding:
        """A problem that the reader found."""
        mark = problem.mark
        return cls(f"POLICY_{problem.code}", severity, problem.pointer, mark.line, mark.column, problem.message)


def ordered(findings: Iterable[PolicyFinding]) -> list[PolicyFinding]:
    """In the order of the text."""
    return sorted(findings, key=lambda found: (found.line, found.column, found.pointer, found.code))


class PolicyRefused(LaceError):
    """A policy cannot be taken: POLICY_INVALID or POLICY_LOOP, with what was found."""

    def __init__(self, reason: Reason, message: str, findings: Sequence[PolicyFinding]) -> None:
        details = [Detail(f.pointer, f"{f.line}:{f.column}: {f.code}: {f.message}") for f in findings]
        super().__init__(reason, message, details=details)
        self.findings = tuple(findings)


def refused(findings: Sequence[PolicyFinding]) -> PolicyRefused:
    """The failure that tells of findings, which are not empty, each as line:column: CODE: message."""
    first = findings[0]
    more = f" There are {len(findings) - 1} more." if len(findings) > 1 else ""
    message = f"Line {first.line}, column {first.column}: {first.message}{more}"
    reason = Reason.POLICY_LOOP if first.code == "POLICY_LOOP" else Reason.POLICY_INVALID
    return PolicyRefused(reason, message, findings)
