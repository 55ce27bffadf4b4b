"""Entries of the audit log: who did what to what, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Outcome = Literal["done", "refused"]
OUTCOMES: tuple[Outcome, ...] = ("done", "refused")


@dataclass(frozen=True)
class AuditEntry:
    """One entry; `details` hold JSON values and never a secret."""

    audit_id: str
    occurred_at: datetime
    principal_id: str
    action: str
    subject: str
    outcome: Outcome
    correlation_id: str
    details: Mapping[str, Any] = field(default_factory=dict)
