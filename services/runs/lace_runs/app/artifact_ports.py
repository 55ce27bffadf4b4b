"""What documents and their revisions are kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from lace_core.apply import Change
from lace_core.ir import Artifact
from lace_core.migrations.stored import Stored
from lace_runs.domain.artifacts import ArtifactRecord, Revision, Staging, WantedArtifacts
from lace_runs.domain.verdicts import WantedVerdicts


class ArtifactRepository(Protocol):
    """Artifacts and revisions, within one transaction and tenant."""

    async def insert(self, tenant_id: str, record: ArtifactRecord) -> None:
        """Add an artifact; one that exists is left as it is."""

    async def get(self, tenant_id: str, artifact_id: str) -> ArtifactRecord:
        """An artifact; raises LaceError ARTIFACT_NOT_FOUND."""

    async def list(
        self,
        tenant_id: str,
        labels: frozenset[str],
        before: tuple[datetime, str] | None,
        limit: int,
        wanted: WantedArtifacts = WantedArtifacts(),
    ) -> Sequence[ArtifactRecord]:
        """Artifacts whose heads cite no source with other labels, newest first, after (created_at, artifact_id)."""

    async def labels(self, tenant_id: str, artifact_id: str, revision_id: str) -> frozenset[str]:
        """The labels of the sources that a revision cites; of the head's where the id is empty.

        Raises LaceError ARTIFACT_NOT_FOUND.
        """

    async def revision(self, tenant_id: str, artifact_id: str, revision_id: str) -> Revision:
        """A revision; raises LaceError REVISION_NOT_FOUND."""

    async def revisions(
        self, tenant_id: str, artifact_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Revision]:
        """Revisions, newest first."""

    async def document(self, tenant_id: str, artifact_id: str, revision_id: str) -> Artifact:
        """The document as a revision has it; an empty revision id gives the empty document."""

    async def stored(self, tenant_id: str, artifact_id: str, revision_id: str) -> Stored:
        """The same with the bytes and hashes that it is stored with, whatever its schema version."""

    async def known_actions(
        self, tenant_id: str, artifact_id: str, head_revision_id: str, keys: Sequence[str]
    ) -> Mapping[str, str]:
        """Digests by key of those of these actions that made the head or a revision before it."""

    async def stage(self, tenant_id: str, staging: Staging) -> None:
        """Keep a staged revision; one that is there already stays as it is.

        Raises LaceError UNVERIFIED_CONTENT where a piece of its text has no right to stand (see lace_core's
        verification.standing).
        """

    async def stage_again(
        self, tenant_id: str, revision: Revision, like_revision_id: str, changes: Sequence[Change]
    ) -> None:
        """Keep a staged revision with another's content and verdicts; one that is there already stays as it is."""

    async def mark_validated(self, tenant_id: str, artifact_id: str, revision_id: str) -> None:
        """Move a staged revision on."""

    async def commit(
        self, tenant_id: str, artifact_id: str, revision_id: str, title: str, run_id: str = "", epoch: int = 0
    ) -> None:
        """Commit a validated revision and move the head to it; doing it again changes nothing.

        A run's revision is committed under that run and epoch only, and they hold until the transaction's end.
        Raises LaceError RUN_FENCED, REVISION_CONFLICT when the head is not the revision's parent.
        """

    async def verdicts(
        self, tenant_id: str, wanted: WantedVerdicts, after: int, limit: int
    ) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Verdicts of a committed revision, those of kept-out sentences first."""

    async def lock(self, tenant_id: str, artifact_id: str, owner: str, ttl_s: int) -> None:
        """Take the right to write for one change; raises LaceError ARTIFACT_LOCKED while another owner's is good."""

    async def unlock(self, tenant_id: str, artifact_id: str, owner: str, epoch: int = 0) -> None:
        """Give the right back; a later holder's stays."""

    async def hold(self, tenant_id: str, artifact_id: str, run_id: str, epoch: int) -> None:
        """Take the right to write for a run, or keep it; raises LaceError RUN_FENCED or ARTIFACT_LOCKED.

        It is renewed while the run's worker holds the run; the run's next holder takes it at once.
        """
