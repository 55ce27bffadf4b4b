"""What reviewing needs of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lace_runs.domain.reviews import ReviewEvent, ReviewItem, Wanted


class ReviewRepository(Protocol):
    """Review items, within one transaction and tenant."""

    async def add(self, tenant_id: str, items: Sequence[ReviewItem]) -> None:
        """Keep items with the first event of each; those that are there already stay as they are."""

    async def get(self, tenant_id: str, review_item_id: str) -> ReviewItem:
        """An item; raises LaceError REVIEW_ITEM_NOT_FOUND."""

    async def hold(self, tenant_id: str, review_item_id: str) -> ReviewItem:
        """An item that nobody else decides about until the transaction ends; raises REVIEW_ITEM_NOT_FOUND."""

    async def page(
        self, tenant_id: str, wanted: Wanted, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[ReviewItem]:
        """Items newest first, behind the cursor (created_at, id): none whose document or evidence has other labels."""

    async def history(self, tenant_id: str, review_item_id: str) -> Sequence[ReviewEvent]:
        """All that was done about an item, oldest first."""

    async def save(self, tenant_id: str, item: ReviewItem, event: ReviewEvent) -> None:
        """Keep what was decided about an item that is held."""

    async def supersede(
        self, tenant_id: str, artifact_id: str, run_id: str, node_ids: Sequence[str], actor: str, at: datetime
    ) -> int:
        """Settle the open items that other runs made for these sections; how many there were."""

    async def supersede_paragraph(
        self, tenant_id: str, paragraph_id: str, kept: Sequence[str], actor: str, at: datetime
    ) -> int:
        """Settle the open items of a paragraph but for those named; how many there were."""

    async def count_waiting(self, tenant_id: str, review_item_ids: Sequence[str]) -> int:
        """How many of these items wait."""

    async def count_open(self, tenant_id: str, run_id: str) -> int:
        """How many items of a run wait."""
