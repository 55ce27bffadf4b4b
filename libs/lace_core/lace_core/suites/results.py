"""What came of a suite: a result for each check, with findings that lead to their places by ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Status = Literal["passed", "failed", "skipped", "error"]
MOST_FINDINGS = 100


class Place(Struct, frozen=True, kw_only=True):
    """A place in a document: ids down to a sentence, item or row, empty where it is meant as a whole; its text, the
    titles of its section from the document's own down, and the ids of the evidence that the text cites.
    """

    node_id: str = ""
    block_id: str = ""
    part_id: str = ""
    section: tuple[str, ...] = ()
    text: str = ""
    evidence_ids: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """The place as a JSON Pointer by ids."""
        parts = (("nodes", self.node_id), ("blocks", self.block_id), ("parts", self.part_id))
        return "".join(f"/{name}/{ident}" for name, ident in parts if ident)


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is not as the check wants it; the message says what to do. The first place is where it is."""

    code: str
    message: str
    places: tuple[Place, ...] = ()


class CheckResult(Struct, frozen=True, kw_only=True):
    """What came of one check. `answers` are the sentences that answer a question; `finding_count` counts all findings,
    of which the first hundred are kept; `judged_by` says by which model and prompt a judge's finding came about.
    """

    check_id: str
    rule: str
    status: Status
    message: str
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0
    answers: tuple[Place, ...] = ()
    judged_by: dict[str, str] = {}
    why: str = ""


class SuiteResult(Struct, frozen=True, kw_only=True):
    """What came of a suite, check by check in the suite's order."""

    suite: str
    sha256: str
    artifact_id: str
    status: Status
    checks: tuple[CheckResult, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many checks ended how."""
        counts = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
        for check in self.checks:
            counts[check.status] += 1
        return counts


def status_of(checks: tuple[CheckResult, ...]) -> Status:
    """A suite's status: failed where a check failed or could not be made, skipped where nothing was checked."""
    found = {check.status for check in checks}
    if found & {"failed", "error"}:
        return "failed"
    return "passed" if "passed" in found else "skipped"
