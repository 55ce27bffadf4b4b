"""Kept reports in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.evaluation.citations import CitationReport
from lace_core.evaluation.reports import PairReport
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.labels import may_be_seen
from lace_runs.domain.evaluations import Evaluation

INSERT = """
INSERT INTO runs.evaluations (tenant_id, evaluation_id, title, set_name, artifact_id, revision_id, scorer, pair_report,
  citation_report, labels, created_by, created_at)
VALUES (:tenant_id, :evaluation_id, :title, :set_name, :artifact_id, :revision_id, :scorer,
  CAST(:pair_report AS jsonb), CAST(:citation_report AS jsonb), CAST(:labels AS text[]), :created_by, :created_at)
ON CONFLICT DO NOTHING
"""

# Reports whose own labels are held, and those of the document as it is now.
_VISIBLE = f"""
SELECT e.* FROM runs.evaluations e LEFT JOIN runs.artifacts a USING (tenant_id, artifact_id)
WHERE e.tenant_id = :tenant_id AND e.labels <@ CAST(:held AS text[]) AND {may_be_seen("a", "a.head_revision_id")}
"""

GET = f"{_VISIBLE} AND e.evaluation_id = :evaluation_id"

PAGE = f"""{_VISIBLE}
  AND (:artifact_id = '' OR e.artifact_id = :artifact_id)
  AND (CAST(:at AS timestamptz) IS NULL OR
       (e.created_at, e.evaluation_id) < (CAST(:at AS timestamptz), CAST(:before_id AS text)))
ORDER BY e.created_at DESC, e.evaluation_id DESC LIMIT :limit
"""


class PostgresEvaluations:
    """Kept reports within one transaction; see app.evaluations.ports.EvaluationRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, evaluation: Evaluation) -> None:
        """Keep a report."""
        report, is_pairs = evaluation.report, isinstance(evaluation.report, PairReport)
        written = msgspec.json.encode(report).decode()
        names = (
            "evaluation_id",
            "title",
            "set_name",
            "artifact_id",
            "revision_id",
            "scorer",
            "created_by",
            "created_at",
        )
        await self._tx.execute(
            INSERT,
            {
                **{name: getattr(evaluation, name) for name in names},
                "tenant_id": tenant_id,
                "labels": list(evaluation.labels),
                "pair_report": written if is_pairs else None,
                "citation_report": None if is_pairs else written,
            },
        )

    async def get(self, tenant_id: str, evaluation_id: str, labels: frozenset[str]) -> Evaluation:
        """A report; raises LaceError EVALUATION_NOT_FOUND."""
        key = {"tenant_id": tenant_id, "evaluation_id": evaluation_id, "held": sorted(labels)}
        row = await self._tx.fetch_one(GET, key)
        if row is None:
            raise LaceError(Reason.EVALUATION_NOT_FOUND, f"No evaluation {evaluation_id}.")
        return _evaluation_of(row._asdict())

    async def page(
        self, tenant_id: str, artifact_id: str, labels: frozenset[str], before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Evaluation]:
        """Reports newest first."""
        at, before_id = before or (None, "")
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "held": sorted(labels)}
        rows = await self._tx.fetch_all(PAGE, {**key, "at": at, "before_id": before_id, "limit": limit})
        return [_evaluation_of(row._asdict()) for row in rows]


def _evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    pairs, citations = row["pair_report"], row["citation_report"]
    report = msgspec.convert(citations, CitationReport) if pairs is None else msgspec.convert(pairs, PairReport)
    kept = {name: value for name, value in row.items() if name not in {"pair_report", "citation_report", "labels"}}
    return Evaluation(**kept, report=report, labels=tuple(row["labels"]))
