"""Runs a suite over a document: each check by its rule, in the suite's order, always with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lace_core.ir import Artifact
from lace_core.suites import checks, structure, style
from lace_core.suites.answering import answered, own_questions
from lace_core.suites.citations import min_sources, places_of, stale_citations
from lace_core.suites.claims import forbidden_claim
from lace_core.suites.facts import Facts
from lace_core.suites.judging import judge_result
from lace_core.suites.numbers import number_consistency
from lace_core.suites.passages import Reading
from lace_core.suites.readability import not_applicable, readability
from lace_core.suites.results import MOST_FINDINGS, CheckResult, Finding, Place, Status, SuiteResult, status_of
from lace_core.suites.suite import ReadSuite, rule_of

_ENGLISH_ALONE = (checks.Answers, checks.OwnQuestions, checks.PassiveVoice)
_PLAIN: dict[type[checks.Check], Callable[[Any, Reading], Iterator[Finding]]] = {
    checks.SectionsRequired: structure.sections_required,
    checks.SectionsOrdered: structure.sections_ordered,
    checks.MaxDepth: structure.max_depth,
    checks.WordCount: structure.word_count,
    checks.NoEmptySections: structure.no_empty_sections,
    checks.SectionsCited: structure.sections_cited,
    checks.TablesCaptioned: structure.tables_captioned,
    checks.SentenceLength: style.sentence_length,
    checks.PassiveVoice: style.passive_voice,
    checks.ForbiddenWords: style.forbidden_words,
    checks.Glossary: style.glossary,
    checks.HeadingCase: style.heading_case,
    checks.ForbiddenClaim: forbidden_claim,
    checks.NumberConsistency: number_consistency,
    checks.Readability: readability,
    checks.MinSources: min_sources,
    checks.QuoteShare: style.quote_share,
}


def run_suite(read: ReadSuite, artifact: Artifact, facts: Facts) -> SuiteResult:
    """What comes of a suite on a document."""
    reading = Reading(artifact)
    found = tuple(_checked(name, check, reading, facts) for name, check in read.suite.named_checks())
    return SuiteResult(
        suite=read.suite.name,
        sha256=read.sha256,
        artifact_id=artifact.artifact_id,
        status=status_of(found),
        checks=found,
    )


def _checked(name: str, check: checks.AnyCheck, reading: Reading, facts: Facts) -> CheckResult:
    if isinstance(check, checks.LlmJudge):
        return judge_result(name, check, reading, facts)
    if skipped := _skipped(check, reading, facts):
        return CheckResult(check_id=name, rule=rule_of(check), status="skipped", message=skipped, why=check.why)
    if isinstance(check, checks.Answers):
        answers, findings = answered(check, reading, facts)
        told = f"{check.question} Answered by {len(answers)} sentence{'s' if len(answers) != 1 else ''}."
        return _result(name, check, findings, told, places_of(answers))
    if isinstance(check, checks.OwnQuestions):
        answers, findings = own_questions(check, reading, facts)
        return _result(name, check, findings, "All that its sections are to answer is answered.", places_of(answers))
    if isinstance(check, checks.StaleCitations):
        return _result(name, check, list(stale_citations(check, reading, facts)), "All citations are up to date.")
    return _result(name, check, list(_PLAIN[type(check)](check, reading)), "All is as it should be.")


def _skipped(check: checks.AnyCheck, reading: Reading, facts: Facts) -> str:
    """Why a check does not apply; empty where it does."""
    if isinstance(check, _ENGLISH_ALONE) and reading.language != "en":
        return f"Not applicable: {rule_of(check)} reads English, this is {reading.language}."
    asked = any(node.constraints.competency_questions for node in reading.artifact.nodes)
    if isinstance(check, checks.OwnQuestions) and not asked:
        return "Not applicable: no section of the document has questions of its own."
    if isinstance(check, checks.Readability) and not reading.chosen(check.sections)[1]:
        return not_applicable(check, reading)
    if isinstance(check, checks.StaleCitations) and facts.standing is None:
        return "Nobody was asked how the sources stand."
    return ""


def _result(
    name: str, check: checks.AnyCheck, findings: list[Finding], passed: str, answers: tuple[Place, ...] = ()
) -> CheckResult:
    status: Status = "failed" if findings else "passed"
    return CheckResult(
        check_id=name,
        rule=rule_of(check),
        status=status,
        message=_summary(findings) if findings else passed,
        findings=tuple(findings[:MOST_FINDINGS]),
        finding_count=len(findings),
        answers=answers,
        why=check.why,
    )


def _summary(findings: list[Finding]) -> str:
    more = f" ({len(findings) - 1} more like it)" if len(findings) > 1 else ""
    return f"{findings[0].message}{more}"
