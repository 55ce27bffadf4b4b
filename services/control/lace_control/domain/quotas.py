"""What a tenant may use at once, and spend in a day and a month."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime


@dataclass(frozen=True)
class Limits:
    """Runs worked on at once, runs that wait, runs started within any 60 seconds; tokens and money; 0 is no limit.

    Tokens and millionths of a US dollar are those of model calls within a day and a month of UTC, of the tenant as a
    whole and of each of its principals.
    """

    max_concurrent_runs: int = 0
    max_queued_runs: int = 0
    runs_per_minute: int = 0
    tokens_per_day: int = 0
    tokens_per_month: int = 0
    micro_usd_per_day: int = 0
    micro_usd_per_month: int = 0
    principal_tokens_per_day: int = 0
    principal_tokens_per_month: int = 0
    principal_micro_usd_per_day: int = 0
    principal_micro_usd_per_month: int = 0

    def as_details(self) -> dict[str, int]:
        """For the audit log."""
        return asdict(self)


LIMITS = tuple(field.name for field in fields(Limits))


@dataclass(frozen=True)
class Quotas:
    """The limits of a tenant; version 0, without an author, while none were ever set. `updated_at` is aware UTC."""

    tenant_id: str
    limits: Limits = Limits()
    version: int = 0
    updated_by: str = ""
    updated_at: datetime | None = None
