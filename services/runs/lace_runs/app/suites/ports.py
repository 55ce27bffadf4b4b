"""What the use cases of suites need of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lace_core.ir import Artifact
from lace_core.suites.facts import Facts, SourceStanding
from lace_core.suites.results import SuiteResult
from lace_core.suites.suite import ReadSuite
from lace_runs.domain.suites import DocumentTest, SuiteVersion, WantedTests


class SuiteRepository(Protocol):
    """Suites and tests, within one transaction and tenant."""

    async def lock(self, tenant_id: str, name: str) -> None:
        """Until the transaction ends nobody else keeps a version of this suite."""

    async def add(self, tenant_id: str, suite: SuiteVersion) -> None:
        """Keep a version."""

    async def find(self, tenant_id: str, name: str, version: int = 0) -> SuiteVersion | None:
        """A version with its text, the newest where 0; None where there is none."""

    async def page(self, tenant_id: str, after: str, limit: int) -> Sequence[SuiteVersion]:
        """The newest version of each suite by name, behind that name, without texts."""

    async def keep_test(self, tenant_id: str, test: DocumentTest) -> None:
        """Keep a test; one that is there already stays as it is."""

    async def test(self, tenant_id: str, artifact_id: str, test_id: str) -> DocumentTest:
        """A test with its checks; raises LaceError TEST_NOT_FOUND."""

    async def tests(
        self, tenant_id: str, wanted: WantedTests, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[DocumentTest]:
        """Tests newest first, behind the cursor (created_at, id): none of a revision that cites other labels."""


class Standings(Protocol):
    """How cited sources stand, as ingest knows it for the caller."""

    async def of(self, source_ids: Iterable[str]) -> Mapping[str, SourceStanding]:
        """By source id; one that the caller cannot read any more is gone."""


class SuiteRunner(Protocol):
    """Runs suites within limits of time and memory, a bounded number at a time."""

    async def run(self, suite: ReadSuite, artifact: Artifact, facts: Facts) -> SuiteResult:
        """What comes of a suite; raises LaceError SUITE_LIMIT_EXCEEDED."""
