"""Suites and tests of documents as they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.suites.results import SuiteResult


@dataclass(frozen=True, kw_only=True)
class SuiteVersion:
    """A version of a suite; `versions` are the numbers of all that there are. In lists the text is empty."""

    tenant_id: str
    name: str
    version: int
    sha256: str
    text: str
    description: str
    check_count: int
    created_by: str
    created_at: datetime
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DocumentTest:
    """One suite on one revision of a document; `suite_version` is 0 for a text that is not kept."""

    tenant_id: str
    test_id: str
    artifact_id: str
    revision_id: str
    suite_version: int
    result: SuiteResult
    created_by: str
    created_at: datetime

    @property
    def is_passed(self) -> bool:
        """Whether nothing failed and something was checked."""
        return self.result.status == "passed"


@dataclass(frozen=True)
class WantedTests:
    """Whose tests are asked for, for who holds these labels; empty fields ask for all."""

    artifact_id: str
    labels: frozenset[str]
    revision_id: str = ""
    suite: str = ""
