"""Between suites, tests, publications and their wire messages."""

from __future__ import annotations

from lace.runs.v1 import publications_pb2, suites_pb2
from lace_core.suites.results import CheckResult, Finding, Place
from lace_runs.app.publications import publishing
from lace_runs.app.suites import testing
from lace_runs.domain.publications import Publication
from lace_runs.domain.suites import DocumentTest, SuiteVersion, WantedTests

_STATUS = {
    "passed": suites_pb2.CHECK_STATUS_PASSED,
    "failed": suites_pb2.CHECK_STATUS_FAILED,
    "skipped": suites_pb2.CHECK_STATUS_SKIPPED,
    "error": suites_pb2.CHECK_STATUS_ERROR,
}


def suite_message(suite: SuiteVersion) -> suites_pb2.Suite:
    """A version of a suite on the wire."""
    message = suites_pb2.Suite(
        name=suite.name,
        version=suite.version,
        sha256=suite.sha256,
        description=suite.description,
        check_count=suite.check_count,
        text=suite.text,
        versions=suite.versions,
        created_by=suite.created_by,
    )
    message.created_at.FromDatetime(suite.created_at)
    return message


def wanted_of(request: suites_pb2.TestArtifactRequest) -> testing.Wanted:
    """What a TestArtifactRequest asks."""
    return testing.Wanted(
        artifact_id=request.artifact_id,
        suite=request.suite,
        suite_version=request.suite_version,
        text=request.text,
        revision_id=request.revision_id,
    )


def wanted_tests_of(request: suites_pb2.ListDocumentTestsRequest, labels: frozenset[str]) -> WantedTests:
    """What a ListDocumentTestsRequest asks, for who holds these labels."""
    return WantedTests(request.artifact_id, labels, request.revision_id, request.suite)


def document_test_message(test: DocumentTest, *, whole: bool) -> suites_pb2.DocumentTest:
    """A test on the wire, with its checks where it is shown whole."""
    counts = test.result.counts
    message = suites_pb2.DocumentTest(
        test_id=test.test_id,
        artifact_id=test.artifact_id,
        revision_id=test.revision_id,
        suite=test.result.suite,
        suite_version=test.suite_version,
        suite_sha256=test.result.sha256,
        status=_STATUS[test.result.status],
        passed=counts["passed"],
        failed=counts["failed"],
        skipped=counts["skipped"],
        errors=counts["error"],
        checks=map(_check_message, test.result.checks) if whole else (),
        created_by=test.created_by,
    )
    message.created_at.FromDatetime(test.created_at)
    return message


def _check_message(check: CheckResult) -> suites_pb2.CheckResult:
    return suites_pb2.CheckResult(
        check_id=check.check_id,
        rule=check.rule,
        status=_STATUS[check.status],
        message=check.message,
        findings=map(_finding_message, check.findings),
        finding_count=check.finding_count,
        answers=map(_place_message, check.answers),
        judged_by=check.judged_by,
        why=check.why,
    )


def _finding_message(finding: Finding) -> suites_pb2.CheckFinding:
    return suites_pb2.CheckFinding(
        code=finding.code, message=finding.message, places=map(_place_message, finding.places)
    )


def _place_message(place: Place) -> suites_pb2.DocumentPlace:
    return suites_pb2.DocumentPlace(
        pointer=place.pointer,
        node_id=place.node_id,
        block_id=place.block_id,
        part_id=place.part_id,
        section=place.section,
        text=place.text,
        evidence_ids=place.evidence_ids,
    )


def publish_of(request: publications_pb2.PublishArtifactRequest) -> publishing.Wanted:
    """What a PublishArtifactRequest asks."""
    return publishing.Wanted(
        artifact_id=request.artifact_id,
        revision_id=request.revision_id,
        suites=tuple(request.suites),
        refuse_stale=request.refuse_stale,
        note=request.note,
    )


def publication_message(publication: Publication) -> publications_pb2.Publication:
    """A publication on the wire."""
    state = publications_pb2.PUBLICATION_STATE_PUBLISHED
    if not publication.stands:
        state = publications_pb2.PUBLICATION_STATE_WITHDRAWN
    message = publications_pb2.Publication(
        publication_id=publication.publication_id,
        artifact_id=publication.artifact_id,
        revision_id=publication.revision_id,
        state=state,
        published_by=publication.published_by,
        policy=publication.policy,
        policy_sha256=publication.policy_sha256,
        tests=[document_test_message(test, whole=False) for test in publication.tests],
        note=publication.note,
        withdrawn_by=publication.withdrawn_by,
        withdrawn_reason=publication.withdrawn_reason,
    )
    message.published_at.FromDatetime(publication.published_at)
    if publication.withdrawn_at is not None:
        message.withdrawn_at.FromDatetime(publication.withdrawn_at)
    return message
