"""The values that the API document shows of suites, tests and publications; see examples."""

from __future__ import annotations

from typing import Any

TEST = "tst_4c7f0i3l6o9r2u5x8a1d4g7j0m"
PUBLICATION = "pub_8s1v4y7b0e3h6k9n2q5t8w1z4c"
_TEXT = """lace_suite: 1
name: heat-pumps
checks:
- {id: performance, rule: answers, question: What seasonal performance did the buildings reach?}
- {id: short, rule: sentence_length, at_most: 40}
"""
JUNIT = """<?xml version='1.0' encoding='utf-8'?>
<testsuites name="heat-pumps" tests="1" failures="0" errors="0" skipped="0" time="0"><testsuite name="heat-pumps" \
tests="1" failures="0" errors="0" skipped="0" time="0" hostname="lace"><testcase name="performance" \
classname="heat-pumps.answers" time="0" /></testsuite></testsuites>"""
_SHA256 = "3b1f0a7be2c94d5586a7b8c9d0e1f2031425364758697a8b9cadbecfd0e1f203"

SUITES: dict[str, Any] = {
    "Suite.name": "heat-pumps",
    "Suite.version": 1,
    "Suite.sha256": _SHA256,
    "Suite.description": "What the report on heat pumps must answer.",
    "Suite.check_count": 2,
    "Suite.text": _TEXT,
    "Suite.versions": 1,
    "GetSuiteRequest.name": "heat-pumps",
    "GetSuiteRequest.version": 1,
    "CreateSuiteRequest.text": _TEXT,
    "TestArtifactRequest.text": "",
    "test_id": TEST,
    "suite": "heat-pumps",
    "suite_version": 1,
    "suite_sha256": _SHA256,
    "DocumentTest.status": "passed",
    "DocumentTest.passed": 2,
    "DocumentTest.failed": 0,
    "DocumentTest.skipped": 0,
    "DocumentTest.errors": 0,
    "check_id": "performance",
    "CheckResult.rule": "answers",
    "CheckResult.status": "passed",
    "CheckResult.message": "What seasonal performance did the buildings reach? Answered by 1 sentence.",
    "CheckResult.judged_by": {},
    "CheckResult.why": "It is what readers come for.",
    "finding_count": 1,
    "CheckFinding.code": "SENTENCE_TOO_LONG",
    "CheckFinding.message": "The sentence has 44 words, 40 are allowed; split it.",
    "DocumentPlace.pointer": "/nodes/nod_7c1v4b8n2m5k9j3h6g0f4d7s1a/blocks/blk_2w5e8r1t4y7u0i3o6p9a2s5d8f",
    "DocumentPlace.part_id": "sen_5t8y1u4i7o0p3a6s9d2f5g8h1j",
    "DocumentPlace.section": "Seasonal performance",
    "DocumentPlace.text": "The seasonal performance in old buildings was between 2.6 and 3.4.",
    "publication_id": PUBLICATION,
    "Publication.state": "published",
    "Publication.published_by": "prn_01kahx2v6d1f4h7k0m3p6s9v2x",
    "Publication.policy": "house@3",
    "Publication.policy_sha256": _SHA256,
    "Publication.note": "As the board saw it.",
    "Publication.withdrawn_by": "",
    "Publication.withdrawn_reason": "",
    "PublishArtifactRequest.suites": "heat-pumps",
    "PublishArtifactRequest.refuse_stale": True,
    "PublishArtifactRequest.note": "As the board saw it.",
    "WithdrawPublicationRequest.reason": "Table 2 is being measured again.",
}
REQUESTS: dict[str, Any] = {
    "TestArtifact": {"suite": "heat-pumps"},
    "PublishArtifact": {"suites": ["heat-pumps"], "refuse_stale": True, "note": "As the board saw it."},
}
