"""Who calls, as control has signed it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SignedIdentity:
    """The signed identity that travels on, and what the gateway reads of it; times in seconds since the epoch."""

    signed: str
    principal_id: str
    tenant_id: str
    expires_at: float
