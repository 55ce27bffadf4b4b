"""Publications in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.verification.standing import VERIFIED
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.labels import may_be_seen
from lace_runs.adapters.suites import document_test_of
from lace_runs.domain.publications import Publication

# Of two who publish at once the second finds what the first has made.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('publication/' || :tenant_id || '/' || :artifact_id, 0))"

INSERT = """
INSERT INTO runs.publications (tenant_id, publication_id, artifact_id, revision_id, published_by, published_at, policy,
  policy_sha256, test_ids, note)
VALUES (:tenant_id, :publication_id, :artifact_id, :revision_id, :published_by, :published_at, :policy, :policy_sha256,
  CAST(:test_ids AS text[]), :note)
"""

STANDING = """
SELECT * FROM runs.publications
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND withdrawn_at IS NULL
  AND (:revision_id = '' OR revision_id = :revision_id)
ORDER BY published_at DESC, publication_id DESC LIMIT 1
"""

GET = """
SELECT * FROM runs.publications
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND publication_id = :publication_id
"""

PAGE = f"""
SELECT p.* FROM runs.publications p
WHERE p.tenant_id = :tenant_id AND p.artifact_id = :artifact_id
  AND {may_be_seen("p", "p.revision_id")}
  AND (CAST(:at AS timestamptz) IS NULL
       OR (p.published_at, p.publication_id) < (CAST(:at AS timestamptz), CAST(:id AS text)))
ORDER BY p.published_at DESC, p.publication_id DESC LIMIT :limit
"""

WITHDRAW = """
UPDATE runs.publications SET withdrawn_by = :withdrawn_by, withdrawn_at = :withdrawn_at, withdrawn_reason = :reason
WHERE tenant_id = :tenant_id AND publication_id = :publication_id AND withdrawn_at IS NULL
"""

TESTS = "SELECT * FROM runs.document_tests WHERE tenant_id = :tenant_id AND test_id = ANY(CAST(:test_ids AS text[]))"

OPEN_REVIEWS = """
SELECT count(*) AS found FROM runs.review_items
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND state = 'open'
"""

# Verdicts from before the right of each was kept say by their verdict whether they are verified.
SUPPORTED = """
SELECT count(*) FILTER (WHERE standing = :verified OR (standing = '' AND verdict = 'supported')) AS verified,
  count(*) AS total
FROM runs.verdicts
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id AND in_document
"""


class PostgresPublications:
    """Publications within one transaction; see app.publications.ports.PublicationRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, tenant_id: str, artifact_id: str) -> None:
        """Until the transaction ends nobody else publishes or withdraws anything of this artifact."""
        await self._tx.execute(LOCK, {"tenant_id": tenant_id, "artifact_id": artifact_id})

    async def add(self, tenant_id: str, publication: Publication) -> None:
        """Keep a publication."""
        names = ("publication_id", "artifact_id", "revision_id", "published_by", "published_at", "policy")
        values = {name: getattr(publication, name) for name in (*names, "policy_sha256", "note")}
        test_ids = [test.test_id for test in publication.tests]
        await self._tx.execute(INSERT, {"tenant_id": tenant_id, **values, "test_ids": test_ids})

    async def standing(self, tenant_id: str, artifact_id: str, revision_id: str = "") -> Publication | None:
        """The newest publication that stands, of that revision where one is named; None where there is none."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
        row = await self._tx.fetch_one(STANDING, key)
        return (await self._with_tests(tenant_id, [row]))[0] if row is not None else None

    async def get(self, tenant_id: str, artifact_id: str, publication_id: str) -> Publication:
        """A publication; raises LaceError PUBLICATION_NOT_FOUND."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "publication_id": publication_id}
        row = await self._tx.fetch_one(GET, key)
        if row is None:
            raise LaceError(Reason.PUBLICATION_NOT_FOUND, f"{artifact_id} has no publication {publication_id}.")
        return (await self._with_tests(tenant_id, [row]))[0]

    async def page(
        self, tenant_id: str, artifact_id: str, labels: frozenset[str], before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Publication]:
        """Publications newest first, behind the cursor (published_at, id): of revisions that cite no other labels."""
        rows = await self._tx.fetch_all(
            PAGE,
            {
                "tenant_id": tenant_id,
                "artifact_id": artifact_id,
                "held": sorted(labels),
                "at": before[0] if before else None,
                "id": before[1] if before else "",
                "limit": limit,
            },
        )
        return await self._with_tests(tenant_id, rows)

    async def withdraw(self, tenant_id: str, publication: Publication) -> None:
        """Keep by whom, when and why it was withdrawn."""
        await self._tx.execute(
            WITHDRAW,
            {
                "tenant_id": tenant_id,
                "publication_id": publication.publication_id,
                "withdrawn_by": publication.withdrawn_by,
                "withdrawn_at": publication.withdrawn_at,
                "reason": publication.withdrawn_reason,
            },
        )

    async def open_reviews(self, tenant_id: str, artifact_id: str) -> int:
        """How many sentences of the document wait for a person to decide."""
        row = await self._tx.fetch_one(OPEN_REVIEWS, {"tenant_id": tenant_id, "artifact_id": artifact_id})
        return int(row.found) if row is not None else 0

    async def supported(self, tenant_id: str, artifact_id: str, revision_id: str) -> tuple[int, int]:
        """How many pieces of a revision are verified, and how many there are in it."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id, "verified": VERIFIED}
        row = await self._tx.fetch_one(SUPPORTED, key)
        return (int(row.verified), int(row.total)) if row is not None else (0, 0)

    async def _with_tests(self, tenant_id: str, rows: Sequence[Any]) -> list[Publication]:
        wanted = sorted({test_id for row in rows for test_id in row.test_ids})
        found = await self._tx.fetch_all(TESTS, {"tenant_id": tenant_id, "test_ids": wanted}) if wanted else []
        tests = {row.test_id: document_test_of(row) for row in found}
        return [
            Publication(
                **{name: value for name, value in row._asdict().items() if name != "test_ids"},
                tests=tuple(tests[test_id] for test_id in row.test_ids if test_id in tests),
            )
            for row in rows
        ]
