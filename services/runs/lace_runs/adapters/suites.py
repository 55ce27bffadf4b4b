"""Suites and tests of documents in Postgres: what is kept is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.suites.results import SuiteResult
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.labels import may_be_seen
from lace_runs.domain.suites import DocumentTest, SuiteVersion, WantedTests

# Of two who keep a suite at once the second sees what the first has made.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('suite/' || :tenant_id || '/' || :name, 0))"

INSERT = """
INSERT INTO runs.suites (tenant_id, name, version, sha256, text, description, check_count, created_by, created_at)
VALUES (:tenant_id, :name, :version, :sha256, :text, :description, :check_count, :created_by, :created_at)
"""

_VERSIONS = """(SELECT array_agg(v.version ORDER BY v.version) FROM runs.suites v
  WHERE v.tenant_id = s.tenant_id AND v.name = s.name) AS versions"""

FIND = f"""
SELECT s.*, {_VERSIONS} FROM runs.suites s
WHERE s.tenant_id = :tenant_id AND s.name = :name AND (:version = 0 OR s.version = :version)
ORDER BY s.version DESC LIMIT 1
"""

PAGE = f"""
SELECT DISTINCT ON (s.name COLLATE "C") s.tenant_id, s.name, s.version, s.sha256, '' AS text, s.description,
  s.check_count, s.created_by, s.created_at, {_VERSIONS}
FROM runs.suites s
WHERE s.tenant_id = :tenant_id AND s.name COLLATE "C" > :after
ORDER BY s.name COLLATE "C", s.version DESC LIMIT :limit
"""

INSERT_TEST = """
INSERT INTO runs.document_tests (tenant_id, test_id, artifact_id, revision_id, suite, suite_version, suite_sha256,
  status, passed, failed, skipped, errors, result, created_by, created_at)
VALUES (:tenant_id, :test_id, :artifact_id, :revision_id, :suite, :suite_version, :suite_sha256, :status, :passed,
  :failed, :skipped, :error, CAST(:result AS jsonb), :created_by, :created_at)
ON CONFLICT DO NOTHING
"""

TEST = """
SELECT * FROM runs.document_tests
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND test_id = :test_id
"""

TESTS = f"""
SELECT t.* FROM runs.document_tests t
WHERE t.tenant_id = :tenant_id AND t.artifact_id = :artifact_id
  AND (:revision_id = '' OR t.revision_id = :revision_id) AND (:suite = '' OR t.suite = :suite)
  AND {may_be_seen("t", "t.revision_id")}
  AND (CAST(:at AS timestamptz) IS NULL OR (t.created_at, t.test_id) < (CAST(:at AS timestamptz), CAST(:id AS text)))
ORDER BY t.created_at DESC, t.test_id DESC LIMIT :limit
"""


class PostgresSuites:
    """Suites and tests within one transaction; see app.suites.ports.SuiteRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, tenant_id: str, name: str) -> None:
        """Until the transaction ends nobody else keeps a version of this suite."""
        await self._tx.execute(LOCK, {"tenant_id": tenant_id, "name": name})

    async def add(self, tenant_id: str, suite: SuiteVersion) -> None:
        """Keep a version."""
        names = ("name", "version", "sha256", "text", "description", "check_count", "created_by", "created_at")
        await self._tx.execute(INSERT, {"tenant_id": tenant_id, **{name: getattr(suite, name) for name in names}})

    async def find(self, tenant_id: str, name: str, version: int = 0) -> SuiteVersion | None:
        """A version, the newest where 0; None where there is none."""
        row = await self._tx.fetch_one(FIND, {"tenant_id": tenant_id, "name": name, "version": version})
        return _suite_of(row) if row is not None else None

    async def page(self, tenant_id: str, after: str, limit: int) -> Sequence[SuiteVersion]:
        """The newest version of each suite by name, behind that name, without texts."""
        rows = await self._tx.fetch_all(PAGE, {"tenant_id": tenant_id, "after": after, "limit": limit})
        return [_suite_of(row) for row in rows]

    async def keep_test(self, tenant_id: str, test: DocumentTest) -> None:
        """Keep a test; one that is there already stays as it is."""
        result = test.result
        await self._tx.execute(
            INSERT_TEST,
            {
                "tenant_id": tenant_id,
                "test_id": test.test_id,
                "artifact_id": test.artifact_id,
                "revision_id": test.revision_id,
                "suite": result.suite,
                "suite_version": test.suite_version,
                "suite_sha256": result.sha256,
                "status": result.status,
                **result.counts,
                # Postgres keeps no NUL in JSON; no text of a document or suite has one that matters.
                "result": msgspec.json.encode(result).decode().replace("\\u0000", "\\ufffd"),
                "created_by": test.created_by,
                "created_at": test.created_at,
            },
        )

    async def test(self, tenant_id: str, artifact_id: str, test_id: str) -> DocumentTest:
        """A test with its checks; raises LaceError TEST_NOT_FOUND."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "test_id": test_id}
        row = await self._tx.fetch_one(TEST, key)
        if row is None:
            raise LaceError(Reason.TEST_NOT_FOUND, f"{artifact_id} has no test {test_id}.")
        return document_test_of(row)

    async def tests(
        self, tenant_id: str, wanted: WantedTests, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[DocumentTest]:
        """Tests newest first, behind the cursor (created_at, id): none of a revision that cites other labels."""
        rows = await self._tx.fetch_all(
            TESTS,
            {
                "tenant_id": tenant_id,
                "artifact_id": wanted.artifact_id,
                "revision_id": wanted.revision_id,
                "suite": wanted.suite,
                "held": sorted(wanted.labels),
                "at": before[0] if before else None,
                "id": before[1] if before else "",
                "limit": limit,
            },
        )
        return [document_test_of(row) for row in rows]


def _suite_of(row: Any) -> SuiteVersion:
    return SuiteVersion(**{**row._asdict(), "versions": tuple(row.versions)})


def document_test_of(row: Any) -> DocumentTest:
    """A test out of its row."""
    return DocumentTest(
        tenant_id=row.tenant_id,
        test_id=row.test_id,
        artifact_id=row.artifact_id,
        revision_id=row.revision_id,
        suite_version=row.suite_version,
        result=msgspec.convert(row.result, SuiteResult),
        created_by=row.created_by,
        created_at=row.created_at,
    )
