"""SuiteService: decode, one use case, encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lace.runs.v1 import suites_pb2 as wire
from lace.runs.v1 import suites_pb2_grpc as grpc_wire
from lace_core.suites.junit import junit_xml
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_runs.api import convert_suites as convert
from lace_runs.api.edge import answered, caller, once
from lace_runs.app.artifacts import require_visible
from lace_runs.app.ports import UnitOfWork
from lace_runs.app.suites import keeping, reading, testing

_CREATE = "/lace.runs.v1.SuiteService/CreateSuite"
_TEST = "/lace.runs.v1.SuiteService/TestArtifact"


@dataclass(frozen=True)
class SuiteTools:
    """What the servicers of suites and publications need of the outside."""

    testers: testing.Testers
    pages: PageTokens


class SuiteServicer(grpc_wire.SuiteServiceServicer):
    """Suites, and documents held to them."""

    def __init__(self, tools: SuiteTools) -> None:
        self._tools = tools
        self._open = tools.testers.open

    async def CreateSuite(self, request: wire.CreateSuiteRequest, context: Any) -> wire.Suite:
        """Keeps a suite."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Suite:
            return convert.suite_message(await keeping.keep(work, who, request.text, utc_now()))

        return await once(self._open, _CREATE, request, wire.Suite, effect)

    async def ListSuites(self, request: wire.ListSuitesRequest, context: Any) -> wire.ListSuitesResponse:
        """Suites by name."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id}
        page = self._tools.pages.page("suites", scope, request)
        async with self._open(tenant_id) as work:
            found = await work.suites.page(tenant_id, page.name, page.limit)
        shown, token = page.cut(found, lambda suite: (suite.name,))
        return wire.ListSuitesResponse(suites=map(convert.suite_message, shown), next_page_token=token)

    async def GetSuite(self, request: wire.GetSuiteRequest, context: Any) -> wire.Suite:
        """A suite with its text."""
        tenant_id = caller().tenant_id
        async with self._open(tenant_id) as work:
            return convert.suite_message(await keeping.show(work, tenant_id, request.name, request.version))

    async def TestArtifact(self, request: wire.TestArtifactRequest, context: Any) -> wire.DocumentTest:
        """Tests a document; what takes long is done before the transaction that keeps it."""
        who = caller()
        if (kept := await answered(self._open, _TEST, request, wire.DocumentTest)) is not None:
            return kept
        found = await testing.try_suite(self._tools.testers, who, convert.wanted_of(request), utc_now())

        async def effect(work: UnitOfWork) -> wire.DocumentTest:
            await work.suites.keep_test(who.tenant_id, found)
            return convert.document_test_message(found, whole=True)

        return await once(self._open, _TEST, request, wire.DocumentTest, effect)

    async def ListDocumentTests(
        self, request: wire.ListDocumentTestsRequest, context: Any
    ) -> wire.ListDocumentTestsResponse:
        """Tests of a document, newest first."""
        who = caller()
        wanted = convert.wanted_tests_of(request, who.labels)
        named = [wanted.artifact_id, wanted.revision_id, wanted.suite]
        scope = {"tenant_id": who.tenant_id, "wanted": named}
        page = self._tools.pages.page("tests", scope, request)
        async with self._open(who.tenant_id) as work:
            await require_visible(work, who, wanted.artifact_id)
            found = await work.suites.tests(who.tenant_id, wanted, page.moment, page.limit)
        shown, token = page.cut(found, lambda test: (test.created_at, test.test_id))
        tests = [convert.document_test_message(test, whole=False) for test in shown]
        return wire.ListDocumentTestsResponse(tests=tests, next_page_token=token)

    async def GetDocumentTest(self, request: wire.GetDocumentTestRequest, context: Any) -> wire.DocumentTest:
        """A test with its checks."""
        found = await reading.show(self._open, caller(), request.artifact_id, request.test_id)
        return convert.document_test_message(found, whole=True)

    async def GetTestReport(self, request: wire.GetTestReportRequest, context: Any) -> wire.GetTestReportResponse:
        """A test as JUnit XML."""
        found = await reading.show(self._open, caller(), request.artifact_id, request.test_id)
        tested_at = found.created_at.strftime("%Y-%m-%dT%H:%M:%S")
        return wire.GetTestReportResponse(content=junit_xml(found.result, found.revision_id, tested_at, found.test_id))
