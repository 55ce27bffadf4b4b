"""What a tenant may use at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime


@dataclass(frozen=True)
class Limits:
    """Runs worked on at once, runs that wait, runs started within any 60 seconds; 0 is no limit."""

    max_concurrent_runs: int = 0
    max_queued_runs: int = 0
    runs_per_minute: int = 0

    def as_details(self) -> dict[str, int]:
        """For the audit log."""
        return asdict(self)


@dataclass(frozen=True)
class Quotas:
    """The limits of a tenant; version 0, without an author, while none were ever set. `updated_at` is aware UTC."""

    tenant_id: str
    limits: Limits = Limits()
    version: int = 0
    updated_by: str = ""
    updated_at: datetime | None = None
