"""Publications of documents as they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_runs.domain.suites import DocumentTest


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A revision that is, or was, out; `tests` are those that it passed for it."""

    tenant_id: str
    publication_id: str
    artifact_id: str
    revision_id: str
    published_by: str
    published_at: datetime
    policy: str = ""
    policy_sha256: str = ""
    tests: tuple[DocumentTest, ...] = ()
    note: str = ""
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = None
    withdrawn_reason: str = ""

    @property
    def stands(self) -> bool:
        """Whether it was not withdrawn."""
        return self.withdrawn_at is None


@dataclass(frozen=True)
class ShutGate:
    """A reason why a revision may not go out: the gate, and what to do about it."""

    gate: str
    message: str
