"""What the use cases of paragraphs need of the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lace_core.paragraphs.facts import StatedFact
from lace_runs.domain.paragraphs.records import Paragraph, Text


@dataclass(frozen=True)
class ParagraphFilter:
    """Which paragraphs are asked for: those whose labels are all held; state and artifact where they are named."""

    labels: frozenset[str]
    state: str = ""
    artifact_id: str = ""


class ParagraphRepository(Protocol):
    """Paragraphs and their texts, within one transaction and tenant."""

    async def insert(self, tenant_id: str, paragraph: Paragraph) -> None:
        """Add a paragraph; one that exists is left as it is."""

    async def get(self, tenant_id: str, paragraph_id: str) -> Paragraph:
        """A paragraph; raises LaceError PARAGRAPH_NOT_FOUND."""

    async def lock(self, tenant_id: str, paragraph_id: str) -> Paragraph:
        """The same; until the transaction ends nobody else changes it."""

    async def list(
        self, tenant_id: str, wanted: ParagraphFilter, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Paragraph]:
        """Those that are not deleted, newest first, behind (created_at, paragraph_id)."""

    async def save(self, tenant_id: str, paragraph: Paragraph) -> Paragraph:
        """Keep a locked paragraph as it is now, under its next version; gives it back with that."""

    async def add_text(self, tenant_id: str, paragraph_id: str, text: Text) -> None:
        """Keep a text with its sentences and their facts."""

    async def text(self, tenant_id: str, paragraph_id: str, text_version: int) -> Text | None:
        """A text; None where there is none of that number."""

    async def hold(self, tenant_id: str, run_id: str, epoch: int) -> None:
        """Until the transaction ends the run is its worker's; raises LaceError RUN_FENCED."""


class FactReader(Protocol):
    """Facts as ingest keeps them, as far as the caller of the call under way may see them."""

    async def stated(self, fact_ids: Sequence[str]) -> Mapping[str, StatedFact]:
        """These facts by id, retired ones too; those that are not there or may not be seen are left out."""
