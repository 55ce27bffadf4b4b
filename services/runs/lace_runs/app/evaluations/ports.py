"""What evaluating needs of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lace_core.evaluation.citations import CitationReport
from lace_core.evaluation.pairs import Pair
from lace_core.evaluation.reports import Scored
from lace_core.ir import Artifact
from lace_runs.domain.evaluations import Evaluation


class Scorer(Protocol):
    """The built-in verifier, off the event loop; both raise LaceError EVALUATION_LIMIT_EXCEEDED."""

    async def score(self, pairs: Sequence[Pair]) -> Sequence[Scored]:
        """A verdict on each pair, in order."""

    async def measure(self, document: Artifact) -> CitationReport:
        """How well a document's citations carry it."""


class EvaluationRepository(Protocol):
    """Kept reports, within one transaction and tenant; those about labels that are not held are not there."""

    async def add(self, tenant_id: str, evaluation: Evaluation) -> None:
        """Keep a report; one that is there already stays as it is."""

    async def get(self, tenant_id: str, evaluation_id: str, labels: frozenset[str]) -> Evaluation:
        """A report; raises LaceError EVALUATION_NOT_FOUND."""

    async def page(
        self, tenant_id: str, artifact_id: str, labels: frozenset[str], before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Evaluation]:
        """Reports newest first, behind the cursor (created_at, id); of one document where its id is given."""
