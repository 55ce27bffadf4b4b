"""Checks by a model: what it is asked, and what becomes of its answer, which can fail a check and lift no failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from lace_core.contracts import DocumentCriterion, DocumentJudgeInput, DocumentJudgement, DocumentPassage
from lace_core.suites import checks
from lace_core.suites.facts import Facts, Judged
from lace_core.suites.passages import Passage, Reading
from lace_core.suites.results import MOST_FINDINGS, CheckResult, Finding
from lace_core.suites.suite import Suite, rule_of

_MOST_PASSAGES = 600


@dataclass(frozen=True)
class Asked:
    """What a model is asked, and which passage each of its short names means."""

    asked: DocumentJudgeInput
    passages: Mapping[str, Passage]


def judge_input(suite: Suite, reading: Reading) -> Asked | None:
    """All that a suite asks of a model, in one question; None where it asks nothing."""
    wanted = [(name, check) for name, check in suite.named_checks() if isinstance(check, checks.LlmJudge)]
    named = {f"s{number}": passage for number, passage in enumerate(reading.passages[:_MOST_PASSAGES], 1)}
    criteria = [_criterion(name, check, reading, named) for name, check in wanted]
    kept = tuple(criterion for criterion in criteria if criterion.passage_ids)
    if not kept:
        return None
    shown = {ident for criterion in kept for ident in criterion.passage_ids}
    passages = tuple(
        DocumentPassage(passage_id=ident, section=passage.section[1:], text=passage.stated)
        for ident, passage in named.items()
        if ident in shown
    )
    artifact = reading.artifact
    asked = DocumentJudgeInput(title=artifact.title, language=artifact.language, passages=passages, criteria=kept)
    return Asked(asked, named)


def _criterion(name: str, check: checks.LlmJudge, reading: Reading, named: Mapping[str, Passage]) -> DocumentCriterion:
    nodes = {section.node.node_id for section in reading.chosen(check.sections)[0]}
    held = tuple(ident for ident, passage in named.items() if passage.node_id in nodes)
    return DocumentCriterion(criterion_id=name, criterion=check.criterion, passage_ids=held)


def judged_of(asked: Asked, answer: DocumentJudgement, judged_by: Mapping[str, str]) -> dict[str, Judged]:
    """The model's finding for each criterion; what it leaves out, says twice or says of passages that there are not
    is no answer.
    """
    found: dict[str, Judged] = {}
    for criterion in asked.asked.criteria:
        own = [verdict for verdict in answer.verdicts if verdict.criterion_id == criterion.criterion_id]
        if len(own) != 1:
            error = f"The model gave {len(own)} verdicts on this check, one was wanted."
            found[criterion.criterion_id] = Judged("undecided", "", (), judged_by, error)
            continue
        remarks = tuple((remark.passage_id, remark.remark) for remark in own[0].remarks)
        strange = [ident for ident, _ in remarks if ident not in criterion.passage_ids]
        error = f"The model speaks of {strange[0]!r}, which it was not shown." if strange else ""
        found[criterion.criterion_id] = Judged(own[0].verdict, own[0].reason, remarks, judged_by, error)
    return found


def failed_calls(suite: Suite, message: str) -> dict[str, Judged]:
    """The finding for each check where the call itself failed."""
    return {
        name: Judged("undecided", "", (), {}, message)
        for name, check in suite.named_checks()
        if isinstance(check, checks.LlmJudge)
    }


def judge_result(name: str, check: checks.LlmJudge, reading: Reading, facts: Facts) -> CheckResult:
    """What becomes of a model's finding."""
    result = CheckResult(check_id=name, rule=rule_of(check), status="failed", message="", why=check.why)
    missing = reading.chosen(check.sections)[1]
    if missing:
        return replace(result, message=missing[0].message, findings=missing, finding_count=len(missing))
    judged = facts.judged.get(name)
    if judged is None:
        return replace(result, status="skipped", message=facts.no_judge)
    result = replace(result, message=judged.reason, judged_by=dict(judged.judged_by))
    if judged.error:
        return replace(result, status="error", message=judged.error)
    if judged.verdict == "undecided":
        return replace(result, status="skipped", message=judged.reason or "It was not decided.")
    findings = tuple(_findings(judged, reading))
    if judged.verdict == "pass" and not findings:
        return replace(result, status="passed")
    # A pass with complaints is a contradiction, and the stricter half of it counts.
    message = judged.reason or "The model found fault with it."
    return replace(result, message=message, findings=findings[:MOST_FINDINGS], finding_count=len(findings))


def _findings(judged: Judged, reading: Reading) -> Iterator[Finding]:
    passages: Sequence[Passage] = reading.passages
    for ident, remark in judged.remarks:
        place = passages[int(ident[1:]) - 1].place
        yield Finding(code="JUDGED", message=remark, places=(place,))
    if judged.verdict == "fail" and not judged.remarks:
        yield Finding(code="JUDGED", message=judged.reason or "The model found fault with it.")
