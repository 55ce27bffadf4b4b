"""Results: their order and status, a judge that can only fail, and JUnit XML of whatever a document says."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as Xml

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lace_core import ir
from lace_core.contracts import DocumentJudgement, DocumentRemark, DocumentVerdict
from lace_core.suites.facts import Facts, Judged
from lace_core.suites.judging import Asked, failed_calls, judge_input, judged_of
from lace_core.suites.junit import junit_xml
from lace_core.suites.passages import Reading
from lace_core.suites.results import CheckResult, Finding, Place, SuiteResult, status_of
from lace_core.suites.running import run_suite
from lace_core.suites.suite import parse

from .strategies import artifacts
from .written_documents import document, found

_SUITE = """
lace_suite: 1
name: all
checks:
- {rule: sections_required, titles: [Missing]}
- {rule: max_depth, at_most: 9, id: deep}
- {rule: stale_citations}
- {rule: llm_judge, id: sober, criterion: It is sober., sections: [One]}
- {rule: number_consistency}
- {rule: readability, formula: lix}
- {rule: passive_voice, at_most_percent: 0}
- {rule: forbidden_claim, claim: It rains.}
- {rule: answers, question: Where does it rain?}
"""
_DOCUMENT = document(("One", ["It rains.", "It pours."]), ("Two", ["It snows."]))


def _asked() -> Asked:
    asked = judge_input(parse(_SUITE).suite, Reading(_DOCUMENT))
    assert asked is not None
    return asked


def _judgement(verdict: str, *remarks: tuple[str, str], criterion: str = "sober") -> DocumentJudgement:
    told = tuple(DocumentRemark(passage_id=ident, remark=remark) for ident, remark in remarks)
    one = {"criterion_id": criterion, "verdict": verdict, "reason": "so", "remarks": told}
    return DocumentJudgement(verdicts=(msgspec.convert(one, DocumentVerdict, from_attributes=True),))


def _judge_result(judged: dict[str, Judged]) -> CheckResult:
    return next(c for c in run_suite(parse(_SUITE), _DOCUMENT, Facts(judged=judged)).checks if c.check_id == "sober")


def test_checks_come_in_the_suites_order_under_their_names_and_the_same_every_time() -> None:
    results = [run_suite(parse(_SUITE), _DOCUMENT, Facts()) for _ in range(2)]
    assert msgspec.json.encode(results[0]) == msgspec.json.encode(results[1])
    names = [check.check_id for check in results[0].checks]
    assert names[:5] == ["sections_required-1", "deep", "stale_citations-3", "sober", "number_consistency-5"]
    assert results[0].status == "failed"
    assert sum(results[0].counts.values()) == len(results[0].checks)
    assert msgspec.json.decode(msgspec.json.encode(results[0]), type=SuiteResult) == results[0]


def test_the_result_does_not_hang_on_the_seed_of_hashes() -> None:
    program = (
        "import sys, hashlib, msgspec; from lace_core import ir; from lace_core.suites.facts import Facts;"
        "from lace_core.suites.running import run_suite; from lace_core.suites.suite import parse;"
        "found = run_suite(parse(sys.argv[1]), ir.decode(sys.stdin.buffer.read()), Facts());"
        "print(hashlib.sha256(msgspec.json.encode(found)).hexdigest())"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", program, _SUITE],
            input=ir.encode(_DOCUMENT),
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("passed", "skipped"), "passed"),
        (("skipped",), "skipped"),
        (("passed", "error"), "failed"),
        (("failed", "passed"), "failed"),
    ],
)
def test_a_suite_passes_where_something_was_checked_and_nothing_failed(
    statuses: tuple[str, ...], expected: str
) -> None:
    one = CheckResult(check_id="a", rule="b", status="passed", message="")
    checks = [msgspec.convert({**msgspec.to_builtins(one), "status": status}, CheckResult) for status in statuses]
    assert status_of(tuple(checks)) == expected


def test_a_judge_is_shown_the_passages_of_its_sections_under_short_names() -> None:
    asked = _asked()
    (criterion,) = asked.asked.criteria
    assert (criterion.criterion_id, criterion.passage_ids) == ("sober", ("s1", "s2"))
    assert [passage.text for passage in asked.asked.passages] == ["It rains.", "It pours."]


@pytest.mark.parametrize(
    ("judgement", "status", "said"),
    [
        (_judgement("pass"), "passed", "so"),
        (_judgement("fail", ("s2", "It boasts.")), "failed", "so"),
        (_judgement("fail"), "failed", "so"),
        (_judgement("pass", ("s1", "It boasts.")), "failed", "so"),
        (_judgement("undecided"), "skipped", "so"),
        (_judgement("pass", ("s3", "x")), "error", "was not shown"),
        (_judgement("pass", criterion="another"), "error", "gave 0 verdicts"),
        (DocumentJudgement(verdicts=_judgement("pass").verdicts * 2), "error", "gave 2 verdicts"),
    ],
)
def test_what_a_judge_says_fails_or_passes_its_own_check_alone(
    judgement: DocumentJudgement, status: str, said: str
) -> None:
    by = {"model": "m", "prompt": "p"}
    judged = judged_of(_asked(), judgement, by)
    result = _judge_result(judged)
    assert (result.status, said in result.message) == (status, True)
    assert result.judged_by == by
    without, with_it = (run_suite(parse(_SUITE), _DOCUMENT, Facts(judged=given)).checks for given in ({}, judged))
    assert [c for c in without if c.check_id != "sober"] == [c for c in with_it if c.check_id != "sober"]


def test_without_a_model_the_judges_checks_are_skipped_and_a_failed_call_is_an_error() -> None:
    assert _judge_result({}).status == "skipped"
    failed = _judge_result(failed_calls(parse(_SUITE).suite, "PROVIDER_UNAVAILABLE: away"))
    assert (failed.status, failed.message) == ("error", "PROVIDER_UNAVAILABLE: away")


def test_a_remark_leads_to_the_passage() -> None:
    result = _judge_result(judged_of(_asked(), _judgement("fail", ("s2", "It boasts.")), {}))
    (finding,) = result.findings
    assert (finding.message, finding.places[0].text) == ("It boasts.", "It pours.")


def test_junit_has_a_case_for_each_check_in_the_shape_that_servers_read() -> None:
    judged = failed_calls(parse(_SUITE).suite, "away")
    result = run_suite(parse(_SUITE), _DOCUMENT, Facts(judged=judged))
    root = Xml.fromstring(junit_xml(result, "rev_1", "2026-11-21T10:00:00", "tst_1"))
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    assert {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"} <= set(suite.attrib)
    assert next(child.tag for child in suite) == "properties"
    cases = suite.findall("testcase")
    assert [case.attrib["name"] for case in cases] == [check.check_id for check in result.checks]
    assert all({"name", "classname", "time"} == set(case.attrib) for case in cases)
    for outcome, counted in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        told = [child for case in cases for child in case if child.tag == outcome]
        assert str(len(told)) == suite.attrib[counted]
        assert all(child.attrib["message"] for child in told)
    assert "“It rains.” (/nodes/nod_0/blocks/blk_0_0/parts/sen_0_0)" in Xml.tostring(root, encoding="unicode")


@given(st.text(), st.text(min_size=1))
@settings(max_examples=60)
def test_junit_can_be_parsed_whatever_was_said(text: str, name: str) -> None:
    finding = Finding(code="X", message=text, places=(Place(node_id=name, section=(text,), text=text),))
    check = CheckResult(
        check_id=name, rule="r", status="failed", message=text, findings=(finding,), finding_count=3, why=text
    )
    result = SuiteResult(suite=name, sha256="", artifact_id=text, status="failed", checks=(check,))
    root = Xml.fromstring(junit_xml(result, text, text, text))
    assert "… and 2 more" in (root.find(".//failure").text or "")  # type: ignore[union-attr]


@given(artifacts)
@settings(max_examples=40)
def test_every_rule_gives_a_result_on_every_document(artifact: object) -> None:
    assert isinstance(artifact, type(_DOCUMENT))
    result = run_suite(parse(_SUITE), artifact, Facts())
    assert len(result.checks) == 9
    assert all(check.message for check in result.checks)
    Xml.fromstring(junit_xml(result))


def test_only_a_hundred_findings_are_kept_and_all_are_counted() -> None:
    result = found("rule: sentence_length, at_most: 1", document(("One", ["It rains."] * 130)))
    assert (len(result.findings), result.finding_count) == (100, 130)
    assert replace(result, findings=()).message.endswith("(129 more like it)")
