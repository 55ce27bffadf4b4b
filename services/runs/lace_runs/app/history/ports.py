"""What the history of documents needs of the outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lace_runs.domain.artifacts import Revision
from lace_runs.domain.history.blame import Version
from lace_runs.domain.history.lineage import Lineage
from lace_runs.domain.history.refs import Branch, Tag


@dataclass(frozen=True)
class Entry:
    """A revision with the run behind it, why it was made, and how much it changed ("block.added": 3)."""

    revision: Revision
    pipeline_id: str
    reason: str
    counts: Mapping[str, int] = field(default_factory=dict)


class HistoryRepository(Protocol):
    """Histories of documents, within one transaction and tenant."""

    async def lock_names(self, tenant_id: str, artifact_id: str) -> None:
        """Until the transaction ends nobody else names anything of this document; raises ARTIFACT_NOT_FOUND."""

    async def branches(self, tenant_id: str, artifact_id: str, after: str, limit: int) -> Sequence[Branch]:
        """Branches by name, those behind a name; main is none of them."""

    async def branch(self, tenant_id: str, artifact_id: str, name: str) -> Branch | None:
        """A branch; None where there is none."""

    async def hold_branch(self, tenant_id: str, artifact_id: str, name: str) -> Branch | None:
        """The same; until the transaction ends nobody else moves or deletes it."""

    async def add_branch(self, tenant_id: str, branch: Branch) -> None:
        """Keep a branch whose name is free."""

    async def delete_branch(self, tenant_id: str, artifact_id: str, name: str) -> None:
        """Take a branch away."""

    async def commit(self, tenant_id: str, artifact_id: str, name: str, revision_id: str) -> None:
        """Commit a validated revision and move the branch to it.

        Raises LaceError REVISION_CONFLICT when the head is not the revision's parent.
        """

    async def tags(self, tenant_id: str, artifact_id: str, after: str, limit: int) -> Sequence[Tag]:
        """Tags by name, those behind a name."""

    async def tag(self, tenant_id: str, artifact_id: str, name: str) -> Tag | None:
        """A tag; None where there is none."""

    async def add_tag(self, tenant_id: str, tag: Tag) -> None:
        """Keep a tag whose name is free."""

    async def delete_tag(self, tenant_id: str, artifact_id: str, name: str) -> None:
        """Take a tag away."""

    async def names(self, tenant_id: str, artifact_id: str, revision_ids: Collection[str]) -> Mapping[str, Any]:
        """Of each of these revisions the branches whose heads it is and its tags: (names, names), sorted."""

    async def lineage(self, tenant_id: str, artifact_id: str) -> Lineage:
        """All committed revisions."""

    async def entries(self, tenant_id: str, artifact_id: str, revision_ids: Collection[str]) -> Mapping[str, Entry]:
        """What is told of these revisions."""

    async def changed(self, tenant_id: str, artifact_id: str, subject_ids: Collection[str]) -> set[str]:
        """The revisions that changed one of these nodes and blocks."""

    async def versions(
        self, tenant_id: str, artifact_id: str, block_ids: Collection[str]
    ) -> Mapping[str, Sequence[Version]]:
        """Every version of these blocks in committed revisions."""

    async def verdicts(
        self, tenant_id: str, artifact_id: str, revision_id: str, sentence_ids: Collection[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """What was found of these sentences in a revision, by their ids."""
