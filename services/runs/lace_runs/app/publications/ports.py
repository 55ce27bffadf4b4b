"""What the use cases of publications need of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lace_runs.domain.publications import Publication


class PublicationRepository(Protocol):
    """Publications, within one transaction and tenant."""

    async def lock(self, tenant_id: str, artifact_id: str) -> None:
        """Until the transaction ends nobody else publishes or withdraws anything of this artifact."""

    async def add(self, tenant_id: str, publication: Publication) -> None:
        """Keep a publication."""

    async def standing(self, tenant_id: str, artifact_id: str, revision_id: str = "") -> Publication | None:
        """The newest publication that stands, of that revision where one is named; None where there is none."""

    async def get(self, tenant_id: str, artifact_id: str, publication_id: str) -> Publication:
        """A publication; raises LaceError PUBLICATION_NOT_FOUND."""

    async def page(
        self, tenant_id: str, artifact_id: str, labels: frozenset[str], before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Publication]:
        """Publications newest first, behind the cursor (published_at, id): of revisions that cite no other labels."""

    async def withdraw(self, tenant_id: str, publication: Publication) -> None:
        """Keep by whom, when and why it was withdrawn."""

    async def open_reviews(self, tenant_id: str, artifact_id: str) -> int:
        """How many sentences of the document wait for a person to decide."""

    async def supported(self, tenant_id: str, artifact_id: str, revision_id: str) -> tuple[int, int]:
        """How many pieces of a revision are verified, and how many there are in it."""
